// What happens on this server, by the names that webhooks and topics have for it.
import { t } from "../../words";

export const EVENTS = [
  "STREAM_STARTED",
  "STREAM_STOPPED",
  "STREAM_TITLE_UPDATED",
  "CHAT",
  "USER_JOINED",
  "USER_PARTED",
  "NAME_CHANGE",
  "VISIBILITY-UPDATE",
  "STORAGE_TROUBLE",
  "STORAGE_RECOVERED",
] as const;

/** In words, where it is one of those. */
export function nameOf(event: string): string {
  return (EVENTS as readonly string[]).includes(event) ? t(`event.${event as (typeof EVENTS)[number]}`) : event;
}
