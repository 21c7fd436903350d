// What the server sends is read field by field, and what is none of it does no harm.
import { expect, test } from "vitest";
import { readEvent, readFrame, readHistory } from "../src/chat/wire";

const CHAT = {
  type: "CHAT",
  id: "1",
  timestamp: "2026-01-02T03:04:05.678Z",
  author: "Ana",
  body: "<p>hi</p>",
  visible: true,
  user: { id: "u", displayName: "Ana", displayColor: 3, scopes: ["MODERATOR"], isBot: false },
  inReplyTo: { id: "0", displayName: "Ben", body: "hello" },
};

test("a message is read", () => {
  expect(readEvent(CHAT)).toEqual({
    type: "message",
    message: {
      kind: "message",
      id: "1",
      at: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
      user: { id: "u", name: "Ana", color: 3, moderator: true, bot: false },
      body: "<p>hi</p>",
      visible: true,
      quote: { id: "0", name: "Ben", text: "hello" },
    },
  });
});

test("a frame can hold several objects, and rubbish between them", () => {
  const frame = [JSON.stringify(CHAT), "", "{broken", "[]", "null", '"x"', '{"type":"NEWS"}', '{"type":"MESSAGE_UNPINNED"}'];
  expect(readFrame(frame.join("\n")).map((event) => event.type)).toEqual(["message", "pinned"]);
});

test.each([null, 7, "x", [], {}, { type: "CHAT" }, { type: "CHAT", user: 7, body: {}, timestamp: "soon" }])(
  "%j is read without harm",
  (document) => {
    const event = readEvent(document);
    if (event?.type === "message") expect(event.message).toMatchObject({ id: "", body: "", at: 0, quote: null });
    else expect(event).toBeNull();
  },
);

test("colours beyond the palette are brought into it", () => {
  const colors = [-3, 99, 2.7, Number.NaN, "4"].map((displayColor) => {
    const event = readEvent({ type: "CONNECTED_USER_INFO", user: { displayColor } });
    return event?.type === "me" ? event.user.color : null;
  });
  expect(colors).toEqual([0, 7, 2, 0, 0]);
});

test("joins, parts and names are read", () => {
  const user = { id: "u", displayName: "Anna" };
  expect(readEvent({ type: "USER_JOINED", id: "1", user })).toMatchObject({ type: "crowd", verb: "joined", name: "Anna" });
  expect(readEvent({ type: "USER_PARTED", id: "2", user })).toMatchObject({ type: "crowd", verb: "left", name: "Anna" });
  expect(readEvent({ type: "NAME_CHANGE", id: "3", oldName: "Ana", user })).toMatchObject({ type: "renamed", before: "Ana" });
});

test("many who come at once are counted, and need no name", () => {
  const aggregated = { event: "USER_PARTED", count: 30 };
  expect(readEvent({ type: "CHAT_ACTION", id: "1", body: "Ana, Ben and 28 others left.", aggregated })).toMatchObject({ type: "crowd", verb: "left", name: "", count: 30 });
  expect(readEvent({ type: "CHAT_ACTION", id: "1", body: "x", aggregated: { event: "USER_JOINED", count: -3 } })).toMatchObject({ count: 1 });
});

test("what was refused says why and for how long", () => {
  const refused = { type: "SYSTEM", id: "p1", body: "<p>Wait &amp; see.</p>", error: { code: "SLOW_MODE", retryAfter: 2.5 } };
  expect(readEvent(refused)).toEqual({ type: "refused", code: "SLOW_MODE", text: "Wait & see.", retryAfter: 2.5 });
});

test("what is told to one alone has an id that no restart repeats", () => {
  const line = (id: string) => readEvent({ type: "SYSTEM", id, timestamp: "1970-01-01T00:00:07Z", body: "x" });
  expect(line("p1")).toMatchObject({ line: { id: "p1@7000" } });
  expect(line("0001-2")).toMatchObject({ line: { id: "0001-2" } });
});

test("10 kB in a name, an answer or a body become what can be shown", () => {
  const long = "x".repeat(10_000);
  const event = readEvent({ ...CHAT, body: long.repeat(10), user: { displayName: long }, inReplyTo: { id: "0", displayName: long, body: long } });
  if (event?.type !== "message") throw new Error("no message");
  const { user, quote, body } = event.message;
  expect([user.name, quote?.name, quote?.text].every((text) => text && text.length <= 300)).toBe(true);
  expect(body.length).toBeLessThanOrEqual(32_768);
});

test("visibility and refusals of a connection are read", () => {
  expect(readEvent({ type: "VISIBILITY-UPDATE", ids: ["1", 2], visible: false })).toEqual({
    type: "visibility",
    ids: ["1", ""],
    visible: false,
  });
  expect(readEvent({ type: "ERROR_USER_DISABLED", body: "Gone." })).toEqual({ type: "denied", reason: "banned", text: "Gone." });
});

test("a history that is none is empty", () => {
  expect(readHistory({ success: false })).toEqual([]);
  expect(readHistory([CHAT, { type: "SYSTEM", body: "x" }, { type: "USER_JOINED" }, 7]).map((each) => each.kind)).toEqual([
    "message",
    "system",
  ]);
});
