// Which rows are drawn, and what stands between them.
import { expect, test } from "vitest";
import { crowdLine } from "../src/chat/row";
import { grown, MAX_WINDOW, placeOf, rowsOf, shownTo, STEP } from "../src/chat/rows";
import type { Crowd, Entry } from "../src/chat/state";
import type { ChatMessage, User } from "../src/chat/wire";

const ANA: User = { id: "ana", name: "Ana", color: 1, moderator: false, bot: false };
const BEN: User = { ...ANA, id: "ben", name: "Ben" };
const MINUTE = 60_000;
/** A full five minutes. */
const BEGAN = 1_800_000_000_000;

function message(id: string, minutes: number, user = ANA, fields: Partial<ChatMessage> = {}): ChatMessage {
  return { kind: "message", id, at: BEGAN + minutes * MINUTE, user, body: "", visible: true, quote: null, ...fields };
}

function rows(entries: readonly Entry[], firstUnread: string | null = null) {
  return rowsOf(entries, { from: 0, to: entries.length }, firstUnread);
}

function following(entries: readonly Entry[], firstUnread: string | null = null): string[] {
  return rows(entries, firstUnread).flatMap((row) => (row.follows ? [row.entry.id] : []));
}

test("messages of one person within two minutes share a name", () => {
  const entries = [message("a", 0), message("b", 1.9), message("c", 4), message("d", 4.1, BEN), message("e", 4.2)];
  expect(following(entries)).toEqual(["b"]);
});

test("an answer, another name, a line between them and a time between them begin anew", () => {
  const quote = { id: "a", name: "Ben", text: "" };
  const line: Entry = { kind: "action", id: "x", at: BEGAN, body: "" };
  expect(following([message("a", 0), message("b", 0.1, ANA, { quote })])).toEqual([]);
  expect(following([message("a", 0), message("b", 0.1, { ...ANA, name: "Anna" })])).toEqual([]);
  expect(following([message("a", 0), line, message("b", 0.1)])).toEqual([]);
  expect(following([message("a", 4.9), message("b", 5.1)])).toEqual([]);
  expect(following([message("a", 0), message("b", 0.1)], "b")).toEqual([]);
  expect(following([message("a", 0, ANA, { visible: false }), message("b", 0.1)])).toEqual([]);
});

test("the time stands where five minutes are over, and before the first", () => {
  const entries = [message("a", 1), message("b", 4.9), message("c", 5), message("d", 9), message("e", 31)];
  const dividers = rows(entries).flatMap((row) => (row.divider ? [[row.entry.id, (row.divider - BEGAN) / MINUTE]] : []));
  expect(dividers).toEqual([
    ["a", 1],
    ["c", 5],
    ["e", 31],
  ]);
  expect(rows([message("a", 0, ANA, { at: 0 })])[0]?.divider).toBe(0);
});

test("the first unread has the mark, wherever the drawn part begins", () => {
  const entries = Array.from({ length: 10 }, (_, index) => message(`m${index}`, index / 10));
  const drawn = rowsOf(entries, { from: 3, to: 8 }, "m5");
  expect(drawn.map((row) => row.entry.id)).toEqual(["m3", "m4", "m5", "m6", "m7"]);
  expect(drawn.filter((row) => row.fresh).map((row) => row.entry.id)).toEqual(["m5"]);
  expect(drawn[0]).toMatchObject({ follows: true, divider: 0 });
});

test("a hidden message is there for moderators alone", () => {
  const entries = [message("a", 0), message("b", 0, BEN, { visible: false }), message("c", 0)];
  const ids = (me: User | null) => shownTo(me, entries).map((entry) => entry.id);
  expect(ids(null)).toEqual(["a", "c"]);
  expect(ids(BEN)).toEqual(["a", "c"]);
  expect(ids({ ...BEN, moderator: true })).toEqual(["a", "b", "c"]);
});

test("a place is found again when its message is hidden", () => {
  const entries = [message("a", 0), message("b", 0, BEN, { visible: false }), message("c", 0)];
  const shown = shownTo(null, entries);
  expect(["a", "b", "c", "gone"].map((id) => placeOf(id, shown, entries))).toEqual([0, 1, 1, 0]);
});

test("the drawn part grows by a step, and lets go of what is far away", () => {
  expect(grown({ from: 1000, to: 1100 }, true, 2000)).toEqual({ from: 1000 - STEP, to: 1100 });
  expect(grown({ from: 1000, to: 1000 + MAX_WINDOW }, true, 2000)).toEqual({ from: 1000 - STEP, to: 1000 - STEP + MAX_WINDOW });
  expect(grown({ from: 10, to: 110 }, true, 2000)).toEqual({ from: 0, to: 110 });
  expect(grown({ from: 1000, to: 1000 + MAX_WINDOW }, false, 2000)).toEqual({ from: 1000 + STEP, to: 1000 + STEP + MAX_WINDOW });
  expect(grown({ from: 1850, to: 1950 }, false, 2000)).toEqual({ from: 1850, to: 2000 });
});

test.each<[readonly string[], number, string]>([
  [["Ana"], 0, "Ana joined"],
  [["Ana", "Ben"], 0, "Ana and Ben joined"],
  [["Ana", "Ben"], 2, "Ana and 3 others joined"],
  [["Ana"], 1, "Ana and 1 other joined"],
  [[], 1, "1 person joined"],
  [[], 1_200, "1,200 people joined"],
])("%j and %d more", (names, others, line) => {
  const crowd: Crowd = { kind: "crowd", id: "", at: 0, verb: "joined", names, others };
  expect(crowdLine(crowd)).toBe(line);
  expect(crowdLine({ ...crowd, verb: "left" })).toBe(line.replace("joined", "left"));
});

test("a name is never a sentence's gap", () => {
  expect(crowdLine({ kind: "crowd", id: "", at: 0, verb: "joined", names: ["{other}", "{name}"], others: 0 })).toBe("{other} and {name} joined");
});
