// The multivariant playlist, asked for while hls.js is still on its way: whoever opens the page need not wait for the
// one before the other is begun.
import { ask } from "./session";

/** Later than this the answer may be of a show that is over. */
const FRESH_MS = 5_000;

let early: { address: string; since: number; text: Promise<string> } | null = null;

export function askEarly(path: string): void {
  const text = ask(path).then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(`${path} answered ${answer.status}.`))));
  // Whoever takes it hears of a failure; if nobody does, it is no matter.
  text.catch(() => undefined);
  early = { address: new URL(path, location.href).href, since: performance.now(), text };
}

/** The answer of that address if it was asked for just now; once. */
export function takeEarly(address: string): Promise<string> | null {
  const taken = early;
  early = null;
  return taken?.address === address && performance.now() - taken.since < FRESH_MS ? taken.text : null;
}
