// Retries become rarer, never rarer than every ten seconds, and start over after a success.
import { expect, test } from "vitest";
import { Backoff } from "../src/player/backoff";

test("pauses double up to a limit", () => {
  const backoff = new Backoff();
  const pauses = Array.from({ length: 8 }, () => backoff.next());
  expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000]);
  for (let count = 0; count < 5_000; count += 1) backoff.next();
  expect(backoff.next()).toBe(10_000);
});

test("the viewer is told after the third failure in a row", () => {
  const backoff = new Backoff();
  backoff.next();
  backoff.next();
  expect(backoff.worthTelling).toBe(false);
  backoff.next();
  expect(backoff.worthTelling).toBe(true);
  backoff.reset();
  expect(backoff.worthTelling).toBe(false);
  expect(backoff.next()).toBe(500);
});
