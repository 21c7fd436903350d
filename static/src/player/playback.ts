// The life of one <video> element through shows, breaks and failures: when a source is loaded, tried again, given up.
// It owns the engine and the element's state; it draws nothing. How media gets into the element is the engine's, how
// far behind the broadcast it plays is `live-edge`'s.
import { t } from "../words";
import { Backoff } from "./backoff";
import type { Engine, Trouble } from "./engine";
import { makeEngine, prepareEngine } from "./engines";
import { type LatencyMode, recallLatencyMode, rememberLatencyMode } from "./latency-mode";
import { LiveEdge } from "./live-edge";
import { recallLoudness, rememberLoudness } from "./preferences";
import type { PlaybackState, Snapshot } from "./snapshot";

const TICK_MS = 1_000;
/** Playback that should run but stands still this long is lost: the viewer is told; and later it is loaded anew. */
const LOST_TICKS = 4;
const STUCK_TICKS = 12;
/** This much uninterrupted playback makes earlier failures forgotten. */
const SOUND_TICKS = 5;
/** What sound comes back with that was turned down to nothing. */
const AUDIBLE = 0.5;
/** A clock that jumps this far between two looks at it has slept in between. */
const SLEPT_MS = 20_000;
/** A second media failure within this time is not repaired again but loaded anew. */
const REPAIR_AGAIN_MS = 10_000;
/** How long the rest of an ended show may still play from the buffer. */
const FINISH_MS = 20_000;
/** The oldest seconds of what can be sought are gone by the time they would be loaded. */
const OLDEST_MARGIN_SECONDS = 2;
/** After the end, how long the status may still call the same show live before it is tried again. */
const ENDED_TICKS = 8;
const REFRESH_ON = [
  "loadeddata", "playing", "pause", "waiting", "seeking", "seeked", "canplay", "volumechange", "resize",
] as const;

type Phase = "idle" | "loaded" | "ended" | "retrying" | "failed";

