// When playback jumps to the live edge, when it only hurries, and when it is left where the viewer wants it.
import { beforeEach, describe, expect, it } from "vitest";
import type { Engine } from "../src/player/engine";
import { LiveEdge } from "../src/player/live-edge";

/** The least of a video element: what is set on it, and its listeners. */
class FakeVideo extends EventTarget {
  currentTime = 100;
  playbackRate = 1;
  preservesPitch = false;
  paused = false;
  seeking = false;
}

const EDGE = 110;
const BASE = 2;
const ENOUGH = 5;

let video: FakeVideo;
let engine: Engine;
let edge: LiveEdge;
let stalls: number;

beforeEach(() => {
  video = new FakeVideo();
  stalls = 0;
  const known: Partial<Engine> = {
    latency: () => EDGE - video.currentTime,
    base: () => BASE,
    positionAt: (latency) => EDGE - (latency ?? BASE),
    behindAfter: (target) => (target ?? BASE) * 2 + 1,
    stalls: () => stalls,
  };
  engine = known as Engine;
  edge = new LiveEdge(video as unknown as HTMLVideoElement, "balanced");
});

describe("playback behind the live edge", () => {
  it("jumps to its place when it fell far behind, and then waits before it jumps again", () => {
    edge.follow(engine, ENOUGH, 0);
    expect(video.currentTime).toBe(EDGE - BASE);
    video.currentTime = 100;
    edge.follow(engine, ENOUGH, 9_000);
    expect(video.currentTime).toBe(100);
    edge.follow(engine, ENOUGH, 10_001);
    expect(video.currentTime).toBe(EDGE - BASE);
  });

  it("stays where the viewer paused or went back to, until they go live", () => {
    video.dispatchEvent(new Event("pause"));
    edge.follow(engine, ENOUGH, 0);
    expect(video.currentTime).toBe(100);
    expect(video.playbackRate).toBe(1);
    edge.goLive(engine);
    expect(video.currentTime).toBe(EDGE - BASE);
    expect(edge.chosen).toBe(false);
  });

  it("is live again when it comes near by itself", () => {
    edge.chosen = true;
    video.currentTime = EDGE - BASE - 0.5;
    edge.follow(engine, ENOUGH, 0);
    expect(edge.chosen).toBe(false);
  });

  it("hurries when it is a little late, and goes back to its own speed with another source", () => {
    video.currentTime = EDGE - BASE - 1;
    for (let now = 0; now < 2_000; now += 250) edge.follow(engine, ENOUGH, now);
    expect(video.playbackRate).toBeGreaterThan(1);
    expect(video.currentTime).toBe(EDGE - BASE - 1);
    edge.reset();
    expect(video.playbackRate).toBe(1);
  });

  it("keeps its pitch, and does nothing while it is paused, seeking or without news of the edge", () => {
    expect(video.preservesPitch).toBe(true);
    video.paused = true;
    edge.follow(engine, ENOUGH, 0);
    video.paused = false;
    video.seeking = true;
    edge.follow(engine, ENOUGH, 0);
    video.seeking = false;
    edge.follow({ ...engine, latency: () => null }, ENOUGH, 0);
    edge.follow({ ...engine, base: () => null }, ENOUGH, 0);
    expect(video.currentTime).toBe(100);
    edge.goLive({ ...engine, positionAt: () => null });
    expect(video.currentTime).toBe(100);
  });

  it("keeps a larger distance after a stall, also the one that counts as behind", () => {
    video.currentTime = EDGE - BASE;
    edge.follow(engine, ENOUGH, 0);
    expect(edge.target(engine)).toBe(BASE);
    stalls = 1;
    edge.follow(engine, ENOUGH, 250);
    expect(edge.target(engine)).toBe(BASE + 0.5);
    expect(edge.behindAfter(engine)).toBe((BASE + 0.5) * 2 + 1);
    edge.setMode("lowest");
    expect(edge.target(engine)).toBe(BASE);
    expect(edge.target({ ...engine, base: () => null })).toBe(null);
  });
});
