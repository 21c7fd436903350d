// What the player remembers between visits: the volume, and whether it was muted.

const KEY = "owncast.volume";

export interface Loudness {
  /** 0 to 1. */
  volume: number;
  muted: boolean;
}

export function recallLoudness(): Loudness {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? "") as Partial<Loudness>;
    const volume = typeof stored.volume === "number" && stored.volume >= 0 && stored.volume <= 1 ? stored.volume : 1;
    return { volume, muted: stored.muted === true };
  } catch {
    // Nothing stored, something unreadable, or storage is denied.
    return { volume: 1, muted: false };
  }
}

export function rememberLoudness(loudness: Loudness): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(loudness));
  } catch {
    // Storage is denied or full; the volume lasts for this visit.
  }
}
