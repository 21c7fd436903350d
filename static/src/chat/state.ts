// What the chat shows, and how each event changes it. Pure: knows no socket, no DOM, no clock.
import type { ChatMessage, Denial, Line, ServerEvent, User } from "./wire";

/** Messages that are kept and shown; older ones leave. */
export const MAX_ENTRIES = 500;
const NAMES_SHOWN = 2;

/** People who came or left one after the other, told in one line. */
export interface Crowd {
  kind: "crowd";
  id: string;
  at: number;
  verb: "joined" | "left";
  names: readonly string[];
  others: number;
}

export type Entry = ChatMessage | Line | Crowd;

export interface ChatState {
  me: User | null;
  /** In the order in which they happened. */
  entries: readonly Entry[];
  pinned: ChatMessage | null;
  link: "connecting" | "open" | "lost";
  denied: { reason: Denial; text: string } | null;
  /** The last refusal of something that was sent; `count` tells one from the next. */
  refusal: { text: string; retryAfter: number; count: number };
  /** How many messages of mine have come back. */
  accepted: number;
}

export type ChatEvent =
  | ServerEvent
  | { type: "history"; messages: ReadonlyArray<ChatMessage | Line> }
  | { type: "link"; link: ChatState["link"] };

export const initialState: ChatState = {
  me: null,
  entries: [],
  pinned: null,
  link: "connecting",
  denied: null,
  refusal: { text: "", retryAfter: 0, count: 0 },
  accepted: 0,
};

export function reduce(state: ChatState, event: ChatEvent): ChatState {
  switch (event.type) {
    case "link":
      return { ...state, link: event.link, denied: event.link === "open" ? null : state.denied };
    case "denied":
      return { ...state, denied: { reason: event.reason, text: event.text } };
    case "me":
      return { ...state, me: event.user };
    case "history":
      return { ...state, entries: merged(state.entries, event.messages) };
    case "message": {
      const mine = event.message.user.id === state.me?.id;
      return { ...withEntry(state, event.message), accepted: state.accepted + (mine ? 1 : 0) };
    }
    case "line":
      return withEntry(state, event.line);
    case "crowd":
      return withCrowd(state, event);
    case "renamed": {
      const me = state.me?.id === event.user.id ? { ...state.me, ...event.user } : state.me;
      const body = `${event.before} is now ${event.user.name}`;
      return withEntry({ ...state, me }, { kind: "action", id: event.id, at: event.at, body: escapeHtml(body) });
    }
    case "visibility": {
      const ids = new Set(event.ids);
      const entries = state.entries.map((entry) =>
        entry.kind === "message" && ids.has(entry.id) ? { ...entry, visible: event.visible } : entry,
      );
      return { ...state, entries };
    }
    case "pinned":
      return { ...state, pinned: event.message };
    case "refused": {
      const { text, retryAfter } = event;
      return { ...state, refusal: { text, retryAfter, count: state.refusal.count + 1 } };
    }
  }
}

function withEntry(state: ChatState, entry: Entry): ChatState {
  // A message can come by the history and by the socket.
  if (state.entries.some((known) => known.id === entry.id)) return state;
  return { ...state, entries: [...state.entries, entry].slice(-MAX_ENTRIES) };
}

function withCrowd(state: ChatState, event: { id: string; at: number; verb: Crowd["verb"]; name: string }): ChatState {
  const last = state.entries.at(-1);
  if (last?.kind !== "crowd" || last.verb !== event.verb) {
    const { id, at, verb, name } = event;
    return withEntry(state, { kind: "crowd", id, at, verb, names: [name], others: 0 });
  }
  const names = last.names.length < NAMES_SHOWN ? [...last.names, event.name] : last.names;
  const others = last.others + (names === last.names ? 1 : 0);
  return { ...state, entries: [...state.entries.slice(0, -1), { ...last, names, others }] };
}

/** What is known and what the history says, each once, in order. The history knows best what is visible. */
function merged(entries: readonly Entry[], history: ReadonlyArray<ChatMessage | Line>): readonly Entry[] {
  const byId = new Map<string, Entry>();
  for (const entry of [...entries, ...history]) byId.set(entry.id, entry);
  return [...byId.values()].sort((one, other) => one.at - other.at).slice(-MAX_ENTRIES);
}

export function crowdLine(crowd: Crowd): string {
  const { names, others, verb } = crowd;
  if (others === 0) return `${names.join(" and ")} ${verb}`;
  return `${names.join(", ")} and ${others} ${others === 1 ? "other" : "others"} ${verb}`;
}

function escapeHtml(words: string): string {
  return words.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
