// The chat's reducer: every event, in batches, and that nothing shows twice, in the wrong order, or not at all.
import { expect, test } from "vitest";
import { type ChatEvent, type ChatState, HELD_ENTRIES, initialState, MAX_ENTRIES, reduce } from "../src/chat/state";
import type { ChatMessage, User } from "../src/chat/wire";

const ANA: User = { id: "ana", name: "Ana", color: 1, moderator: false, bot: false };
const BEN: User = { ...ANA, id: "ben", name: "Ben" };
const MOD: User = { ...ANA, id: "mod", name: "Mod", moderator: true };

function idOf(number: number): string {
  return String(number).padStart(6, "0");
}

function message(number: number, user = BEN): ChatMessage {
  return { kind: "message", id: idOf(number), at: number * 1000, user, body: `<p>${number}</p>`, visible: true, quote: null };
}

function after(...events: ChatEvent[]): ChatState {
  return reduce(initialState, events);
}

function ids(state: ChatState): string[] {
  return state.entries.map((entry) => entry.id);
}

const said = (number: number, user = BEN): ChatEvent => ({ type: "message", message: message(number, user) });
const history = (...numbers: number[]): ChatEvent => ({ type: "history", messages: numbers.map((number) => message(number)) });
const crowd = (name: string, verb: "joined" | "left" = "joined", count = 1): ChatEvent => ({ type: "crowd", id: `${verb}-${name}-${count}`, at: 1, verb, name, count });
const flood = (from: number, to: number): ChatEvent[] => Array.from({ length: to - from }, (_, index) => said(from + index));

test("batches make what single events make", () => {
  const events: ChatEvent[] = [{ type: "me", user: ANA }, said(1), crowd("Cem"), said(2, ANA), { type: "visibility", ids: [idOf(1)], visible: false }, said(3)];
  const single = events.reduce((state, event) => reduce(state, [event]), initialState);
  expect(reduce(initialState, events)).toEqual(single);
  const halves = reduce(reduce(initialState, events.slice(0, 3)), events.slice(3));
  expect(halves).toEqual(single);
});

test("a batch leaves the state before it as it was", () => {
  const before = after(said(1), crowd("Ana"));
  const copy = structuredClone(before);
  reduce(before, [said(2), crowd("Ben"), { type: "visibility", ids: [idOf(1)], visible: false }, { type: "refused", code: "X", text: "", retryAfter: 0 }]);
  expect(before).toEqual(copy);
});

test("what comes by the history and by the socket shows once, in order", () => {
  expect(ids(after(said(3), history(1, 2, 3), said(4), said(2)))).toEqual([1, 2, 3, 4].map(idOf));
});

test("the history of a second connection fills the gap, and knows what was hidden meanwhile", () => {
  const messages = [message(2), { ...message(3), visible: false }, message(6)];
  const state = after(said(1), said(2), said(3), said(4), said(7), { type: "history", messages });
  const shown = state.entries.map((entry) => [entry.id, entry.kind === "message" && entry.visible]);
  expect(shown).toEqual([
    [idOf(1), true],
    [idOf(2), true],
    [idOf(3), false],
    [idOf(4), false],
    [idOf(6), true],
    [idOf(7), true],
  ]);
});

test("the oldest leave when there are too many, and nothing of the newest", () => {
  const state = after(...flood(0, MAX_ENTRIES + 500));
  expect(state.entries.length).toBe(MAX_ENTRIES);
  expect(ids(state)).toEqual(Array.from({ length: MAX_ENTRIES }, (_, index) => idOf(500 + index)));
});

test("what somebody reads further up stays, and what is between is counted", () => {
  const reading = reduce(after(...flood(0, 1000)), [{ type: "reading", from: idOf(500) }]);
  const total = MAX_ENTRIES + 2000;
  const state = flood(1000, total).reduce((before, event) => reduce(before, [event]), reading);
  expect(state.entries.length).toBeLessThanOrEqual(MAX_ENTRIES + 200);
  expect(ids(state).slice(0, HELD_ENTRIES)).toEqual(Array.from({ length: HELD_ENTRIES }, (_, index) => idOf(500 - HELD_ENTRIES / 2 + index)));
  const gap = state.entries[HELD_ENTRIES];
  const rest = state.entries.slice(HELD_ENTRIES + 1);
  expect(gap?.kind === "gap" && gap.count + rest.length + HELD_ENTRIES).toBe(total - 500 + HELD_ENTRIES / 2);
  expect(rest.at(-1)?.id).toBe(idOf(total - 1));
  expect(state.unread).toBe(total - 1000);
});

test("messages are hidden and shown again", () => {
  const hidden = after(said(1), said(2), { type: "visibility", ids: [idOf(1), "none"], visible: false });
  expect(hidden.entries.map((entry) => entry.kind === "message" && entry.visible)).toEqual([false, true]);
  const shown = reduce(hidden, [{ type: "visibility", ids: [idOf(1)], visible: true }]);
  expect(shown.entries.every((entry) => entry.kind === "message" && entry.visible)).toBe(true);
});

