// What there is to show of the playback at one moment.
import type { Quality } from "./engine";
import type { LatencyMode } from "./latency-mode";

/** idle: nothing to play; ended: played to its end; retrying and failed come with a sentence. */
export type PlaybackState = "idle" | "starting" | "playing" | "paused" | "buffering" | "ended" | "retrying" | "failed";

export interface Snapshot {
  state: PlaybackState;
  /** What went wrong, for the viewer; "" when all is well. */
  sentence: string;
  hasFrame: boolean;
  /** Nothing has come for a while. */
  lost: boolean;
  audioOnly: boolean;
  volume: number;
  muted: boolean;
  /** The browser allowed playback only without sound. */
  mutedByBrowser: boolean;
  /** The browser allowed no playback before a click. */
  needsClick: boolean;
  qualities: readonly Quality[];
  quality: number;
  selectedQuality: number;
  mode: LatencyMode;
  /** Seconds. */
  latency: number | null;
  behind: boolean;
}