export class Playback {
  private engine: Engine | null = null;
  private readonly edge: LiveEdge;
  private mode = recallLatencyMode();
  private native = false;
  private show: string | null = null;
  private phase: Phase = "idle";
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
  private lastLook = Date.now();
  private stillTicks = 0;
  private soundTicks = 0;
  private earlierStalls = 0;
  private readonly listeners = new Set<(snapshot: Snapshot) => void>();

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly url: string,
  ) {
    this.edge = new LiveEdge(video, this.mode);
    Object.assign(video, recallLoudness());
  }

  /** Listens and counts time until the returned function is called. */
  run(): () => void {
    const listening = new AbortController();
    const { signal } = listening;
    prepareEngine();
    for (const name of REFRESH_ON) this.video.addEventListener(name, () => this.refresh(), { signal });
    this.video.addEventListener("loadeddata", () => this.onFrame(), { signal });
    this.video.addEventListener("timeupdate", () => this.keepUp(), { signal });
    this.video.addEventListener("waiting", () => this.finishTimer && this.onEnded(), { signal });
    this.video.addEventListener("ended", () => this.onEnded(), { signal });
    window.addEventListener("online", () => this.onNetwork(), { signal });
    // A page out of the back-forward cache has lost its connections.
    window.addEventListener("pageshow", ({ persisted }) => persisted && this.reload(), { signal });
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
    else this.reload();
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
    if (this.engine) this.edge.goLive(this.engine);
    this.play();
  }

  /** Moves by `seconds`, within what is there. */
  seek(seconds: number): void {
    const { seekable, currentTime } = this.video;
    if (!this.engine || !seekable.length) return;
    const newest = this.engine.positionAt(this.edge.target(this.engine)) ?? seekable.end(seekable.length - 1);
    const oldest = Math.min(seekable.start(0) + OLDEST_MARGIN_SECONDS, currentTime);
    if (seconds < 0) this.edge.chosen = true;
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

  /** Off, or on so that it can be heard. */
  toggleMuted(): void {
    if (this.video.volume === 0) this.setVolume(AUDIBLE);
    else this.setMuted(!this.video.muted);
  }

  selectQuality(id: number): void {
    this.engine?.select(id);
    this.refresh();
  }

  selectMode(mode: LatencyMode): void {
    this.mode = mode;
    rememberLatencyMode(mode);
    this.edge.setMode(mode);
    this.engine?.setMode(mode);
    if (this.engine && this.hasFrame && !this.video.paused) this.edge.goLive(this.engine);
    this.refresh();
  }

  /** Plays with the browser's own player, as it must for AirPlay, or with hls.js again. */
  setNative(native: boolean): void {
    if (native === this.native) return;
    this.native = native;
    this.reload();
  }

  lowLatency(): boolean {
    return this.engine?.lowLatency() ?? false;
  }

  /** Seconds behind the newest media where playback belongs; null when unknown. */
  target(): number | null {
    return this.engine && this.edge.target(this.engine);
  }

  engineName(): string {
    return this.engine?.name ?? "";
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
      lost: this.phase === "loaded" && (this.stillTicks >= LOST_TICKS || this.retryTimer !== 0),
      audioOnly: this.hasFrame && video.videoWidth === 0,
      volume: video.volume,
      muted: video.muted,
      mutedByBrowser: this.mutedByBrowser,
      needsClick: this.needsClick,
      qualities: engine?.qualities() ?? [],
      quality: engine?.playing() ?? -1,
      selectedQuality: engine?.selected() ?? -1,
      mode: this.mode,
      latency,
      behind: engine !== null && latency !== null && this.hasFrame && latency > this.edge.behindAfter(engine),
    };
  }

  private state(): PlaybackState {
    if (this.phase !== "loaded") return this.phase;
    if (!this.hasFrame) return "starting";
    if (this.video.paused) return "paused";
    return this.video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA ? "buffering" : "playing";
  }

  private reload(): void {
    if (this.show !== null) void this.load();
  }

  private async load(): Promise<void> {
    this.unload("loaded");
    const generation = this.generation;
    const events = {
      qualities: () => generation === this.generation && this.refresh(),
      trouble: (trouble: Trouble) => generation === this.generation && this.onTrouble(trouble),
    };
    const engine = await makeEngine(this.video, events, { mode: this.mode, native: this.native });
    if (generation !== this.generation) {
      if (typeof engine !== "string") engine.destroy();
      return;
    }
    if (typeof engine === "string") {
      this.fail(engine);
      return;
    }
    this.engine = engine;
    this.edge.reset();
    engine.load(this.url);
    this.refresh();
    if (this.wanted) void this.start();
  }

  private unload(phase: Phase): void {
    this.generation += 1;
    clearTimeout(this.retryTimer);
    clearTimeout(this.finishTimer);
    this.retryTimer = 0;
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
      this.fail(t("player.format"));
    } else if (trouble.kind === "media" && performance.now() - this.repairedAt > REPAIR_AGAIN_MS && this.engine?.repair()) {
      this.repairedAt = performance.now();
      if (this.wanted) void this.start();
    } else {
      this.retry();
    }
  }

  /** The network is back, or is another one: what failed is tried at once. */
  private onNetwork(): void {
    if (this.phase === "retrying" || this.retryTimer || this.stillTicks > 0) this.reload();
  }

  private retry(): void {
    const pause = this.backoff.next();
    if (this.backoff.worthTelling) this.sentence = t("player.retrying");
    this.unload(this.backoff.worthTelling ? "retrying" : "loaded");
    this.retryTimer = window.setTimeout(() => void this.load(), pause);
  }

  private fail(sentence: string): void {
    this.sentence = sentence;
    this.unload("failed");
  }

  private keepUp(): void {
    if (!this.wakeUp() && this.engine && this.hasFrame) this.edge.follow(this.engine, this.bufferedAhead(), performance.now());
  }

  /** After a sleep, what is known of the show is long past, and connections are dead: it is loaded anew. */
  private wakeUp(): boolean {
    const now = Date.now();
    const slept = now - this.lastLook > SLEPT_MS && !document.hidden;
    this.lastLook = now;
    if (!slept || !this.shouldMove() || this.edge.chosen || !this.snapshot().behind) return false;
    void this.load();
    return true;
  }

  private shouldMove(): boolean {
    return this.phase === "loaded" && this.engine !== null && !this.video.paused && !document.hidden;
  }

  private tick(): void {
    if (this.wakeUp()) return;
    const { currentTime } = this.video;
    const moved = currentTime !== this.lastPosition;
    this.lastPosition = currentTime;
    const shouldMove = this.shouldMove();
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
