// What the page asks of the server: the status, the configuration, and the heartbeat that counts it as a viewer.
// Answers are checked field by field; a field that is missing or of another type reads as its empty value.

const REQUEST_TIMEOUT_MS = 10_000;

export interface Status {
  online: boolean;
  /** null where the owner hides it. */
  viewerCount: number | null;
  /** ms since the epoch, by the server's clock; null when there was none. */
  lastConnectTime: number | null;
  lastDisconnectTime: number | null;
  serverTime: number | null;
  streamTitle: string;
}

export interface Config {
  name: string;
  summary: string;
  logo: string;
  tags: readonly string[];
  chatDisabled: boolean;
  /** Where the chat's socket is, if it is not where the page came from. */
  socketHost: string;
}

/** Identifies this page's player in every request (CTA-5004 `sid`), so that viewers are counted per player. */
export const playerId = randomId();

export const SESSION_HEADER = "CMCD-Session";
export const sessionFields = `sid="${playerId}"`;

function randomId(): string {
  // crypto.randomUUID exists only on secure origins, and a server on the home network is mostly plain HTTP.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Throws when the server does not answer, or answers no JSON object. */
export async function fetchStatus(): Promise<Status> {
  return readStatus(await getJson("/api/status"));
}

/** Throws when the server does not answer, or answers no JSON object. */
export async function fetchConfig(): Promise<Config> {
  return readConfig(await getJson("/api/config"));
}

/** Says that this page is still open. Losing one is no matter. */
export async function ping(): Promise<void> {
  await request("/api/ping").catch(() => undefined);
}

/** What the player has seen since the last report. Losing one is no matter. */
export interface PlaybackReport {
  /** kbit/s */
  bandwidth: number;
  /** Seconds. */
  latency: number;
  errors: number;
  /** Seconds that a segment took. */
  downloadDuration: number;
  qualityVariantChanges: number;
}

export async function sendReport(report: PlaybackReport): Promise<void> {
  await fetch("/api/metrics/playback", {
    method: "POST",
    headers: { "Content-Type": "application/json", [SESSION_HEADER]: sessionFields },
    body: JSON.stringify(report),
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  }).catch(() => undefined);
}

export function readStatus(document: Record<string, unknown>): Status {
  return {
    online: document.online === true,
    viewerCount: document.viewerCount === undefined ? null : count(document.viewerCount),
    lastConnectTime: time(document.lastConnectTime),
    lastDisconnectTime: time(document.lastDisconnectTime),
    serverTime: time(document.serverTime),
    streamTitle: text(document.streamTitle),
  };
}

export function readConfig(document: Record<string, unknown>): Config {
  const tags = Array.isArray(document.tags) ? document.tags : [];
  return {
    name: text(document.name),
    summary: text(document.summary),
    logo: text(document.logo),
    tags: tags.map(text).filter((tag) => tag !== ""),
    chatDisabled: document.chatDisabled === true,
    socketHost: text(document.socketHostOverride),
  };
}

async function request(path: string): Promise<Response> {
  const answer = await fetch(path, {
    cache: "no-cache",
    headers: { [SESSION_HEADER]: sessionFields },
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status} ${answer.statusText}.`);
  return answer;
}

async function getJson(path: string): Promise<Record<string, unknown>> {
  const document: unknown = await (await request(path)).json();
  if (typeof document !== "object" || document === null) throw new Error(`${path} answered something else than an object.`);
  return document as Record<string, unknown>;
}

function text(value: unknown): string {
  return typeof value === "string" ? value.trim() : "";
}

function count(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? Math.max(0, Math.floor(value)) : 0;
}

function time(value: unknown): number | null {
  const parsed = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(parsed) ? null : parsed;
}
