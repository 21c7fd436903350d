// Listeners are called in order, once or always, and are taken off as hls.js expects it.
import { describe, expect, it } from "vitest";
import { EventEmitter } from "../src/player/emitter";

function listening() {
  const emitter = new EventEmitter();
  const heard: string[] = [];
  return { emitter, heard, hear: (name: string) => (...told: unknown[]) => void heard.push([name, ...told].join(" ")) };
}

describe("the emitter", () => {
  it("tells each listener in order, with its context", () => {
    const { emitter, heard, hear } = listening();
    const context = { name: "mine" };
    emitter.on("a", hear("one"));
    emitter.on("a", function (this: typeof context) { heard.push(this.name); }, context);
    expect(emitter.emit("a", 1, 2)).toBe(true);
    expect(emitter.emit("b")).toBe(false);
    expect(heard).toEqual(["one 1 2", "mine"]);
  });

  it("tells once whom it tells once, also when that one makes it tell again", () => {
    const { emitter, heard, hear } = listening();
    const one = hear("one");
    emitter.once("a", () => void [one(), emitter.emit("a")]);
    emitter.emit("a");
    emitter.emit("a");
    expect(heard).toEqual(["one"]);
    expect(emitter.listenerCount("a")).toBe(0);
  });

  it("takes off the listener that is meant: by its context, and whether it is for once", () => {
    const { emitter, heard, hear } = listening();
    const [mine, other] = [{}, {}];
    const both = hear("both");
    emitter.on("a", both, mine).on("a", both, other).once("a", both, mine);
    emitter.off("a", both, mine, true);
    expect(emitter.listenerCount("a")).toBe(2);
    emitter.off("a", both, mine);
    expect(emitter.listeners("a")).toEqual([both]);
    emitter.off("a");
    emitter.emit("a");
    expect(heard).toEqual([]);
  });

  it("still tells whom another listener takes off meanwhile, and not whom it adds", () => {
    const { emitter, heard, hear } = listening();
    const last = hear("last");
    emitter.on("a", () => emitter.off("a", last).on("a", hear("new")));
    emitter.on("a", last);
    emitter.emit("a");
    expect(heard).toEqual(["last"]);
    emitter.on("b", last);
    emitter.removeAllListeners("a");
    expect([emitter.emit("a"), emitter.emit("b")]).toEqual([false, true]);
    emitter.removeAllListeners();
    expect(emitter.emit("b")).toBe(false);
  });
});
