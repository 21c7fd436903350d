// Gathers what comes between two drawings, so that a flood draws ten times a second and a single message at once. What
// comes is handed on whole and in order; only drawing is saved.

/** Between two drawings in a flood. */
const PAUSE_MS = 100;
/** More than this is handed on without waiting: a hidden page is not drawn at all. */
export const MAX_WAITING = 500;

export interface Clock {
  now(): number;
  /** Before the next drawing that begins after so many ms. */
  draw(run: () => void, afterMs: number): void;
}

/** A function that takes events, and hands them on by `deliver`. */
export function batched<T>(deliver: (events: readonly T[]) => void, clock: Clock = pageClock): (event: T) => void {
  let waiting: T[] = [];
  let scheduled = false;
  let last = Number.NEGATIVE_INFINITY;

  function flush(): void {
    if (waiting.length === 0) return;
    const events = waiting;
    waiting = [];
    last = clock.now();
    deliver(events);
  }

  return (event) => {
    waiting.push(event);
    if (waiting.length >= MAX_WAITING) flush();
    else if (!scheduled) {
      scheduled = true;
      const draw = () => {
        scheduled = false;
        flush();
      };
      clock.draw(draw, Math.max(0, last + PAUSE_MS - clock.now()));
    }
  };
}

const pageClock: Clock = {
  now: () => performance.now(),
  draw(run, afterMs) {
    // A hidden page has no frames, but its timers go on.
    if (document.hidden) setTimeout(run, afterMs);
    else if (afterMs > 0) setTimeout(() => requestAnimationFrame(run), afterMs);
    else requestAnimationFrame(run);
  },
};
