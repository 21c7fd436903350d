// How times and delays read.
import { expect, test } from "vitest";
import { ago, clock, delay } from "../src/format";

const HOUR_MS = 3_600_000;

test.each([
  [-3, "0:00"],
  [5, "0:05"],
  [262.9, "4:22"],
  [3862, "1:04:22"],
  [90_000, "25:00:00"],
])("clock(%d) is %s", (seconds, text) => {
  expect(clock(seconds)).toBe(text);
});

test.each([
  [-2 * HOUR_MS, "in 2 hours"],
  [59_000, "just now"],
  [60_000, "1 minute ago"],
  [2.5 * HOUR_MS, "2 hours ago"],
  [24 * HOUR_MS, "1 day ago"],
  [400 * 24 * HOUR_MS, "1 year ago"],
])("%d ms in the past is %s", (elapsed, text) => {
  expect(ago(1_000_000, 1_000_000 + elapsed)).toBe(text);
});

test.each([
  [-0.2, "0.0 s"],
  [1.84, "1.8 s"],
  [9.94, "9.9 s"],
  [9.96, "10 s"],
  [12.4, "12 s"],
  [125, "2:05 min"],
])("a delay of %d s is %s", (seconds, text) => {
  expect(delay(seconds)).toBe(text);
});
