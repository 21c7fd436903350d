// How a show repeats, as an owner chooses it, and the rule that the server keeps (RFC 5545, DTSTART and RRULE). Pure.
// A rule that cannot be chosen here stays as it is written.
import { momentOf, wallTime } from "./zones";

export const DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"] as const;
export type Day = (typeof DAYS)[number];
export const REPEATS = ["daily", "weekly", "fortnightly", "monthlyDate", "monthlyDay"] as const;
export type Repeat = (typeof REPEATS)[number];

export interface Rule {
  repeat: Repeat;
  /** The first time, as a clock on the wall shows it: "2026-12-05T18:00". */
  start: string;
  zone: string;
  /** On which days of the week, for those that repeat by weeks. */
  days: readonly Day[];
  /** The last day, as "2026-12-31"; empty for no end. */
  until: string;
}

const DAY_MS = 86_400_000;

/** The day of the week of "2026-12-05T18:00". */
export function dayOf(wall: string): Day {
  const day = new Date(`${wall.slice(0, 10)}T12:00Z`).getUTCDay();
  return DAYS[(day + 6) % 7] ?? "MO";
}

/** Both lines. The first time is moved to the first day that is chosen, for a rule has to fall on its own beginning. */
export function written(rule: Rule): string {
  const start = firstDay(rule);
  const wall = start.replace(/[-:]/g, "");
  const begin = rule.zone === "UTC" ? `DTSTART:${wall}00Z` : `DTSTART;TZID=${rule.zone}:${wall}00`;
  return `${begin}\nRRULE:${parts(rule, start).join(";")}`;
}

function parts(rule: Rule, start: string): string[] {
  const day = Number(start.slice(8, 10));
  const frequencies: Record<Repeat, string[]> = {
    daily: ["FREQ=DAILY"],
    weekly: ["FREQ=WEEKLY", `BYDAY=${chosenDays(rule).join(",")}`],
    fortnightly: ["FREQ=WEEKLY", "INTERVAL=2", `BYDAY=${chosenDays(rule).join(",")}`],
    monthlyDate: ["FREQ=MONTHLY", `BYMONTHDAY=${day}`],
    monthlyDay: ["FREQ=MONTHLY", `BYDAY=${weekOfMonth(day)}${dayOf(start)}`],
  };
  return [...frequencies[rule.repeat], ...(rule.until ? [`UNTIL=${endOf(rule)}`] : [])];
}

/** 1 to 4 for the first to the fourth of its weekday in the month, -1 for the last. */
export function weekOfMonth(day: number): number {
  return day > 28 ? -1 : Math.ceil(day / 7);
}

function chosenDays(rule: Rule): readonly Day[] {
  const chosen = DAYS.filter((day) => rule.days.includes(day));
  return chosen.length ? chosen : [dayOf(rule.start)];
}

function firstDay(rule: Rule): string {
  if (rule.repeat !== "weekly" && rule.repeat !== "fortnightly") return rule.start;
  const days = chosenDays(rule);
  let start = rule.start;
  while (!days.includes(dayOf(start))) {
    start = new Date(Date.parse(`${start}Z`) + DAY_MS).toISOString().slice(0, 16);
  }
  return start;
}

/** The last minute of the last day there, in UTC as the rule wants it. */
function endOf({ until, zone }: Rule): string {
  return `${new Date(momentOf(`${until}T23:59`, zone)).toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;
}

/** The choices behind a rule; null for one that cannot be chosen here. */
export function read(text: string): Rule | null {
  const found = /^DTSTART(?:;TZID=([^:]+))?:(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)\d\dZ?\nRRULE:(\S+)$/.exec(text.trim());
  if (!found) return null;
  const [, zone = "UTC", year, month, day, hour, minute, rest = ""] = found;
  const start = `${year}-${month}-${day}T${hour}:${minute}`;
  const values = new Map(rest.split(";").map((part) => part.split("=") as [string, string]));
  const moment = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)\d\dZ$/.exec(values.get("UNTIL") ?? "");
  const until = moment ? wallTime(Date.parse(`${moment[1]}-${moment[2]}-${moment[3]}T${moment[4]}:${moment[5]}Z`), zone).slice(0, 10) : "";
  const days = (values.get("BYDAY") ?? "").split(",").filter((each): each is Day => (DAYS as readonly string[]).includes(each));
  for (const repeat of REPEATS) {
    const rule = { repeat, start, zone, days: repeat === "weekly" || repeat === "fortnightly" ? days : [], until };
    if (sameParts(written(rule), text)) return rule;
  }
  return null;
}

function sameParts(one: string, other: string): boolean {
  const sortedParts = (text: string) => text.trim().split(/[\n;]/).sort().join(";");
  return sortedParts(one) === sortedParts(other);
}
