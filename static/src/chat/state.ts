// What the chat shows, and how what happens changes it. Pure: knows no socket, no DOM, no clock. Events come in batches,
// one for each drawing, so that a flood costs one copy of the list and not one for each message.
import type { ChatMessage, Denial, Line, ServerEvent, User, Verb } from "./wire";

/** Entries that are kept; older ones leave. */
export const MAX_ENTRIES = 3_000;
/** So many more may gather before the oldest leave, since cutting costs a copy. */
const SLACK = 200;
/** Entries that stay where somebody reads who scrolled far up: as many before the first on the screen as from it on. */
export const HELD_ENTRIES = 600;
const MAX_PEOPLE = 300;
const NAMES_SHOWN = 2;
/** The history has the newest 50; a message that comes a second time is among as many. */
const LOOK_BACK = 100;

/** People who came or left one after the other, told in one line. */
export interface Crowd {
  kind: "crowd";
  id: string;
  at: number;
  verb: Verb;
  names: readonly string[];
  others: number;
}

export interface Renamed {
  kind: "renamed";
  id: string;
  at: number;
  before: string;
  name: string;
}

/** Where entries were let go to keep memory flat while somebody read before them. */
export interface Gap {
  kind: "gap";
  id: string;
  at: number;
  count: number;
}

export type Entry = ChatMessage | Line | Crowd | Renamed | Gap;

export interface ChatState {
  me: User | null;
  /** In the order in which they happened. */
  entries: readonly Entry[];
  /** Who wrote, came or took a name lately, by the name in small letters; the latest last. */
  people: ReadonlyMap<string, User>;
  pinned: ChatMessage | null;
  link: "connecting" | "open" | "lost";
  /** Whether the history has been asked for. */
  loaded: boolean;
  denied: { reason: Denial; text: string } | null;
  /** Whether the last that was heard is that nobody may write now. */
  closed: boolean;
  /** The last refusal of something that was sent; `count` tells one from the next. */
  refusal: Refusal;
  /** How many messages of mine have come back. */
  accepted: number;
  /** The first entry on the screen of a reader who does not follow the newest; null for one who does. */
  reading: string | null;
  held: boolean;
  /** What came since then, and the first of it, which keeps its mark when the reader is back. */
  unread: number;
  firstUnread: string | null;
}

export interface Refusal {
  code: string;
  text: string;
  retryAfter: number;
  count: number;
}

export type ChatEvent =
  | ServerEvent
  | { type: "history"; messages: ReadonlyArray<ChatMessage | Line> }
  | { type: "link"; link: ChatState["link"] }
  /** A show begins, and whoever waits for that may write. */
  | { type: "opened" }
  /** `held`: only while something is done with a message, which is no absence that needs a mark. */
  | { type: "reading"; from: string | null; held?: boolean };

export const initialState: ChatState = {
  me: null,
  entries: [],
  people: new Map(),
  pinned: null,
  link: "connecting",
  loaded: false,
  denied: null,
  closed: false,
  refusal: { code: "", text: "", retryAfter: 0, count: 0 },
  accepted: 0,
  reading: null,
  held: false,
  unread: 0,
  firstUnread: null,
};

/** A state under work: its own lists, which it may change. */
interface Draft extends ChatState {
  entries: Entry[];
  people: Map<string, User>;
}

export function reduce(state: ChatState, events: readonly ChatEvent[]): ChatState {
  const draft: Draft = { ...state, entries: state.entries.slice(), people: new Map(state.people) };
  const known = new Set(draft.entries.slice(-LOOK_BACK).map((entry) => entry.id));
  for (const event of events) apply(draft, event, known);
  if (draft.entries.length > MAX_ENTRIES + SLACK) draft.entries = trimmed(draft.entries, draft.reading);
  if (draft.people.size > MAX_PEOPLE) draft.people = new Map(Array.from(draft.people).slice(-MAX_PEOPLE));
  return draft;
}

function apply(draft: Draft, event: ChatEvent, known: Set<string>): void {
  switch (event.type) {
    case "link":
      draft.link = event.link;
      if (event.link === "open") draft.denied = null;
      break;
    case "opened":
      draft.closed = false;
      break;
    case "denied":
      draft.denied = { reason: event.reason, text: event.text };
      break;
    case "me":
      draft.me = event.user;
      break;
    case "history":
      draft.loaded = true;
      draft.entries = merged(draft.entries, event.messages);
      for (const { id } of draft.entries.slice(-LOOK_BACK)) known.add(id);
      for (const each of event.messages) if (each.kind === "message") meet(draft, each.user);
      break;
    case "message":
      if (!add(draft, event.message, known)) break;
      meet(draft, event.message.user);
      if (event.message.user.id === draft.me?.id) draft.accepted += 1;
      if (!event.message.user.moderator) draft.closed = false;
      break;
    case "line":
      addLine(draft, event.line, known);
      break;
    case "crowd":
      addCrowd(draft, event, known);
      break;
    case "renamed": {
      const { id, at, before, user } = event;
      if (draft.me?.id === user.id) draft.me = { ...draft.me, ...user };
      draft.people.delete(before.toLowerCase());
      meet(draft, user);
      add(draft, { kind: "renamed", id, at, before, name: user.name }, known);
      break;
    }
    case "visibility":
      show(draft, new Set(event.ids), event.visible);
      break;
    case "pinned":
      draft.pinned = event.message;
      break;
    case "refused": {
      const { code, text, retryAfter } = event;
      draft.refusal = { code, text, retryAfter, count: draft.refusal.count + 1 };
      if (code === "CHAT_CLOSED") draft.closed = true;
      break;
    }
    case "reading":
      if (event.from === null && draft.held) draft.firstUnread = null;
      if (event.from === null) draft.unread = 0;
      draft.reading = event.from;
      draft.held = event.from !== null && event.held === true;
      break;
  }
}

