// The life of one <video> element through shows, breaks and failures: when a source is loaded, tried again, given up.
// It owns the engine and the element's state; it draws nothing. How media gets into the element is the engine's.
import { Backoff } from "./backoff";
import type { Engine, EngineEvents, Quality, Trouble } from "./engine";
import { recallLoudness, rememberLoudness } from "./preferences";

const TICK_MS = 1_000;
/** Playback that should run but stands still this long is loaded anew. */
const STUCK_TICKS = 12;
/** This much uninterrupted playback makes earlier failures forgotten. */
const SOUND_TICKS = 5;
/** A second media failure within this time is not repaired again but loaded anew. */
const REPAIR_AGAIN_MS = 10_000;
/** How long the rest of an ended show may still play from the buffer. */
const FINISH_MS = 20_000;
/** The oldest seconds of what can be sought are gone by the time they would be loaded. */
const OLDEST_MARGIN_SECONDS = 2;
/** After the end, how long the status may still call the same show live before it is tried again. */
const ENDED_TICKS = 8;
const REFRESH_ON = [
  "loadeddata", "playing", "pause", "waiting", "seeking", "seeked", "canplay", "volumechange", "ratechange", "resize",
] as const;

/** idle: nothing to play; ended: played to its end; retrying and failed come with a sentence. */
export type PlaybackState = "idle" | "starting" | "playing" | "paused" | "buffering" | "ended" | "retrying" | "failed";

export interface Snapshot {
  state: PlaybackState;
  /** What went wrong, for the viewer; "" when all is well. */
  sentence: string;
  hasFrame: boolean;
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
  /** Seconds. */
  latency: number | null;
  behind: boolean;
}

