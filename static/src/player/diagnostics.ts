// `window.owncast.player`: how playback goes, for benchmarks, tests and people with a console. Read-only.
import type { Playback } from "./playback";
import type { PlaybackState } from "./snapshot";

export interface PlayerDiagnostics {
  /** Seconds behind the newest media; null when unknown. */
  latency(): number | null;
  /** Seconds of media ahead of the playing position. */
  buffered(): number;
  /** Seconds of the video's clock. */
  currentTime(): number;
  state(): PlaybackState;
  /** How often playback ran dry since the page was opened. */
  stalls(): number;
  /** The quality that plays, and whether it was chosen automatically; null when unknown. */
  level(): { height: number; label: string; automatic: boolean } | null;
  /** Whether parts of segments are played before their segment is complete. */
  lowLatency(): boolean;
}

declare global {
  interface Window {
    owncast?: { readonly player: PlayerDiagnostics };
  }
}

export function publishDiagnostics(playback: Playback, video: HTMLVideoElement): void {
  const player: PlayerDiagnostics = Object.freeze({
    latency: () => playback.snapshot().latency,
    buffered: () => playback.bufferedAhead(),
    currentTime: () => video.currentTime,
    state: () => playback.snapshot().state,
    stalls: () => playback.stalls(),
    level: () => {
      const { qualities, quality, selectedQuality } = playback.snapshot();
      const found = qualities.find((candidate) => candidate.id === quality);
      return found ? { height: found.height, label: found.label, automatic: selectedQuality < 0 } : null;
    },
    lowLatency: () => playback.lowLatency(),
  });
  window.owncast = Object.freeze({ player });
}
