// The viewer's choice between little delay and few interruptions, and what it means for the player. Remembered.
import { recall, remember } from "./preferences";

export const LATENCY_MODES = ["lowest", "balanced", "smooth"] as const;
export type LatencyMode = (typeof LATENCY_MODES)[number];

export interface Manner {
  /** Whether parts of a segment are played before it is complete. */
  lowLatency: boolean;
  /** How much of the distance from the live edge that the playlist asks for (PART-HOLD-BACK) is kept. */
  share: number;
  /** Playback is never faster than this. From about 1.1 on, music sounds hurried. */
  maxRate: number;
  /** Seconds that each stall moves playback away from the live edge, and all of them together at most. */
  stallSeconds: number;
  maxStallSeconds: number;
}

export const MANNERS: Readonly<Record<LatencyMode, Manner>> = {
  lowest: { lowLatency: true, share: 2 / 3, maxRate: 1.1, stallSeconds: 0.2, maxStallSeconds: 1 },
  balanced: { lowLatency: true, share: 1, maxRate: 1.08, stallSeconds: 0.5, maxStallSeconds: 3 },
  smooth: { lowLatency: false, share: 1, maxRate: 1.04, stallSeconds: 1, maxStallSeconds: 6 },
};

const KEY = "owncast.latency";

export function recallLatencyMode(): LatencyMode {
  const stored = recall(KEY);
  return LATENCY_MODES.find((mode) => mode === stored) ?? "balanced";
}

export function rememberLatencyMode(mode: LatencyMode): void {
  remember(KEY, mode);
}
