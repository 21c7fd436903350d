// The chat's reducer: every event, and that nothing shows twice or in the wrong order.
import { expect, test } from "vitest";
import { type ChatEvent, type ChatState, MAX_ENTRIES, crowdLine, initialState, reduce } from "../src/chat/state";
import type { ChatMessage, User } from "../src/chat/wire";

const ANA: User = { id: "ana", name: "Ana", color: 1, moderator: false, bot: false };
const BEN: User = { ...ANA, id: "ben", name: "Ben" };

function message(number: number, user = BEN): ChatMessage {
  const id = String(number).padStart(6, "0");
  return { kind: "message", id, at: number * 1000, user, body: `<p>${number}</p>`, visible: true, quote: null };
}

function after(...events: ChatEvent[]): ChatState {
  return events.reduce(reduce, initialState);
}

function ids(state: ChatState): string[] {
  return state.entries.map((entry) => entry.id);
}

const said = (number: number, user = BEN): ChatEvent => ({ type: "message", message: message(number, user) });
const crowd = (name: string, verb: "joined" | "left" = "joined"): ChatEvent => ({
  type: "crowd",
  id: `${verb}-${name}`,
  at: 1,
  verb,
  name,
});

test("what comes by the history and by the socket shows once, in order", () => {
  const state = after(said(3), { type: "history", messages: [1, 2, 3].map((number) => message(number)) }, said(4), said(2));
  expect(ids(state)).toEqual(["000001", "000002", "000003", "000004"]);
});

test("the history of a second connection fills the gap, and knows what was hidden meanwhile", () => {
  const history = [{ ...message(1), visible: false }, message(2), message(3)];
  const state = after(said(1), said(4), { type: "history", messages: history });
  expect(ids(state)).toEqual(["000001", "000002", "000003", "000004"]);
  expect(state.entries.map((entry) => entry.kind === "message" && entry.visible)).toEqual([false, true, true, true]);
});

test("the oldest leave when there are too many", () => {
  const state = after(...Array.from({ length: MAX_ENTRIES + 20 }, (_, number) => said(number)));
  expect(state.entries.length).toBe(MAX_ENTRIES);
  expect(state.entries[0]?.id).toBe("000020");
});

test("messages are hidden and shown again", () => {
  const hidden = after(said(1), said(2), { type: "visibility", ids: ["000001", "none"], visible: false });
  expect(hidden.entries.map((entry) => entry.kind === "message" && entry.visible)).toEqual([false, true]);
  const shown = reduce(hidden, { type: "visibility", ids: ["000001"], visible: true });
  expect(shown.entries.every((entry) => entry.kind === "message" && entry.visible)).toBe(true);
});

test("my own messages count as accepted, those of others do not", () => {
  const state = after({ type: "me", user: ANA }, said(1, ANA), said(2, BEN), said(3, ANA));
  expect(state.accepted).toBe(2);
});

test("each refusal counts, also one that reads the same", () => {
  const refused: ChatEvent = { type: "refused", text: "Too fast.", retryAfter: 10 };
  expect(after(refused, refused).refusal).toEqual({ text: "Too fast.", retryAfter: 10, count: 2 });
});

test("those who come one after the other share a line", () => {
  const state = after(crowd("Ana"), crowd("Ben"), crowd("Cem"), crowd("Dan"), crowd("Ana", "left"), said(1), crowd("Eve"));
  const lines = state.entries.flatMap((entry) => (entry.kind === "crowd" ? [crowdLine(entry)] : []));
  expect(lines).toEqual(["Ana, Ben and 2 others joined", "Ana left", "Eve joined"]);
});

test("a new name is mine when it is mine, and its line is no markup", () => {
  const renamed: ChatEvent = { type: "renamed", id: "r", at: 1, before: "<b>Ana", user: { ...ANA, name: "A&B" } };
  const state = after({ type: "me", user: ANA }, renamed);
  expect(state.me?.name).toBe("A&B");
  expect(state.entries).toEqual([{ kind: "action", id: "r", at: 1, body: "&lt;b&gt;Ana is now A&amp;B" }]);
  expect(reduce(state, { ...renamed, id: "s", user: { ...BEN, name: "C" } }).me?.name).toBe("A&B");
});

test("a refused connection is said until one is open", () => {
  const denied = after({ type: "denied", reason: "disabled", text: "Off." }, { type: "link", link: "lost" });
  expect(denied.denied).toEqual({ reason: "disabled", text: "Off." });
  expect(reduce(denied, { type: "link", link: "open" }).denied).toBeNull();
});

test("a message is pinned and taken down", () => {
  const pinned = after({ type: "pinned", message: message(1) });
  expect(pinned.pinned?.id).toBe("000001");
  expect(reduce(pinned, { type: "pinned", message: null }).pinned).toBeNull();
});
