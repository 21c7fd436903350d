// The chat's objects as the server sends them, checked field by field. What is missing or of another type reads as its
// empty value; what has no known type is left out. Owns the wire's names, nothing of what is done with them.

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

export interface Line {
  kind: "system" | "action";
  id: string;
  at: number;
  body: string;
}

export type ServerEvent =
  | { type: "me"; user: User }
  | { type: "message"; message: ChatMessage }
  | { type: "line"; line: Line }
  | { type: "refused"; text: string; retryAfter: number }
  | { type: "crowd"; id: string; at: number; verb: "joined" | "left"; name: string }
  | { type: "renamed"; id: string; at: number; before: string; user: User }
  | { type: "visibility"; ids: readonly string[]; visible: boolean }
  | { type: "pinned"; message: ChatMessage | null }
  | { type: "denied"; reason: Denial; text: string };

export type Denial = "disabled" | "unregistered" | "banned" | "full";

const DENIALS: Record<string, Denial> = {
  CHAT_DISABLED: "disabled",
  ERROR_NEEDS_REGISTRATION: "unregistered",
  ERROR_USER_DISABLED: "banned",
  ERROR_MAX_CONNECTIONS_EXCEEDED: "full",
};

type Fields = Record<string, unknown>;

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
  switch (fields.type) {
    case "CONNECTED_USER_INFO":
      return { type: "me", user: readUser(fields.user) };
    case "CHAT":
      return { type: "message", message: readMessage(fields) };
    case "SYSTEM": {
      const error = object(fields.error);
      if (text(error.code)) return { type: "refused", text: plainText(text(fields.body)), retryAfter: number(error.retryAfter) };
      return { type: "line", line: { kind: "system", id, at, body: text(fields.body) } };
    }
    case "CHAT_ACTION":
      return { type: "line", line: { kind: "action", id, at, body: text(fields.body) } };
    case "USER_JOINED":
    case "USER_PARTED": {
      const verb = fields.type === "USER_JOINED" ? "joined" : "left";
      return { type: "crowd", id, at, verb, name: readUser(fields.user).name };
    }
    case "NAME_CHANGE":
      return { type: "renamed", id, at, before: text(fields.oldName), user: readUser(fields.user) };
    case "VISIBILITY-UPDATE": {
      const ids = Array.isArray(fields.ids) ? fields.ids.map(text) : [];
      return { type: "visibility", ids, visible: fields.visible === true };
    }
    case "MESSAGE_PINNED":
      return { type: "pinned", message: readMessage(object(fields.message)) };
    case "MESSAGE_UNPINNED":
      return { type: "pinned", message: null };
    default: {
      const reason = DENIALS[text(fields.type)];
      return reason ? { type: "denied", reason, text: text(fields.body) } : null;
    }
  }
}

function readMessage(fields: Fields): ChatMessage {
  const quote = object(fields.inReplyTo);
  return {
    kind: "message",
    id: text(fields.id),
    at: time(fields.timestamp),
    user: readUser(fields.user),
    body: text(fields.body),
    visible: fields.visible !== false,
    quote: text(quote.id) ? { id: text(quote.id), name: text(quote.displayName), text: text(quote.body) } : null,
  };
}

function readUser(document: unknown): User {
  const fields = object(document);
  const scopes = Array.isArray(fields.scopes) ? fields.scopes : [];
  return {
    id: text(fields.id),
    name: text(fields.displayName),
    color: Math.min(7, Math.max(0, Math.floor(number(fields.displayColor)))),
    moderator: scopes.includes("MODERATOR"),
    bot: fields.isBot === true,
  };
}

/** The words of a sentence that the server wrote as HTML. */
function plainText(html: string): string {
  return new DOMParser().parseFromString(html, "text/html").body.textContent ?? "";
}

function object(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function time(value: unknown): number {
  const parsed = Date.parse(text(value));
  return Number.isNaN(parsed) ? 0 : parsed;
}
