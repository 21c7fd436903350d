// Entries as the rows of the list: which of them are drawn, who shares a name with the one before, and where the time
// and the mark of the unread stand. Pure.
import type { Entry } from "./state";
import type { User } from "./wire";

const SAME_AUTHOR_MS = 2 * 60_000;
const DIVIDER_MS = 5 * 60_000;
/** Rows that are drawn for a reader who follows: some screens of them. */
export const WINDOW = 100;
/** Rows that are drawn at most, and how many more are drawn when a reader comes near their end. */
export const MAX_WINDOW = 240;
export const STEP = 60;

export interface Row {
  entry: Entry;
  /** Whether it shares the name above it. */
  follows: boolean;
  /** The time, where five minutes are over; else 0. */
  divider: number;
  /** Whether it is the first that the reader has not seen. */
  fresh: boolean;
}

/** The drawn part of the list: the indices of its first row and of the one after its last. */
export interface Span {
  from: number;
  to: number;
}

/** What `me` may see: a hidden message leaves a trace for moderators alone. */
export function shownTo(me: User | null, entries: readonly Entry[]): readonly Entry[] {
  if (me?.moderator) return entries;
  return entries.every(isVisible) ? entries : entries.filter(isVisible);
}

export function rowsOf(shown: readonly Entry[], { from, to }: Span, firstUnread: string | null): Row[] {
  return shown.slice(from, to).map((entry, index): Row => {
    const before = shown[from + index - 1];
    const divider = entry.at > 0 && (!before || bucket(before) !== bucket(entry)) ? entry.at : 0;
    const fresh = entry.id === firstUnread;
    return { entry, divider, fresh, follows: !divider && !fresh && sameAuthor(before, entry) };
  });
}

/** Where the entry of that id is, or the next one that is shown when it is not. */
export function placeOf(id: string, shown: readonly Entry[], entries: readonly Entry[]): number {
  const place = shown.findIndex((entry) => entry.id === id);
  if (place >= 0) return place;
  const at = entries.findIndex((entry) => entry.id === id);
  return at < 0 ? 0 : entries.slice(0, at).filter(isVisible).length;
}

/** The span, grown by a step upwards or downwards; what is far from there is let go. */
export function grown({ from, to }: Span, upwards: boolean, length: number): Span {
  if (upwards) {
    const first = Math.max(0, from - STEP);
    return { from: first, to: Math.min(to, first + MAX_WINDOW) };
  }
  const last = Math.min(length, to + STEP);
  return { from: Math.max(from, last - MAX_WINDOW), to: last };
}

function isVisible(entry: Entry): boolean {
  return entry.kind !== "message" || entry.visible;
}

function bucket(entry: Entry): number {
  return Math.floor(entry.at / DIVIDER_MS);
}

function sameAuthor(before: Entry | undefined, entry: Entry): boolean {
  return (
    before?.kind === "message" &&
    entry.kind === "message" &&
    before.visible &&
    entry.visible &&
    before.user.id === entry.user.id &&
    before.user.name === entry.user.name &&
    entry.quote === null &&
    entry.at - before.at < SAME_AUTHOR_MS
  );
}
