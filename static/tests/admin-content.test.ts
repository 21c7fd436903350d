import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { choose, chosen, COLORS, put, shown, type Color } from "../src/admin/content/looks";
import { moved } from "../src/admin/content/movable";
import { read, written, type Rule } from "../src/admin/content/recurrence";
import { momentOf, wallTime } from "../src/admin/content/zones";

const ALL = COLORS.flatMap(({ colors }) => colors);
const ACTION = ALL.find(({ label }) => label === "looks.action") as Color;
const BUTTON = ALL.find(({ label }) => label === "looks.button") as Color;
const TEXT = ALL.find(({ label }) => label === "looks.text") as Color;

describe("the colours of the theme", () => {
  const css = readFileSync("src/styles/theme.css", "utf8");
  const declared = new Map(Array.from(css.matchAll(/--(theme-color-[\w-]+): ([^;]+);/g), ([, name = "", value = ""]) => [name, value]));

  it("can all be chosen, and no others", () => {
    expect(new Set(ALL.flatMap(({ light, dark }) => [light, dark]))).toEqual(new Set(declared.keys()));
  });

  it("have the defaults of the style sheet", () => {
    for (const { light, dark, defaults } of ALL) {
      const value = declared.get(light) ?? "";
      const [, one = value, other = value] = /^light-dark\((.+), (.+)\)$/.exec(value) ?? [];
      const resolved = (found: string) => /^var\(--(.+)\)$/.exec(found)?.[1] ?? found;
      if (light === dark) expect([light, resolved(one), resolved(other)]).toEqual([light, defaults.light, defaults.dark]);
      else expect([declared.get(light), declared.get(dark)]).toEqual([defaults.light, defaults.dark]);
    }
  });

  it("are kept for one theme beside the other's own", () => {
    const kept = choose({}, ACTION, "dark", "#abcdef");
    expect(kept).toEqual({ "theme-color-action": "light-dark(#5552cf, #abcdef)" });
    expect(chosen(kept, ACTION, "dark")).toBe("#abcdef");
    expect(shown(kept, BUTTON, "dark")).toBe("#abcdef");
    expect(chosen(kept, ACTION, "light")).toBe("");
    expect(choose(kept, ACTION, "dark", "")).toEqual({});
    expect(choose(kept, ACTION, "light", "#abcdef")).toEqual({ "theme-color-action": "#abcdef" });
  });

  it("understand what somebody wrote by hand", () => {
    const kept = { "theme-color-action": "light-dark(rgb(1, 2, 3), hsl(4 5% 6%))" };
    expect([chosen(kept, ACTION, "light"), chosen(kept, ACTION, "dark")]).toEqual(["rgb(1, 2, 3)", "hsl(4 5% 6%)"]);
    expect(shown({ "theme-color-action": "tomato" }, BUTTON, "light")).toBe("tomato");
  });

  it("of text are one variable for each theme, and what is unknown stays", () => {
    const kept = choose({ "my-own": "1px" }, TEXT, "dark", "#eeeeee");
    expect(kept).toEqual({ "my-own": "1px", "theme-color-components-text-on-dark": "#eeeeee" });
    expect(choose(kept, TEXT, "dark", "")).toEqual({ "my-own": "1px" });
    expect(put(kept, "my-own", "")).toEqual({ "theme-color-components-text-on-dark": "#eeeeee" });
  });
});

describe("times in a place", () => {
  it.each([
    ["2026-12-05T18:00", "Europe/Berlin", "2026-12-05T17:00:00.000Z"],
    ["2026-07-05T18:00", "Europe/Berlin", "2026-07-05T16:00:00.000Z"],
    ["2026-12-05T00:30", "Asia/Kathmandu", "2026-12-04T18:45:00.000Z"],
    ["2026-03-29T03:00", "Europe/Berlin", "2026-03-29T01:00:00.000Z"],
    ["2026-10-25T01:59", "Europe/Berlin", "2026-10-24T23:59:00.000Z"],
    ["2026-12-05T18:00", "UTC", "2026-12-05T18:00:00.000Z"],
  ])("%s in %s is %s", (wall, zone, moment) => {
    expect(new Date(momentOf(wall, zone)).toISOString()).toBe(moment);
    expect(wallTime(Date.parse(moment), zone)).toBe(wall);
  });

  it("are none where nothing is written", () => {
    expect(momentOf("", "UTC")).toBeNaN();
  });
});

describe("a rule", () => {
  const saturday: Rule = { repeat: "weekly", start: "2026-12-05T18:00", zone: "Europe/Berlin", days: ["SA"], until: "" };

  it.each<[Partial<Rule>, string]>([
    [{}, "DTSTART;TZID=Europe/Berlin:20261205T180000\nRRULE:FREQ=WEEKLY;BYDAY=SA"],
    [{ repeat: "daily", days: [] }, "DTSTART;TZID=Europe/Berlin:20261205T180000\nRRULE:FREQ=DAILY"],
    [{ repeat: "fortnightly", days: ["MO", "WE"] }, "DTSTART;TZID=Europe/Berlin:20261207T180000\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE"],
    [{ repeat: "monthlyDate", days: [] }, "DTSTART;TZID=Europe/Berlin:20261205T180000\nRRULE:FREQ=MONTHLY;BYMONTHDAY=5"],
    [{ repeat: "monthlyDay", days: [] }, "DTSTART;TZID=Europe/Berlin:20261205T180000\nRRULE:FREQ=MONTHLY;BYDAY=1SA"],
    [{ repeat: "monthlyDay", days: [], start: "2026-12-30T18:00" }, "DTSTART;TZID=Europe/Berlin:20261230T180000\nRRULE:FREQ=MONTHLY;BYDAY=-1WE"],
    [{ zone: "UTC", until: "2026-12-31" }, "DTSTART:20261205T180000Z\nRRULE:FREQ=WEEKLY;BYDAY=SA;UNTIL=20261231T235900Z"],
  ])("of %j is written as the calendar does, and read again", (changes, text) => {
    const rule = { ...saturday, ...changes };
    expect(written(rule)).toBe(text);
    expect(written(read(text) as Rule)).toBe(text);
  });

  it("that cannot be chosen is left as it is", () => {
    expect(read("DTSTART:20261205T180000Z\nRRULE:FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=5")).toBeNull();
    expect(read("DTSTART:20261205T180000Z\nRRULE:FREQ=WEEKLY;BYDAY=SA;COUNT=3")).toBeNull();
    expect(read("nonsense")).toBeNull();
  });
});

it("moves an entry to its new place", () => {
  expect(moved(["a", "b", "c"], 0, 2)).toEqual(["b", "c", "a"]);
  expect(moved(["a", "b", "c"], 2, 1)).toEqual(["a", "c", "b"]);
});
