// Latency in, speed out.
import { describe, expect, test } from "vitest";
import { CatchUp, type Seen } from "../src/player/catch-up";
import { LATENCY_MODES, MANNERS, type Manner } from "../src/player/latency-mode";

const MANNER: Manner = { lowLatency: true, share: 1, maxRate: 1.08, stallSeconds: 0.5, maxStallSeconds: 2 };
const BASE = 1.5;
const TICK_MS = 250;

const seen = (latency: number, more: Partial<Seen> = {}): Seen => ({ latency, base: BASE, buffered: 2, behindAfter: 6, ...more });

/** Plays on from `latency` for `seconds`; what was heard of it. */
function play(catchUp: CatchUp, latency: number, seconds: number, more: Partial<Seen> = {}): { rates: number[]; latency: number } {
  const rates: number[] = [];
  for (let now = 0; now < seconds * 1000; now += TICK_MS) {
    const rate = catchUp.next(now, seen(latency, more));
    rates.push(rate);
    latency -= ((rate - 1) * TICK_MS) / 1000;
  }
  return { rates, latency };
}

test("at its place it plays at the speed of life", () => {
  expect(new Set(play(new CatchUp(MANNER), BASE + 0.1, 10).rates)).toEqual(new Set([1]));
});

test("what is late is caught up with, and then it plays on as it should", () => {
  const { rates, latency } = play(new CatchUp(MANNER), BASE + 1, 60);
  expect(latency).toBeLessThan(BASE + 0.06);
  expect(latency).toBeGreaterThan(BASE - 0.1);
  expect(rates.at(-1)).toBe(1);
});

test("no step of the speed is heard, and it never hurries", () => {
  const { rates } = play(new CatchUp(MANNER), BASE + 3, 60);
  const steps = rates.map((rate, at) => Math.abs(rate - (rates[at - 1] ?? 1)));
  expect(Math.max(...steps)).toBeLessThanOrEqual(0.021);
  expect(Math.max(...rates)).toBe(1.08);
});

test("between the two thresholds it goes on with what it does", () => {
  const between = BASE + 0.15;
  const steady = new CatchUp(MANNER);
  expect(steady.next(0, seen(between))).toBe(1);
  const chasing = new CatchUp(MANNER);
  chasing.next(0, seen(BASE + 0.3));
  expect(chasing.next(TICK_MS, seen(between))).toBeGreaterThan(1);
  const ending = [2, 3].map((tick) => chasing.next(tick * TICK_MS, seen(BASE + 0.04)));
  expect(ending.at(-1)).toBe(1);
});

test("a latency that trembles around the target leaves the speed alone", () => {
  const catchUp = new CatchUp(MANNER);
  const rates = Array.from({ length: 200 }, (_, at) => catchUp.next(at * TICK_MS, seen(BASE + 0.2 * Math.sin(at))));
  expect(new Set(rates)).toEqual(new Set([1]));
});

test("too close to the edge it plays a little slower", () => {
  const { rates, latency } = play(new CatchUp(MANNER), BASE - 0.6, 60);
  expect(Math.min(...rates)).toBe(0.97);
  expect(latency).toBeGreaterThan(BASE - 0.11);
  expect(rates.at(-1)).toBe(1);
});

test("with little in the buffer it does not hurry, whatever it did before", () => {
  const catchUp = new CatchUp(MANNER);
  play(catchUp, BASE + 2, 3);
  expect(catchUp.next(10_000, seen(BASE + 2, { buffered: 0.3 }))).toBe(1);
});

test("who is far behind has chosen so, or must jump", () => {
  expect(new Set(play(new CatchUp(MANNER), 9, 20).rates)).toEqual(new Set([1]));
});

describe("stalls", () => {
  test("each moves the target away from the edge, up to a bound", () => {
    const catchUp = new CatchUp(MANNER);
    expect(catchUp.target(BASE)).toBe(BASE);
    catchUp.stalled(0);
    expect(catchUp.target(BASE)).toBe(BASE + 0.5);
    for (let at = 0; at < 9; at += 1) catchUp.stalled(at);
    expect(catchUp.target(BASE)).toBe(BASE + 2);
  });

  test("are forgotten when it plays on without any", () => {
    const catchUp = new CatchUp(MANNER);
    catchUp.stalled(0);
    catchUp.next(29_000, seen(BASE + 0.5));
    expect(catchUp.target(BASE)).toBe(BASE + 0.5);
    catchUp.next(30_000, seen(BASE + 0.5));
    expect(catchUp.target(BASE)).toBe(BASE + 0.25);
    catchUp.stalled(31_000);
    catchUp.next(60_000, seen(BASE + 0.5));
    expect(catchUp.target(BASE)).toBe(BASE + 0.75);
    for (let now = 61_000; now < 300_000; now += 10_000) catchUp.next(now, seen(BASE + 0.5));
    expect(catchUp.target(BASE)).toBe(BASE);
  });
});

test.each(LATENCY_MODES)("%s gets there from where playback starts, without being heard", (mode) => {
  const manner = MANNERS[mode];
  expect(manner.maxRate).toBeLessThanOrEqual(1.1);
  const { latency } = play(new CatchUp(manner), BASE + 1.2, 60);
  expect(latency).toBeLessThan(BASE + 0.3);
});

test("the modes stand in the order of their names", () => {
  const { lowest, balanced, smooth } = MANNERS;
  expect(lowest.share).toBeLessThan(balanced.share);
  expect([lowest.lowLatency, balanced.lowLatency, smooth.lowLatency]).toEqual([true, true, false]);
  expect(lowest.stallSeconds).toBeLessThan(balanced.stallSeconds);
  expect(balanced.stallSeconds).toBeLessThan(smooth.stallSeconds);
});
