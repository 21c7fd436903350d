// The engine for browsers without Media Source Extensions (older iPhones): the browser plays the playlist itself.
// It chooses the quality by itself and tells little, so most answers here are estimates or nothing.
import { t } from "../words";
import { AUTOMATIC, type Engine, type EngineEvents, type Quality, type Trouble } from "./engine";

/** How far from the end of what can be sought a native player starts: three segments of two seconds. */
const HOLD_BACK_SECONDS = 6;
const BEHIND_SECONDS = 15;

export function isSupported(video: HTMLVideoElement): boolean {
  return video.canPlayType("application/vnd.apple.mpegurl") !== "";
}

export class NativeEngine implements Engine {
  readonly name = t("stats.native");
  private readonly listening = new AbortController();
  private stallCount = 0;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly events: EngineEvents,
  ) {
    const { signal } = this.listening;
    video.addEventListener("error", () => this.events.trouble(troubleOf(video.error)), { signal });
    video.addEventListener("waiting", () => this.onWaiting(), { signal });
  }

  load(url: string): void {
    this.video.src = url;
    this.video.load();
  }

  repair(): boolean {
    return false;
  }

  destroy(): void {
    this.listening.abort();
    this.video.removeAttribute("src");
    this.video.load();
  }

  qualities(): readonly Quality[] {
    return [];
  }

  playing(): number {
    return AUTOMATIC;
  }

  selected(): number {
    return AUTOMATIC;
  }

  select(): void {}

  setMode(): void {}

  latency(): number | null {
    const { seekable } = this.video;
    return seekable.length ? Math.max(0, seekable.end(seekable.length - 1) - this.video.currentTime) : null;
  }

  base(): null {
    return null;
  }

  positionAt(): number | null {
    const { seekable } = this.video;
    if (!seekable.length) return null;
    const last = seekable.length - 1;
    return Math.max(seekable.start(last), seekable.end(last) - HOLD_BACK_SECONDS);
  }

  behindAfter(): number {
    return BEHIND_SECONDS;
  }

  lowLatency(): boolean {
    return false;
  }

  stalls(): number {
    return this.stallCount;
  }

  throughput(): { bandwidth: number; download: number } {
    return { bandwidth: 0, download: 0 };
  }

  private onWaiting(): void {
    if (this.video.played.length && !this.video.seeking) this.stallCount += 1;
  }
}

function troubleOf(error: MediaError | null): Trouble {
  const detail = `media error ${error?.code ?? 0} ${error?.message ?? ""}`.trim();
  return { kind: error?.code === MediaError.MEDIA_ERR_NETWORK ? "network" : "media", detail };
}
