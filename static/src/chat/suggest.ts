// What can complete the word before the caret: a name after "@", an emoji after ":". Pure.
import type { User } from "./wire";

/** Fewer letters after a colon are more likely the end of a sentence, or a smile made of signs. */
const MIN_EMOJI = 2;
const MAX_TYPED = 30;

export interface Query {
  sign: "@" | ":";
  typed: string;
  /** Where the sign is. */
  from: number;
}

export function queryAt(words: string, caret: number): Query | null {
  const match = /(?:^|[\s(])([@:])([^\s@:]*)$/.exec(words.slice(0, caret));
  const typed = match?.[2] ?? "";
  const sign = match?.[1];
  if ((sign !== "@" && sign !== ":") || typed.length > MAX_TYPED || (sign === ":" && typed.length < MIN_EMOJI)) return null;
  return { sign, typed, from: caret - typed.length - 1 };
}

/** Those whose name, or a word of it, begins so; who wrote last comes first. */
export function findPeople(people: ReadonlyMap<string, User>, typed: string, me: User | null, limit: number): User[] {
  const wanted = typed.toLowerCase();
  const fits = ([name, user]: readonly [string, User]) =>
    user.id !== me?.id && (name.startsWith(wanted) || name.split(/\s+/).some((word) => word.startsWith(wanted)));
  return Array.from(people).reverse().filter(fits).slice(0, limit).map(([, user]) => user);
}

/** `words` with the query's sign and word replaced, and where the caret is then. */
export function completed(words: string, query: Query, text: string): { words: string; caret: number } {
  const rest = words.slice(query.from + 1 + query.typed.length);
  const space = rest.startsWith(" ") ? "" : " ";
  const before = words.slice(0, query.from) + text + " ";
  return { words: words.slice(0, query.from) + text + space + rest, caret: before.length };
}