test("what comes while somebody reads further up is unread until they are back, and its first keeps its mark", () => {
  const away = after(said(1), { type: "reading", from: idOf(1) }, crowd("Ana"), said(2), said(3));
  expect([away.unread, away.firstUnread]).toEqual([2, idOf(2)]);
  expect(reduce(away, [{ type: "visibility", ids: [idOf(3)], visible: false }]).unread).toBe(1);
  const back = reduce(away, [{ type: "reading", from: null }, said(4)]);
  expect([back.unread, back.firstUnread]).toEqual([0, idOf(2)]);
  const again = reduce(back, [{ type: "reading", from: idOf(3) }, said(5)]);
  expect([again.unread, again.firstUnread]).toEqual([1, idOf(5)]);
});

test("a list that was only held leaves no mark", () => {
  const held = after(said(1), { type: "reading", from: idOf(1), held: true }, said(2));
  expect(held.unread).toBe(1);
  expect(reduce(held, [{ type: "reading", from: null }]).firstUnread).toBeNull();
});

test("my own messages count as accepted, those of others and those that come twice do not", () => {
  expect(after({ type: "me", user: ANA }, said(1, ANA), said(2, BEN), said(3, ANA), said(3, ANA)).accepted).toBe(2);
});

test("each refusal counts, also one that reads the same", () => {
  const refused: ChatEvent = { type: "refused", code: "SLOW_MODE", text: "Too fast.", retryAfter: 10 };
  expect(after(refused, refused).refusal).toEqual({ code: "SLOW_MODE", text: "Too fast.", retryAfter: 10, count: 2 });
});

test("chat is closed from a refusal that says so until somebody could write", () => {
  const closed = after({ type: "refused", code: "CHAT_CLOSED", text: "", retryAfter: 0 });
  expect(closed.closed).toBe(true);
  expect(reduce(closed, [said(1, MOD)]).closed).toBe(true);
  expect(reduce(closed, [said(1, BEN)]).closed).toBe(false);
});

test("those who come one after the other share a line", () => {
  const state = after(...["Ana", "Ben", "Cem", "Dan"].map((name) => crowd(name)), crowd("Ana", "left"), said(1), crowd("Eve"), crowd("", "joined", 30));
  const folded = state.entries.flatMap((entry) => (entry.kind === "crowd" ? [[entry.verb, entry.names, entry.others]] : []));
  expect(folded).toEqual([
    ["joined", ["Ana", "Ben"], 2],
    ["left", ["Ana"], 0],
    ["joined", ["Eve"], 30],
  ]);
});

test("a new name is mine when it is mine, and is the one that others find", () => {
  const renamed = (before: string, user: User, id = "r"): ChatEvent => ({ type: "renamed", id, at: 1, before, user });
  const state = after({ type: "me", user: ANA }, said(1, ANA), renamed("Ana", { ...ANA, name: "A&B" }));
  expect(state.me?.name).toBe("A&B");
  expect(state.entries.at(-1)).toEqual({ kind: "renamed", id: "r", at: 1, before: "Ana", name: "A&B" });
  expect([...state.people.keys()]).toEqual(["a&b"]);
  expect(reduce(state, [renamed("Ben", { ...BEN, name: "C" }, "s")]).me?.name).toBe("A&B");
});

test("who wrote last is the last of the people, and there are not ever more of them", () => {
  const people = Array.from({ length: 400 }, (_, number) => said(number, { ...BEN, id: `u${number}`, name: `N${number}` }));
  const state = after(...people, said(500, { ...BEN, id: "u200", name: "N200" }));
  expect(state.people.size).toBeLessThanOrEqual(300);
  expect([...state.people.keys()].at(-1)).toBe("n200");
});

test("the welcome of every connection is shown once", () => {
  const welcome = (at: number, body = "<p>Hello</p>"): ChatEvent => ({ type: "line", line: { kind: "system", id: `p1@${at}`, at, body } });
  expect(ids(after(welcome(1), welcome(2), welcome(3, "<p>Other</p>")))).toEqual(["p1@1", "p1@3"]);
});

test("a refused connection is said until one is open", () => {
  const denied = after({ type: "denied", reason: "disabled", text: "Off." }, { type: "link", link: "lost" });
  expect(denied.denied).toEqual({ reason: "disabled", text: "Off." });
  expect(reduce(denied, [{ type: "link", link: "open" }]).denied).toBeNull();
});

test("a message is pinned, taken down, and gone when it is hidden", () => {
  const pinned = after({ type: "pinned", message: message(1) });
  expect(pinned.pinned?.id).toBe(idOf(1));
  expect(reduce(pinned, [{ type: "pinned", message: null }]).pinned).toBeNull();
  expect(reduce(pinned, [{ type: "visibility", ids: [idOf(1)], visible: false }]).pinned).toBeNull();
});

test("a chat that is closed is open again when a show begins, or somebody writes", () => {
  const closed = after({ type: "refused", code: "CHAT_CLOSED", text: "", retryAfter: 0 });
  expect(closed.closed).toBe(true);
  expect(reduce(closed, [{ type: "opened" }]).closed).toBe(false);
  expect(reduce(closed, [said(1, MOD)]).closed).toBe(true);
  expect(reduce(closed, [said(1)]).closed).toBe(false);
});
