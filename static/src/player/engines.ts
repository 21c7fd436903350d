// Which engine plays in this browser; both are fetched only when they are needed.
import { t } from "../words";
import type { Engine, EngineEvents } from "./engine";
import type { LatencyMode } from "./latency-mode";

export interface Wish {
  mode: LatencyMode;
  /** The browser's own player, as AirPlay needs it, whatever else there is. */
  native: boolean;
}

const hasMediaSource = () => "MediaSource" in window || "ManagedMediaSource" in window;
const loadHlsEngine = () => import("./hls-engine");

/** Fetches what will be needed, long before it is; a failure is met again then. */
export function prepareEngine(): void {
  if (hasMediaSource()) loadHlsEngine().catch(() => undefined);
}

/** An engine for this browser, or the sentence that says why there is none. */
export async function makeEngine(video: HTMLVideoElement, events: EngineEvents, { mode, native }: Wish): Promise<Engine | string> {
  // canPlayType says "maybe" to HLS in new Chromium, which then plays without low latency: hls.js goes first.
  if (hasMediaSource() && !native) {
    try {
      const { HlsEngine, isSupported } = await loadHlsEngine();
      if (isSupported()) return new HlsEngine(video, events, mode);
    } catch {
      return t("player.notLoaded");
    }
  }
  const { NativeEngine, isSupported } = await import("./native-engine");
  return isSupported(video) ? new NativeEngine(video, events) : t("player.unsupported");
}
