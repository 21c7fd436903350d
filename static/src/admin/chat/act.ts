// What the owner can do to people and messages, as the API has it.
import { get, post, type Schemas } from "../../api/client";

export type User = Schemas["UserContent"];
export type Client = Schemas["ClientView"];
export type Card = Schemas["UserCard"];
export type ChatMessage = Schemas["ChatObject"];

/** For how long somebody can be made to pause, in Intl's units. */
export const PAUSES: ReadonlyArray<readonly [unit: string, amount: number, seconds: number]> = [
  ["minute", 1, 60],
  ["minute", 10, 600],
  ["hour", 1, 3_600],
  ["day", 1, 86_400],
];
/** The most messages that one request may name. */
const MAX_IDS = 1_000;

export const enable = (user: User, enabled: boolean) => post("/api/admin/chat/users/setenabled", { userId: user.id, enabled });
export const pause = (user: User, seconds: number) => post("/api/admin/chat/users/timeout", { userId: user.id, seconds });
export const moderate = (user: User, isModerator: boolean) => post("/api/admin/chat/users/setmoderator", { userId: user.id, isModerator });
export const forget = (user: User) => post("/api/admin/users/delete", { userId: user.id });
export const banAddress = (value: string, notes: string) => post("/api/admin/chat/users/ipbans/create", { value, notes });
export const unbanAddress = (value: string) => post("/api/admin/chat/users/ipbans/remove", { value, notes: "" });
export const card = async (id: string) => get(`/api/admin/users/${encodeURIComponent(id)}` as "/api/admin/users/{user_id}");

export async function setVisible(ids: readonly string[], visible: boolean): Promise<void> {
  for (let at = 0; at < ids.length; at += MAX_IDS) {
    await post("/api/admin/chat/messagevisibility", { visible, idArray: ids.slice(at, at + MAX_IDS) });
  }
}

export const isModerator = (user: User) => user.scopes.includes("MODERATOR");
export const isBanned = (user: User) => user.disabledAt !== undefined;
export const isPaused = (user: User) => user.timedOutUntil !== undefined && Date.parse(user.timedOutUntil) > Date.now();
