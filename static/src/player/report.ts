// What the player tells the server of its playback every half minute, for the owner's stream health. It changes nothing.
import type { Playback } from "./playback";
import { rememberBandwidth } from "./preferences";
import { ask } from "./session";

const REPORT_MS = 30_000;

/** What the player has seen since the last report. */
interface Report {
  /** kbit/s */
  bandwidth: number;
  /** Seconds. */
  latency: number;
  errors: number;
  /** Seconds that a segment took. */
  downloadDuration: number;
  qualityVariantChanges: number;
}

/** Reports while something plays, until the returned function is called. */
export function reportPlayback(playback: Playback): () => void {
  let stalls = playback.stalls();
  let changes = 0;
  let quality = playback.snapshot().quality;
  const unsubscribe = playback.subscribe((snapshot) => {
    if (snapshot.quality !== quality && quality >= 0 && snapshot.quality >= 0) changes += 1;
    quality = snapshot.quality;
  });
  const timer = setInterval(() => {
    const { state, latency } = playback.snapshot();
    const troubled = playback.stalls() > stalls;
    if (state !== "playing" && state !== "buffering" && !troubled) return;
    const { bandwidth, download } = playback.throughput();
    if (bandwidth > 0) rememberBandwidth(bandwidth * 1_000);
    send({
      bandwidth,
      latency: latency ?? 0,
      errors: playback.stalls() - stalls,
      downloadDuration: download,
      qualityVariantChanges: changes,
    });
    stalls = playback.stalls();
    changes = 0;
  }, REPORT_MS);
  return () => {
    clearInterval(timer);
    unsubscribe();
  };
}

/** Losing one is no matter. */
function send(report: Report): void {
  const headers = { "Content-Type": "application/json" };
  ask("/api/metrics/playback", { method: "POST", headers, body: JSON.stringify(report) }).catch(() => undefined);
}
