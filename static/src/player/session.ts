// Who this page's player is to the server: a random id that goes along with everything it asks for (CTA-5004 `sid`), so
// that viewers are counted per player. Forgotten when the page is closed.

const REQUEST_TIMEOUT_MS = 10_000;

export const SESSION_HEADER = "CMCD-Session";
export const sessionFields = `sid="${randomId()}"`;

/** `fetch` as this player, never from the cache; given up after a while. */
export function ask(path: string, more: { method?: string; headers?: Record<string, string>; body?: string } = {}): Promise<Response> {
  return fetch(path, {
    cache: "no-cache",
    ...more,
    headers: { ...more.headers, [SESSION_HEADER]: sessionFields },
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
}

function randomId(): string {
  // crypto.randomUUID exists only on secure origins, and a server on the home network is mostly plain HTTP.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