/** The newest entry; false when it is there already, as it can come by the history and by the socket. */
function add(draft: Draft, entry: Entry, known: Set<string>): boolean {
  if (known.has(entry.id)) return false;
  known.add(entry.id);
  draft.entries.push(entry);
  if (draft.reading !== null && isUnread(entry)) {
    if (draft.unread === 0) draft.firstUnread = entry.id;
    draft.unread += 1;
  }
  return true;
}

/** The welcome is said at every connection; once is enough. */
function addLine(draft: Draft, line: Line, known: Set<string>): void {
  const told = (entry: Entry) => entry.kind === "system" && entry.id.startsWith("p") && entry.body === line.body;
  if (line.id.startsWith("p") && draft.entries.some(told)) return;
  add(draft, line, known);
}

function addCrowd(draft: Draft, event: Extract<ServerEvent, { type: "crowd" }>, known: Set<string>): void {
  const { id, at, verb, name, count } = event;
  if (known.has(id)) return;
  const last = draft.entries.at(-1);
  const before = last?.kind === "crowd" && last.verb === verb ? last : null;
  const named = name !== "" && (before?.names.length ?? 0) < NAMES_SHOWN;
  const names = named ? [...(before?.names ?? []), name] : (before?.names ?? []);
  const others = (before?.others ?? 0) + (named ? 0 : count);
  known.add(id);
  if (before) draft.entries[draft.entries.length - 1] = { ...before, names, others };
  else draft.entries.push({ kind: "crowd", id, at, verb, names, others });
}

function meet(draft: Draft, user: User): void {
  const name = user.name.toLowerCase();
  if (!name) return;
  draft.people.delete(name);
  draft.people.set(name, user);
}

function show(draft: Draft, ids: ReadonlySet<string>, visible: boolean): void {
  draft.entries = draft.entries.map((entry) => (entry.kind === "message" && ids.has(entry.id) ? { ...entry, visible } : entry));
  if (draft.pinned && ids.has(draft.pinned.id) && !visible) draft.pinned = null;
  if (draft.unread === 0) return;
  const from = draft.entries.findIndex((entry) => entry.id === draft.firstUnread);
  if (from >= 0) draft.unread = draft.entries.slice(from).filter(isUnread).length;
}

function isUnread(entry: Entry): boolean {
  return entry.kind === "message" ? entry.visible : entry.kind === "system" || entry.kind === "action";
}

/**
 * What is known and what the history says, each once, in order. The history knows best what is visible: a message that
 * it leaves out, though it has older and newer ones, was hidden meanwhile.
 */
function merged(entries: readonly Entry[], history: ReadonlyArray<ChatMessage | Line>): Entry[] {
  const first = history[0]?.id ?? "";
  const last = history.at(-1)?.id ?? "";
  const told = new Map<string, Entry>(history.map((each) => [each.id, each]));
  const kept = entries.map((entry): Entry => {
    const same = told.get(entry.id);
    told.delete(entry.id);
    if (same) return same;
    return entry.kind === "message" && entry.id > first && entry.id < last ? { ...entry, visible: false } : entry;
  });
  if (told.size === 0) return kept;
  return [...kept, ...told.values()].sort((one, other) => one.at - other.at || (one.id < other.id ? -1 : 1));
}

/** The newest; and, for a reader who is further up, what stands there. */
function trimmed(entries: readonly Entry[], reading: string | null): Entry[] {
  const place = reading === null ? -1 : entries.findIndex((entry) => entry.id === reading);
  const start = Math.max(0, place - HELD_ENTRIES / 2);
  if (place < 0 || entries.length - start <= MAX_ENTRIES) return entries.slice(-MAX_ENTRIES);
  const held = entries.slice(start, start + HELD_ENTRIES);
  const rest = entries.slice(-(MAX_ENTRIES - HELD_ENTRIES - 1));
  const lost = entries.slice(start + HELD_ENTRIES, -rest.length);
  const count = lost.reduce((sum, entry) => sum + (entry.kind === "gap" ? entry.count : isUnread(entry) ? 1 : 0), 0);
  return [...held, { kind: "gap", id: `gap-${rest[0]?.id}`, at: held.at(-1)?.at ?? 0, count }, ...rest];
}
