// Emoji by name: the server's own, and those of Unicode. Both are asked for when somebody first wants one, and then kept.
import type Database from "emoji-picker-element/database";
import { ask } from "../api/client";
import { isEmojiAddress } from "./body";

const MAX_EMOJI = 500;
const NAME = /^[\w-]{1,50}$/;

export interface CustomEmoji {
  name: string;
  url: string;
}

export interface Suggestion {
  /** What is put into the field. */
  text: string;
  /** What is shown before its name: a picture's address, or a character. */
  picture: string;
  label: string;
}

let custom: Promise<readonly CustomEmoji[]> | null = null;
let database: Promise<Database> | null = null;

/** The server's own emoji; none when it does not answer, and then it is asked again the next time. */
export async function customEmoji(): Promise<readonly CustomEmoji[]> {
  custom ??= ask("GET", "/api/emoji").then(readEmoji);
  return custom.catch(() => {
    custom = null;
    return [];
  });
}

/** At most `limit` emoji for what was typed after the colon, those of the server first. */
export async function findEmoji(typed: string, limit: number): Promise<Suggestion[]> {
  const wanted = typed.toLowerCase();
  const own = (await customEmoji()).filter(({ name }) => name.toLowerCase().includes(wanted)).slice(0, limit);
  const found = own.map(({ name, url }): Suggestion => ({ text: `:${name}:`, picture: url, label: `:${name}:` }));
  return [...found, ...(await findUnicode(wanted))].slice(0, limit);
}

async function findUnicode(wanted: string): Promise<Suggestion[]> {
  try {
    database ??= import("./emoji-data").then((data) => data.openDatabase());
    const found = await (await database).getEmojiBySearchQuery(wanted.replaceAll("_", " "));
    return found
      .flatMap((emoji) => ("unicode" in emoji ? [{ text: emoji.unicode, picture: emoji.unicode, label: emoji.annotation }] : []))
      .sort((one, other) => distance(one.label, wanted) - distance(other.label, wanted));
  } catch {
    // A browser that keeps nothing on disk has no such list.
    database = null;
    return [];
  }
}

/** An emoji that is called so comes before one that has to do with it. */
function distance(label: string, wanted: string): number {
  const at = ` ${label.toLowerCase()}`.indexOf(` ${wanted}`);
  return at < 0 ? 1_000 : at;
}

export function readEmoji(document: unknown): CustomEmoji[] {
  const found: unknown[] = Array.isArray(document) ? document.slice(0, MAX_EMOJI) : [];
  return found.flatMap((each) => {
    const { name, url } = (each ?? {}) as Record<string, unknown>;
    return typeof name === "string" && NAME.test(name) && typeof url === "string" && isEmojiAddress(url) ? [{ name, url }] : [];
  });
}
