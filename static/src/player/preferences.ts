// What the player remembers between visits, as far as the browser lets it: the volume, where its keys work, and how fast
// the connection was.

const VOLUME = "owncast.volume";
const KEYS_IN_PLAYER = "owncast.keysInPlayer";
const BANDWIDTH = "owncast.bandwidth";

export interface Loudness {
  /** 0 to 1. */
  volume: number;
  muted: boolean;
}

/** What was remembered under `key`; undefined when nothing was, or storage is denied. */
export function recall(key: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}

export function remember(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Storage is denied or full; it lasts for this visit.
  }
}

export function recallLoudness(): Loudness {
  const { volume, muted } = Object(recall(VOLUME)) as Record<keyof Loudness, unknown>;
  return { volume: typeof volume === "number" && volume >= 0 && volume <= 1 ? volume : 1, muted: muted === true };
}

export function rememberLoudness(loudness: Loudness): void {
  remember(VOLUME, loudness);
}

/** bit/s of the last visit, by which the first quality is chosen; undefined when unknown. */
export function recallBandwidth(): number | undefined {
  const stored = recall(BANDWIDTH);
  return typeof stored === "number" && stored > 0 && Number.isFinite(stored) ? stored : undefined;
}

export function rememberBandwidth(bitsPerSecond: number): void {
  remember(BANDWIDTH, bitsPerSecond);
}

/** Whether the player's keys work on the whole page: not for those whose aids press keys of their own (WCAG 2.2, 2.1.4). */
export function recallKeysEverywhere(): boolean {
  return recall(KEYS_IN_PLAYER) !== true;
}

export function rememberKeysEverywhere(everywhere: boolean): void {
  remember(KEYS_IN_PLAYER, !everywhere);
}