export class Playback {
  private engine: Engine | null = null;
  private show: string | null = null;
  private phase: "idle" | "loaded" | "ended" | "retrying" | "failed" = "idle";
  private sentence = "";
  private wanted = true;
  private hasFrame = false;
  private mutedByBrowser = false;
  private needsClick = false;
  private readonly backoff = new Backoff();
  private retryTimer = 0;
  private finishTimer = 0;
  private repairedAt = Number.NEGATIVE_INFINITY;
  private generation = 0;
  private lastPosition = 0;
  private stillTicks = 0;
  private soundTicks = 0;
  private earlierStalls = 0;
  private readonly listeners = new Set<(snapshot: Snapshot) => void>();

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly url: string,
  ) {
    Object.assign(video, recallLoudness());
  }

  /** Listens and counts time until the returned function is called. */
  run(): () => void {
    const listening = new AbortController();
    const { signal } = listening;
    // Fetched while the status is still on its way, or long before the show; a failure is met again when it is needed.
    if (hasMediaSource()) loadHlsEngine().catch(() => undefined);
    for (const name of REFRESH_ON) this.video.addEventListener(name, () => this.refresh(), { signal });
    this.video.addEventListener("loadeddata", () => this.onFrame(), { signal });
    this.video.addEventListener("waiting", () => this.finishTimer && this.onEnded(), { signal });
    this.video.addEventListener("ended", () => this.onEnded(), { signal });
    const timer = setInterval(() => this.tick(), TICK_MS);
    return () => {
      listening.abort();
      clearInterval(timer);
      this.unload("idle");
      this.listeners.clear();
    };
  }

  subscribe(listener: (snapshot: Snapshot) => void): () => void {
    this.listeners.add(listener);
    listener(this.snapshot());
    return () => this.listeners.delete(listener);
  }

  /** Which show is on, by any name that stays the same as long as it lasts; null when none is. */
  follow(show: string | null): void {
    if (show === this.show) return;
    this.show = show;
    this.sentence = "";
    if (show !== null) {
      this.backoff.reset();
      void this.load();
    } else if (this.engine && this.hasFrame && !this.video.paused) {
      this.finishTimer = window.setTimeout(() => this.unload("idle"), FINISH_MS);
    } else {
      this.unload("idle");
    }
  }

  play(): void {
    this.wanted = true;
    if (this.phase === "loaded") void this.start();
    else if (this.show !== null) void this.load();
  }

  pause(): void {
    this.wanted = false;
    this.video.pause();
  }

  toggle(): void {
    if (this.phase === "loaded" && !this.video.paused) this.pause();
    else this.play();
  }

  goLive(): void {
    const position = this.engine?.livePosition() ?? null;
    if (position !== null) this.video.currentTime = position;
    this.play();
  }

  /** Moves by `seconds`, within what is there. */
  seek(seconds: number): void {
    const { seekable, currentTime } = this.video;
    if (!this.engine || !seekable.length) return;
    const newest = this.engine.livePosition() ?? seekable.end(seekable.length - 1);
    const oldest = Math.min(seekable.start(0) + OLDEST_MARGIN_SECONDS, currentTime);
    this.video.currentTime = Math.max(oldest, Math.min(currentTime + seconds, Math.max(newest, currentTime)));
  }

  setVolume(volume: number): void {
    this.video.volume = Math.min(1, Math.max(0, volume));
    this.setMuted(volume <= 0);
  }

  setMuted(muted: boolean): void {
    this.video.muted = muted;
    this.mutedByBrowser = false;
    rememberLoudness({ volume: this.video.volume, muted });
    this.refresh();
  }

  selectQuality(id: number): void {
    this.engine?.select(id);
    this.refresh();
  }

  lowLatency(): boolean {
    return this.engine?.lowLatency() ?? false;
  }

  /** How often playback ran dry since the page was opened. */
  stalls(): number {
    return this.earlierStalls + (this.engine?.stalls() ?? 0);
  }

  throughput(): { bandwidth: number; download: number } {
    return this.engine?.throughput() ?? { bandwidth: 0, download: 0 };
  }

  /** Seconds of media ahead of the playing position. */
  bufferedAhead(): number {
    const { buffered, currentTime } = this.video;
    for (let index = 0; index < buffered.length; index += 1) {
      if (buffered.start(index) <= currentTime && currentTime <= buffered.end(index)) return buffered.end(index) - currentTime;
    }
    return 0;
  }

  snapshot(): Snapshot {
    const { engine, video } = this;
    const latency = engine?.latency() ?? null;
    return {
      state: this.state(),
      sentence: this.sentence,
      hasFrame: this.hasFrame,
      audioOnly: this.hasFrame && video.videoWidth === 0,
      volume: video.volume,
      muted: video.muted,
      mutedByBrowser: this.mutedByBrowser,
      needsClick: this.needsClick,
      qualities: engine?.qualities() ?? [],
      quality: engine?.playing() ?? -1,
      selectedQuality: engine?.selected() ?? -1,
      latency,
      behind: engine !== null && latency !== null && this.hasFrame && latency > engine.behindAfter(),
    };
  }

  private state(): PlaybackState {
    if (this.phase !== "loaded") return this.phase;
    if (!this.hasFrame) return "starting";
    if (this.video.paused) return "paused";
    return this.video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA ? "buffering" : "playing";
  }

  private async load(): Promise<void> {
    this.unload("loaded");
    const generation = this.generation;
    const engine = await makeEngine(this.video, {
      qualities: () => generation === this.generation && this.refresh(),
      trouble: (trouble) => generation === this.generation && this.onTrouble(trouble),
    });
    if (generation !== this.generation) {
      if (typeof engine !== "string") engine.destroy();
      return;
    }
    if (typeof engine === "string") {
      this.fail(engine);
      return;
    }
    this.engine = engine;
    engine.load(this.url);
    this.refresh();
    if (this.wanted) void this.start();
  }

  private unload(phase: "idle" | "loaded" | "ended" | "retrying" | "failed"): void {
    this.generation += 1;
    clearTimeout(this.retryTimer);
    clearTimeout(this.finishTimer);
    this.finishTimer = 0;
    this.earlierStalls += this.engine?.stalls() ?? 0;
    this.engine?.destroy();
    this.engine = null;
    this.phase = phase;
    this.hasFrame = false;
    this.stillTicks = 0;
    this.soundTicks = 0;
    this.refresh();
  }

  private async start(): Promise<void> {
    try {
      await this.video.play();
      this.needsClick = false;
    } catch (error) {
      // An AbortError only says that the source changed meanwhile.
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError") return;
      if (this.video.muted) {
        this.needsClick = true;
      } else {
        this.video.muted = true;
        this.mutedByBrowser = true;
        await this.start();
      }
    }
    this.refresh();
  }

  private onFrame(): void {
    this.hasFrame = true;
    this.sentence = "";
    this.refresh();
  }

  private onEnded(): void {
    this.unload(this.show === null ? "idle" : "ended");
  }

  private onTrouble(trouble: Trouble): void {
    console.warn(`player: ${trouble.kind}: ${trouble.detail}`);
    if (this.show === null) {
      this.unload("idle");
    } else if (trouble.kind === "unsupported") {
      this.fail("This browser cannot play the format of this stream. Another browser, or a player such as VLC, may.");
    } else if (trouble.kind === "media" && performance.now() - this.repairedAt > REPAIR_AGAIN_MS && this.engine?.repair()) {
      this.repairedAt = performance.now();
      if (this.wanted) void this.start();
    } else {
      this.retry();
    }
  }

  private retry(): void {
    const pause = this.backoff.next();
    if (this.backoff.worthTelling) this.sentence = "The video is not arriving. It starts again by itself as soon as it can.";
    this.unload(this.backoff.worthTelling ? "retrying" : "loaded");
    this.retryTimer = window.setTimeout(() => void this.load(), pause);
  }

  private fail(sentence: string): void {
    this.sentence = sentence;
    this.unload("failed");
  }

  private tick(): void {
    const { currentTime } = this.video;
    const moved = currentTime !== this.lastPosition;
    this.lastPosition = currentTime;
    const shouldMove = this.phase === "loaded" && this.engine !== null && !this.video.paused && !document.hidden;
    this.stillTicks = moved || !(shouldMove || this.phase === "ended") ? 0 : this.stillTicks + 1;
    this.soundTicks = moved && shouldMove ? this.soundTicks + 1 : 0;
    if (this.soundTicks >= SOUND_TICKS) this.backoff.reset();
    if (this.phase === "loaded" && this.stillTicks >= STUCK_TICKS) this.retry();
    else if (this.phase === "ended" && this.stillTicks >= ENDED_TICKS) void this.load();
    this.refresh();
  }

  private refresh(): void {
    const snapshot = this.snapshot();
    for (const listener of this.listeners) listener(snapshot);
  }
}

function hasMediaSource(): boolean {
  return "MediaSource" in window || "ManagedMediaSource" in window;
}

function loadHlsEngine(): Promise<typeof import("./hls-engine")> {
  return import("./hls-engine");
}

/** An engine for this browser, or the sentence that says why there is none. */
async function makeEngine(video: HTMLVideoElement, events: EngineEvents): Promise<Engine | string> {
  // canPlayType says "maybe" to HLS in new Chromium, which then plays without low latency: hls.js goes first.
  if (hasMediaSource()) {
    try {
      const { HlsEngine, isSupported } = await loadHlsEngine();
      if (isSupported()) return new HlsEngine(video, events);
    } catch {
      return "The player could not be loaded. Check the connection and try again.";
    }
  }
  const { NativeEngine, isSupported } = await import("./native-engine");
  if (isSupported(video)) return new NativeEngine(video, events);
  return "This browser cannot play live video. A newer one, or a player such as VLC, can.";
}
