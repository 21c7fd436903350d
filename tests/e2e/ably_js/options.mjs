// How Ably's library is pointed at the server under test: a host and a port, and nothing else.
import { createInterface } from "node:readline";

const { ABLY_KEY: key, ABLY_HOST: endpoint, ABLY_PORT: port, ABLY_BINARY: binary } = process.env;

export const options = (more = {}) => ({ key, endpoint, port: Number(port), tls: false, useBinaryProtocol: binary === "yes", logLevel: 0, ...more });

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** The next line that the test writes. */
export async function told() {
  return (await lines.next()).value;
}

/** What the test reads: a JSON value on a line. */
export function tell(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}

/** Returns once `look` finds something. */
export async function eventually(look) {
  for (;;) {
    const found = await look();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** What a promise is refused with. */
export async function refusal(promise) {
  try {
    await promise;
  } catch ({ code, statusCode, message }) {
    return { code, statusCode, message };
  }
  return null;
}
