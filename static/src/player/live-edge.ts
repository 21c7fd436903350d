// Keeps one <video> where it belongs behind the broadcast: by a little speed when it is near, by a jump when it fell far
// behind without anybody wanting that. Whoever paused or went back stays behind until they go live.
import { CatchUp } from "./catch-up";
import type { Engine } from "./engine";
import { type LatencyMode, MANNERS } from "./latency-mode";

/** This near to its place, playback is live again, whatever was chosen before. */
const LIVE_AGAIN = 1;
/** After a jump the next one waits: where even jumping does not help, playing on does. */
const JUMP_AGAIN_MS = 10_000;

export class LiveEdge {
  private catchUp: CatchUp;
  private stalls = 0;
  /** Whether the viewer wants to be behind. */
  chosen = false;
  private jumpedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly video: HTMLVideoElement,
    mode: LatencyMode,
  ) {
    this.catchUp = new CatchUp(MANNERS[mode]);
    video.preservesPitch = true;
    // Nobody but the viewer pauses a live stream; media keys and headphones are the viewer's too.
    video.addEventListener("pause", () => (this.chosen = true));
  }

  setMode(mode: LatencyMode): void {
    this.catchUp = new CatchUp(MANNERS[mode]);
    this.chosen = false;
  }

  /** Another source plays now. */
  reset(): void {
    this.stalls = 0;
    this.chosen = false;
    this.video.playbackRate = 1;
  }

  /** Seconds behind the newest media where playback belongs; null when unknown. */
  target(engine: Engine): number | null {
    const base = engine.base();
    return base === null ? null : this.catchUp.target(base);
  }

  behindAfter(engine: Engine): number {
    return engine.behindAfter(this.target(engine));
  }

  goLive(engine: Engine): void {
    const position = engine.positionAt(this.target(engine));
    this.chosen = false;
    if (position !== null) this.video.currentTime = position;
  }

  /** To be called some four times a second while it plays; `now` in ms, `ahead` the seconds that are buffered. */
  follow(engine: Engine, ahead: number, now: number): void {
    const latency = engine.latency();
    const base = engine.base();
    if (latency === null || base === null || this.video.paused || this.video.seeking) return;
    if (engine.stalls() > this.stalls) this.catchUp.stalled(now);
    this.stalls = engine.stalls();
    const target = this.catchUp.target(base);
    const behindAfter = engine.behindAfter(target);
    if (latency <= target + LIVE_AGAIN) this.chosen = false;
    if (latency > behindAfter && !this.chosen && now - this.jumpedAt > JUMP_AGAIN_MS) {
      this.jumpedAt = now;
      this.goLive(engine);
      return;
    }
    const rate = this.catchUp.next(now, { latency, base, buffered: ahead, behindAfter });
    if (rate !== this.video.playbackRate) this.video.playbackRate = rate;
  }
}
