// Why something was refused, in the reader's language as far as the code says it all; else as the server says it.
import { type Key, t } from "../words";
import type { Refusal } from "./state";
import type { Denial } from "./wire";

const KNOWN: Readonly<Record<string, Key>> = {
  CHAT_CLOSED: "chat.closed",
  EMPTY: "chat.refused.empty",
  LINKS_BLOCKED: "chat.refused.links",
  NOT_ESTABLISHED: "chat.refused.tooNew",
  NOT_FOUND: "chat.refused.notFound",
  RATE_LIMITED: "chat.refused.tooFast",
  SLOW_MODE: "chat.refused.slowMode",
  TIMED_OUT: "chat.refused.timedOut",
  TOO_LONG: "chat.refused.tooLong",
  USER_DISABLED: "chat.denied.banned",
};

export function sentenceOf({ code, text }: Refusal): string {
  const key = KNOWN[code];
  return key ? t(key) : text;
}

/** Why a connection may not be. */
export function denialOf({ reason, text }: { reason: Denial; text: string }): string {
  return reason === "refused" ? text : t(`chat.denied.${reason}`);
}
