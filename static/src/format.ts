// Times, durations and sizes as a reader sees them. Pure: the current time is handed in.
import { language, number, t } from "./words";

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

/** `seconds` as 4:22 or 1:04:22; never negative. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor((whole % HOUR) / MINUTE);
  const rest = String(whole % MINUTE).padStart(2, "0");
  return whole < HOUR ? `${minutes}:${rest}` : `${Math.floor(whole / HOUR)}:${String(minutes).padStart(2, "0")}:${rest}`;
}

/** How far `then` is from `now` (both in ms since the epoch): "2 hours ago", "in 3 days", "just now". */
export function ago(then: number, now: number): string {
  const seconds = Math.abs(now - then) / 1000;
  const found = RELATIVE_UNITS.find(([, size]) => seconds >= size);
  if (!found) return t("time.now");
  const [unit, size] = found;
  return new Intl.RelativeTimeFormat(language).format(Math.sign(then - now) * Math.floor(seconds / size), unit);
}

/** The date and time `then` (ms since the epoch) in full, for a tooltip. */
export function fullTime(then: number): string {
  return dateAs("full", then);
}

/** The date and time `then` (ms since the epoch), short: "21 Nov, 18:00". */
export function shortTime(then: number): string {
  return dateAs("short", then);
}

/** The day or month, in UTC, that `then` (ms since the epoch) is in: "21 Nov 2026", "Nov 2026". */
export function calendarTime(then: number, unit: "day" | "month"): string {
  return dateAs(unit, then);
}

/** The time of day `then` (ms since the epoch). */
export function timeOfDay(then: number): string {
  return dateAs("time", then);
}

const SHAPES = {
  full: { dateStyle: "full", timeStyle: "short" },
  short: { dateStyle: "medium", timeStyle: "short" },
  time: { timeStyle: "short" },
  day: { dateStyle: "medium", timeZone: "UTC" },
  month: { month: "short", year: "numeric", timeZone: "UTC" },
} as const;
/** Making one takes a browser longer than drawing a message, and a flood of chat needs hundreds a second. */
const dates = new Map<string, Intl.DateTimeFormat>();

function dateAs(shape: keyof typeof SHAPES, then: number): string {
  const key = `${language} ${shape}`;
  const format = dates.get(key) ?? new Intl.DateTimeFormat(language, SHAPES[shape]);
  dates.set(key, format);
  return format.format(then);
}

/** Seconds behind the broadcast: "1.8 s" while every tenth says something, "12 s" and "2:05 min" beyond. */
export function delay(seconds: number): string {
  if (seconds < 9.95) return `${new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(Math.max(0, seconds))} s`;
  const whole = Math.round(seconds);
  return whole < 100 ? `${whole} s` : `${clock(whole)} min`;
}

/** "2.5 Mb/s", "800 kb/s"; `kilobits` in 1,000 bits a second. */
export function bitrate(kilobits: number): string {
  return kilobits >= 1_000 ? `${number(Math.round(kilobits / 100) / 10)} Mb/s` : `${number(Math.round(kilobits))} kb/s`;
}

/** "3.2 MB"; decimal, as disks are sold. */
export function bytes(size: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = size;
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  return `${number(unit === 0 ? value : Math.round(value * 10) / 10)} ${units[unit]}`;
}
