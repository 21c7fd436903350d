// The chat's objects as the server sends them, checked field by field. What is missing or of another type reads as its
// empty value, what is longer than anything that can be shown is cut, and what has no known type is left out. Owns the
// wire's names, nothing of what is done with them.
import { wordsOf } from "./plain";

/** A name of our server has at most 30 characters; this is for those of others. */
const MAX_NAME = 60;
const MAX_QUOTE = 300;
/** 2,048 bytes of Markdown make at most some 10 kB of HTML. */
const MAX_BODY = 32_768;
const MAX_IDS = 1_000;

export interface User {
  id: string;
  name: string;
  /** 0 to 7 */
  color: number;
  moderator: boolean;
  bot: boolean;
}

export interface Quote {
  id: string;
  name: string;
  text: string;
}

export interface ChatMessage {
  kind: "message";
  id: string;
  /** ms since the epoch */
  at: number;
  user: User;
  /** HTML; to be shown through `body.tsx` only */
  body: string;
  visible: boolean;
  quote: Quote | null;
}

/** Something said by nobody: by the server (system), or about what happened (action). */
export interface Line {
  kind: "system" | "action";
  id: string;
  at: number;
  /** HTML, as a message's */
  body: string;
}

export type Verb = "joined" | "left";
/**
 * `address` is banned whoever comes from it; `signedOut` is for a token that was good before; `refused` is for a reason
 * that only the server's sentence tells.
 */
export type Denial = "disabled" | "unregistered" | "signedOut" | "banned" | "full" | "address" | "refused";

export type ServerEvent =
  | { type: "me"; user: User }
  | { type: "message"; message: ChatMessage }
  | { type: "line"; line: Line }
  | { type: "refused"; code: string; text: string; retryAfter: number }
  /** `name` is empty where many are told of at once, `count` how many those are. */
  | { type: "crowd"; id: string; at: number; verb: Verb; name: string; count: number }
  | { type: "renamed"; id: string; at: number; before: string; user: User }
  | { type: "visibility"; ids: readonly string[]; visible: boolean }
  | { type: "pinned"; message: ChatMessage | null }
  | { type: "denied"; reason: Denial; text: string };

const DENIALS: Readonly<Record<string, Denial>> = {
  CHAT_DISABLED: "disabled",
  ERROR_NEEDS_REGISTRATION: "unregistered",
  ERROR_USER_DISABLED: "banned",
  ERROR_MAX_CONNECTIONS_EXCEEDED: "full",
};

type Fields = Readonly<Record<string, unknown>>;

/** The events of one frame, which may hold several objects on lines of their own. */
export function readFrame(frame: string): ServerEvent[] {
  return frame.split("\n").flatMap((line) => {
    try {
      const event = readEvent(JSON.parse(line));
      return event ? [event] : [];
    } catch {
      return [];
    }
  });
}

/** The history: an array of what was said. */
export function readHistory(document: unknown): Array<ChatMessage | Line> {
  const found: unknown[] = Array.isArray(document) ? document : [];
  return found.flatMap((each): Array<ChatMessage | Line> => {
    const event = readEvent(each);
    if (event?.type === "message") return [event.message];
    return event?.type === "line" ? [event.line] : [];
  });
}

export function readEvent(document: unknown): ServerEvent | null {
  const fields = object(document);
  const id = text(fields.id);
  const at = time(fields.timestamp);
  const body = text(fields.body, MAX_BODY);
  switch (fields.type) {
    case "CONNECTED_USER_INFO":
      return { type: "me", user: readUser(fields.user) };
    case "CHAT":
      return { type: "message", message: readMessage(fields) };
    case "SYSTEM": {
      const error = object(fields.error);
      const code = text(error.code);
      if (code) return { type: "refused", code, text: wordsOf(body), retryAfter: number(error.retryAfter) };
      // What is told to one alone counts from p1 again when the server starts anew.
      return { type: "line", line: { kind: "system", id: id.startsWith("p") ? `${id}@${at}` : id, at, body } };
    }
    case "CHAT_ACTION": {
      const crowd = object(fields.aggregated);
      const verb = VERBS[text(crowd.event)];
      if (verb) return { type: "crowd", id, at, verb, name: "", count: Math.max(1, Math.floor(number(crowd.count))) };
      return { type: "line", line: { kind: "action", id, at, body } };
    }
    case "USER_JOINED":
    case "USER_PARTED":
      return { type: "crowd", id, at, verb: VERBS[fields.type] ?? "joined", name: readUser(fields.user).name, count: 1 };
    case "NAME_CHANGE":
      return { type: "renamed", id, at, before: text(fields.oldName, MAX_NAME), user: readUser(fields.user) };
    case "VISIBILITY-UPDATE": {
      const ids = Array.isArray(fields.ids) ? fields.ids.slice(0, MAX_IDS).map((each) => text(each)) : [];
      return { type: "visibility", ids, visible: fields.visible === true };
    }
    case "MESSAGE_PINNED":
      return { type: "pinned", message: readMessage(object(fields.message)) };
    case "MESSAGE_UNPINNED":
      return { type: "pinned", message: null };
    default: {
      const reason = DENIALS[text(fields.type)];
      return reason ? { type: "denied", reason, text: wordsOf(body) } : null;
    }
  }
}

const VERBS: Readonly<Record<string, Verb>> = { USER_JOINED: "joined", USER_PARTED: "left" };

function readMessage(fields: Fields): ChatMessage {
  const quote = object(fields.inReplyTo);
  return {
    kind: "message",
    id: text(fields.id),
    at: time(fields.timestamp),
    user: readUser(fields.user),
    body: text(fields.body, MAX_BODY),
    visible: fields.visible !== false,
    quote: text(quote.id) ? { id: text(quote.id), name: text(quote.displayName, MAX_NAME), text: text(quote.body, MAX_QUOTE) } : null,
  };
}

function readUser(document: unknown): User {
  const fields = object(document);
  const scopes = Array.isArray(fields.scopes) ? fields.scopes : [];
  return {
    id: text(fields.id),
    name: text(fields.displayName, MAX_NAME),
    color: Math.min(7, Math.max(0, Math.floor(number(fields.displayColor)))),
    moderator: scopes.includes("MODERATOR"),
    bot: fields.isBot === true,
  };
}

function object(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function text(value: unknown, max = 200): string {
  return typeof value === "string" ? value.slice(0, max) : "";
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function time(value: unknown): number {
  const parsed = Date.parse(text(value));
  return Number.isNaN(parsed) ? 0 : parsed;
}
