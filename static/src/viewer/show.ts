// What the status says of the show, as the player wants to know it.
import type { Status } from "./documents";

/** A show lasts as long as its connect time: an encoder that comes back within the grace does not change it. */
export function showOf(status: Status): string | null {
  return status.online ? String(status.lastConnectTime ?? "live") : null;
}

/** The address of the last still picture of this show, or of the one before; null when there was none. */
export function posterOf(status: Status): string | null {
  const when = status.online ? status.lastConnectTime : status.lastDisconnectTime;
  return when === null ? null : `/thumbnail.jpg?of=${when}`;
}
