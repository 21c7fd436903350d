// What the page makes of the server's answers, also of those that are not as they should be.
import { expect, test } from "vitest";
import { readConfig, readStatus, sessionFields } from "../src/api";

test("a status is read", () => {
  const status = readStatus({
    online: true,
    viewerCount: 3,
    lastConnectTime: "2026-05-01T12:00:00Z",
    lastDisconnectTime: null,
    serverTime: "2026-05-01T13:04:22Z",
    streamTitle: " Kettles ",
  });
  expect(status).toEqual({
    online: true,
    viewerCount: 3,
    lastConnectTime: Date.UTC(2026, 4, 1, 12),
    lastDisconnectTime: null,
    serverTime: Date.UTC(2026, 4, 1, 13, 4, 22),
    streamTitle: "Kettles",
  });
});

test.each([{}, { online: "yes", viewerCount: "3", lastConnectTime: 7, serverTime: "soon", streamTitle: null }])(
  "what is missing or of another type reads as nothing: %j",
  (document) => {
    expect(readStatus(document)).toEqual({
      online: false,
      viewerCount: "viewerCount" in document ? 0 : null,
      lastConnectTime: null,
      lastDisconnectTime: null,
      serverTime: null,
      streamTitle: "",
    });
  },
);

test.each([[-1, 0], [2.9, 2], [Number.POSITIVE_INFINITY, 0]])("%d viewers are %d", (given, read) => {
  expect(readStatus({ viewerCount: given }).viewerCount).toBe(read);
});

test("a configuration is read, without tags that are none", () => {
  expect(readConfig({ name: "Tea", summary: 7, tags: ["tea", "", 5, "water"] })).toEqual({
    name: "Tea",
    summary: "",
    logo: "",
    tags: ["tea", "water"],
    chatDisabled: false,
    socketHost: "",
  });
  expect(readConfig({ tags: "tea" }).tags).toEqual([]);
});

test("the player's id is a UUID in a CMCD field", () => {
  expect(sessionFields).toMatch(/^sid="[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"$/);
});
