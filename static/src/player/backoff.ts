// When to try again after a failure. Pure: counts failures, knows no clock.

const FIRST_MS = 500;
const LONGEST_MS = 10_000;
/** After this many failures in a row the viewer is told. Before that it is a hiccup that no one need read about. */
const PATIENCE = 3;

export class Backoff {
  private failures = 0;

  /** Counts a failure; answers how many ms to wait before the next try: 0.5, 1, 2, 4 … at most 10 s. */
  next(): number {
    const pause = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(this.failures, 10));
    this.failures += 1;
    return pause;
  }

  /** Whether it has failed so often that the viewer should know. */
  get worthTelling(): boolean {
    return this.failures >= PATIENCE;
  }

  reset(): void {
    this.failures = 0;
  }
}
