// Times and numbers as a reader sees them. Pure: the current time is handed in.

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;
const MONTH = 30 * DAY;
const YEAR = 365 * DAY;

const RELATIVE_UNITS: ReadonlyArray<[Intl.RelativeTimeFormatUnit, number]> = [
  ["year", YEAR],
  ["month", MONTH],
  ["week", WEEK],
  ["day", DAY],
  ["hour", HOUR],
  ["minute", MINUTE],
];

// The words around them are English.
const LANGUAGE = "en";

/** `seconds` as 4:22 or 1:04:22; never negative. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor((whole % HOUR) / MINUTE);
  const rest = String(whole % MINUTE).padStart(2, "0");
  return whole < HOUR ? `${minutes}:${rest}` : `${Math.floor(whole / HOUR)}:${String(minutes).padStart(2, "0")}:${rest}`;
}

/** How long ago `then` was at `now` (both in ms since the epoch): "2 hours ago", "just now". */
export function ago(then: number, now: number): string {
  const seconds = Math.max(0, (now - then) / 1000);
  const found = RELATIVE_UNITS.find(([, size]) => seconds >= size);
  if (!found) return "just now";
  const [unit, size] = found;
  return new Intl.RelativeTimeFormat(LANGUAGE).format(-Math.floor(seconds / size), unit);
}

/** The date and time `then` (ms since the epoch) in full, for a tooltip. */
export function fullTime(then: number): string {
  return new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "full", timeStyle: "short" }).format(then);
}

/** "1 viewer", "1,204 viewers". */
export function viewers(count: number): string {
  return `${count.toLocaleString()} ${count === 1 ? "viewer" : "viewers"}`;
}

/** Seconds behind the broadcast: "1.8 s" while every tenth says something, "12 s" and "2:05 min" beyond. */
export function delay(seconds: number): string {
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  return whole < 100 ? `${whole} s` : `${clock(whole)} min`;
}
