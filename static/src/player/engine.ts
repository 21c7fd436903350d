// What the player asks of whatever brings media into the <video> element. Two exist: hls.js, and the browser itself.
import type { LatencyMode } from "./latency-mode";

export interface Quality {
  /** The engine's own number for `select`. */
  id: number;
  height: number;
  label: string;
}

export interface Trouble {
  kind: "network" | "media" | "unsupported";
  /** For the log: what the engine itself says. */
  detail: string;
}

export interface EngineEvents {
  /** The variants are known, or another one plays. */
  qualities(): void;
  /** The engine has given up on its source; it must be loaded again, or destroyed. */
  trouble(trouble: Trouble): void;
}

export interface Engine {
  /** What it is, for people who want to know: "hls.js 1.7.4". */
  readonly name: string;
  load(url: string): void;
  /** Tries to go on after a "media" trouble without a new source. False when it cannot. */
  repair(): boolean;
  destroy(): void;
  qualities(): readonly Quality[];
  /** The quality that plays; -1 when unknown. */
  playing(): number;
  /** The quality that was asked for; -1 is automatic. */
  selected(): number;
  select(id: number): void;
  setMode(mode: LatencyMode): void;
  /** Seconds that playback is behind the newest media; null when unknown. */
  latency(): number | null;
  /** Seconds behind it that the stream asks for; null when unknown, and where the engine keeps its distance by itself. */
  base(): number | null;
  /** Where, in seconds of the video's clock, playback is that far behind the newest media now; null when unknown. */
  positionAt(latency: number | null): number | null;
  /** From how many seconds of latency on the viewer counts as behind, if playback belongs `target` seconds behind. */
  behindAfter(target: number | null): number;
  lowLatency(): boolean;
  /** How often playback ran dry. */
  stalls(): number;
  /** kbit/s that come in, and the seconds that the last segment took; 0 where it is unknown. */
  throughput(): { bandwidth: number; download: number };
}

export const AUTOMATIC = -1;
