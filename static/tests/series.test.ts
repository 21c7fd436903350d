// What a chart is made of.
import { expect, test } from "vitest";
import { align, alone, rowsOf, topOf } from "../src/kit/series";

const at = (minute: number, value: number) => ({ time: new Date(minute * 60_000).toISOString(), value });

test("series share one axis of time", () => {
  const { times, values } = align([
    [at(1, 10), at(2, 20)],
    [at(2, 5), at(3, 6)],
  ]);
  expect(times).toEqual([60, 120, 180]);
  expect(values).toEqual([
    [10, 20, null],
    [null, 5, 6],
  ]);
});

test("what was interrupted has a hole", () => {
  const { times, values } = align([[at(1, 1), at(3, 2), at(60, 3)]]);
  expect(times).toEqual([60, 180, 181, 3_600]);
  expect(values).toEqual([[1, 2, null, 3]]);
  expect(align([[], []])).toEqual({ times: [], values: [[], []] });
});

test("a table has as many rows as it has room for, the newest first", () => {
  const times = Array.from({ length: 100 }, (_, minute) => minute);
  const rows = rowsOf(times, [times.map((time) => (time === 50 ? null : time))], 10);
  expect(rows).toEqual([99, 89, 79, 69, 59, 48, 38, 28, 18, 8]);
  expect(rowsOf([1, 2], [[null, 4]], 10)).toEqual([1]);
  expect(rowsOf([], [[]], 10)).toEqual([]);
});

test("a value without neighbours is found", () => {
  expect(alone([1, null, 2, 3, null, 4])).toEqual([0, 5]);
});

test("an axis leaves room above the highest value", () => {
  expect([topOf(0, true), topOf(3, true), topOf(100, true), topOf(0, false), topOf(2, false)]).toEqual([4, 4, 115, 1, 2.3]);
});
