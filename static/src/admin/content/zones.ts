// Times of the day in places: between what a clock on the wall of a time zone shows and the moment. Pure.

const MINUTE_MS = 60_000;

/** The time zone that the reader's computer is in. */
export function ownZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

/** What a clock there shows at that moment, as a field for date and time has it: "2026-12-05T18:00". */
export function wallTime(moment: number, zone: string): string {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  }).formatToParts(moment);
  const of = (type: Intl.DateTimeFormatPartTypes) => parts.find((part) => part.type === type)?.value ?? "";
  return `${of("year").padStart(4, "0")}-${of("month")}-${of("day")}T${of("hour")}:${of("minute")}`;
}

/** The moment at which a clock there shows that; NaN for what is no time. One that the clock skips is read as the next. */
export function momentOf(wall: string, zone: string): number {
  const asUtc = Date.parse(`${wall}Z`);
  if (Number.isNaN(asUtc)) return Number.NaN;
  const offsetAt = (moment: number) => Date.parse(`${wallTime(moment, zone)}Z`) - Math.floor(moment / MINUTE_MS) * MINUTE_MS;
  // The offset that holds there is known only at the moment itself; the second look is at most a change of clocks away.
  const near = asUtc - offsetAt(asUtc);
  return asUtc - offsetAt(near);
}

/** Whether the browser knows a zone of that name. */
export function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return name !== "";
  } catch {
    return false;
  }
}

/** Zones to choose from. */
export function allZones(): string[] {
  return typeof Intl.supportedValuesOf === "function" ? ["UTC", ...Intl.supportedValuesOf("timeZone").filter((zone) => zone !== "UTC")] : ["UTC", ownZone()];
}

/** "18:00, Saturday 5 December, Europe/Berlin" in the reader's language. */
export function timeThere(moment: number, zone: string, language: string): string {
  const shown = isZone(zone) ? zone : "UTC";
  return new Intl.DateTimeFormat(language, { timeZone: shown, weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" }).format(moment);
}
