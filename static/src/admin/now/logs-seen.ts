// Up to when the owner has read the log, remembered by the browser: what was seen needs nobody any more.
import { recall, remember } from "../../player/preferences";

const SEEN = "owncast.admin.logsSeen";

/** When the newest line was written that was seen, in ms since 1970; 0: none. */
export function logsSeen(): number {
  const kept = recall(SEEN);
  return typeof kept === "number" ? kept : 0;
}

export function sawLogs(until: number): void {
  if (until > logsSeen()) remember(SEEN, until);
}
