// What comes between two drawings is handed on together, whole and in order.
import { expect, test } from "vitest";
import { batched, type Clock, MAX_WAITING } from "../src/chat/batch";

class Frames implements Clock {
  time = 0;
  private drawing: Array<() => void> = [];
  asked: number[] = [];

  now(): number {
    return this.time;
  }

  draw(run: () => void, afterMs: number): void {
    this.asked.push(afterMs);
    this.drawing.push(run);
  }

  /** Everything that was to be drawn, at that time. */
  frame(time: number): void {
    this.time = time;
    for (const run of this.drawing.splice(0)) run();
  }
}

function gather(): { add: (number: number) => void; frames: Frames; got: Array<readonly number[]> } {
  const got: Array<readonly number[]> = [];
  const frames = new Frames();
  return { add: batched<number>((events) => got.push(events), frames), frames, got };
}

test("the first is drawn with the next frame, and what comes until then with it", () => {
  const { add, frames, got } = gather();
  for (const number of [1, 2, 3]) add(number);
  expect(got).toEqual([]);
  frames.frame(16);
  expect(got).toEqual([[1, 2, 3]]);
  expect(frames.asked).toEqual([0]);
});

test("in a flood there is a pause between drawings, after a silence there is none", () => {
  const { add, frames, got } = gather();
  add(1);
  frames.frame(16);
  add(2);
  expect(frames.asked).toEqual([0, 100]);
  frames.frame(116);
  frames.time = 500;
  add(3);
  frames.frame(516);
  expect(frames.asked).toEqual([0, 100, 0]);
  expect(got).toEqual([[1], [2], [3]]);
});

test("a page that is not drawn keeps no more than so many", () => {
  const { add, frames, got } = gather();
  for (let number = 0; number < 2 * MAX_WAITING + 3; number += 1) add(number);
  expect(got.map((events) => events.length)).toEqual([MAX_WAITING, MAX_WAITING]);
  frames.frame(16);
  expect(got.flat()).toEqual(Array.from({ length: 2 * MAX_WAITING + 3 }, (_, number) => number));
});
