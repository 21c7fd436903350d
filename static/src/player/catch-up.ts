// How fast to play so as to stay as far behind the broadcast as is wanted. Pure: it is told what there is and what time
// it is, and knows no player. The speed moves in steps too small to hear, and with hysteresis: what sets it going is
// farther from the target than what ends it, so that it does not waver around 1.
import type { Manner } from "./latency-mode";

/** Catching up begins this far behind the target, in seconds, and ends this far behind it. */
const LATE_FROM = 0.25;
const LATE_UNTIL = 0.05;
/** Too close to the live edge, the same: there a hiccup of the network is a stall. */
const EARLY_FROM = 0.4;
const EARLY_UNTIL = 0.1;
const SLOWEST = 0.97;
/** Speed above 1 for each second behind the target; and the least, for the end not to take forever. */
const EAGERNESS = 0.2;
const LEAST = 0.02;
/** One step of the speed; there are about four a second. */
const STEP = 0.02;
/** Share of the target that must be buffered, in at most so many seconds, before playback may eat it up faster. */
const BUFFERED_SHARE = 0.4;
const ENOUGH_BUFFERED = 1;
/** This long without a stall, and some of what stalls have added is taken back. */
const CALM_MS = 30_000;
const TAKE_BACK = 0.25;

export interface Seen {
  /** Seconds behind the newest media. */
  latency: number;
  /** Seconds behind it that the stream asks for. */
  base: number;
  /** Seconds of media ahead of what is played. */
  buffered: number;
  /** From this latency on the viewer is so far behind that speed is no help. */
  behindAfter: number;
}

export class CatchUp {
  private rate = 1;
  private chasing: "late" | "early" | null = null;
  /** Seconds that stalls have added to the target. */
  private added = 0;
  private calmSince = 0;

  constructor(private readonly manner: Manner) {}

  /** Playback ran dry: from now on it keeps farther away from the edge. */
  stalled(now: number): void {
    this.added = Math.min(this.manner.maxStallSeconds, this.added + this.manner.stallSeconds);
    this.calmSince = now;
  }

  /** Seconds behind the newest media where playback belongs. */
  target(base: number): number {
    return base + this.added;
  }

  /** The speed to play with from now on; `now` in ms of any clock that only goes forward. */
  next(now: number, { latency, base, buffered, behindAfter }: Seen): number {
    if (this.added > 0 && now - this.calmSince >= CALM_MS) {
      this.added = Math.max(0, this.added - TAKE_BACK);
      this.calmSince = now;
    }
    const target = this.target(base);
    const late = latency - target;
    this.chasing = direction(this.chasing, late);
    const room = buffered >= Math.min(ENOUGH_BUFFERED, target * BUFFERED_SHARE);
    let wanted = 1;
    if (this.chasing === "late" && room && latency <= behindAfter) {
      wanted = 1 + Math.min(this.manner.maxRate - 1, Math.max(LEAST, late * EAGERNESS));
    } else if (this.chasing === "early") {
      wanted = SLOWEST;
    }
    // An empty buffer cannot wait for small steps.
    this.rate = room ? stepTowards(this.rate, wanted) : Math.min(1, wanted);
    return this.rate;
  }
}

function direction(before: "late" | "early" | null, late: number): "late" | "early" | null {
  if (late > (before === "late" ? LATE_UNTIL : LATE_FROM)) return "late";
  if (-late > (before === "early" ? EARLY_UNTIL : EARLY_FROM)) return "early";
  return null;
}

function stepTowards(rate: number, wanted: number): number {
  const next = rate + Math.min(STEP, Math.max(-STEP, wanted - rate));
  return Math.round(next * 100) / 100;
}
