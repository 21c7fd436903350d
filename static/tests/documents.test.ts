// What the page makes of the server's answers, also of those that are not as they should be.
import { expect, test } from "vitest";
import { readConfig, readStatus } from "../src/viewer/documents";
import { sessionFields } from "../src/player/session";

test("a status is read", () => {
  const status = readStatus({
    online: true,
    viewerCount: 3,
    lastConnectTime: "2026-05-01T12:00:00Z",
    lastDisconnectTime: null,
    serverTime: "2026-05-01T13:04:22Z",
    streamTitle: " Kettles ",
    scheduledEvent: { name: "Oolong", description: 7, startTime: "2026-05-02T18:00:00Z", durationMinutes: 90 },
    chatOpen: false,
  });
  expect(status).toEqual({
    online: true,
    viewerCount: 3,
    lastConnectTime: Date.UTC(2026, 4, 1, 12),
    lastDisconnectTime: null,
    serverTime: Date.UTC(2026, 4, 1, 13, 4, 22),
    streamTitle: "Kettles",
    event: { name: "Oolong", description: "", start: Date.UTC(2026, 4, 2, 18), end: Date.UTC(2026, 4, 2, 19, 30) },
    chatOpen: false,
  });
});

test.each([{}, { scheduledEvent: null }, { scheduledEvent: { startTime: "tomorrow" } }, { online: "yes", viewerCount: "3", lastConnectTime: 7, serverTime: "soon", streamTitle: null }])(
  "what is missing or of another type reads as nothing: %j",
  (document) => {
    expect(readStatus(document)).toEqual({
      online: false,
      viewerCount: "viewerCount" in document ? 0 : null,
      lastConnectTime: null,
      lastDisconnectTime: null,
      serverTime: null,
      streamTitle: "",
      event: null,
      chatOpen: true,
    });
  },
);

test.each([[-1, 0], [2.9, 2], [Number.POSITIVE_INFINITY, 0]])("%d viewers are %d", (given, read) => {
  expect(readStatus({ viewerCount: given }).viewerCount).toBe(read);
});

const NOTHING = {
  name: "",
  summary: "",
  logo: "",
  tags: [],
  links: [],
  actions: [],
  about: "",
  offlineMessage: "",
  nsfw: false,
  chatDisabled: false,
  slowModeSeconds: 0,
  socketHost: "",
  schedule: { enabled: false, countdown: false },
  pushKey: "",
};

test("a configuration is read, without tags that are none", () => {
  expect(readConfig({ name: "Tea", summary: 7, tags: ["tea", "", 5, "water"] })).toEqual({ ...NOTHING, name: "Tea", tags: ["tea", "water"] });
  expect(readConfig({ tags: "tea", externalActions: [null, 7], socialHandles: {}, schedule: [] })).toEqual(NOTHING);
});

test("there is a key of the server's only where it notifies browsers", () => {
  expect(readConfig({ notifications: { browser: { enabled: true, publicKey: "BAcd" } } }).pushKey).toBe("BAcd");
  expect(readConfig({ notifications: { browser: { enabled: false, publicKey: "BAcd" } } }).pushKey).toBe("");
  expect(readConfig({ notifications: { browser: { enabled: true } } }).pushKey).toBe("");
  expect(readConfig({ notifications: "none" }).pushKey).toBe("");
});

test.each(["javascript:alert(1)", "data:text/html,x", "//elsewhere.example", "vbscript:x", "JaVaScRiPt:x", "\u0001javascript:x", "about"])(
  "%s is no address that anything leads to",
  (url) => {
    const config = readConfig({
      logo: url,
      socialHandles: [{ platform: "x", url, icon: url }],
      externalActions: [
        { title: "No way", url, icon: url },
        { title: "Words", url, icon: url, html: "<p>Hello" },
      ],
    });
    expect(config.logo).toBe("");
    expect(config.links).toEqual([]);
    expect(config.actions).toEqual([{ title: "Words", description: "", icon: "", color: "", url: "", html: "<p>Hello", openExternally: false }]);
  },
);

test.each(["https://tea.example/a?b#c", "mailto:ana@tea.example", "xmpp:ana@tea.example", "/public/menu.html"])("%s is one", (url) => {
  expect(readConfig({ socialHandles: [{ platform: "x", url, icon: "/img/x.svg" }] }).links).toEqual([{ url, icon: "/img/x.svg" }]);
});

test("the player's id is a UUID in a CMCD field", () => {
  expect(sessionFields).toMatch(/^sid="[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"$/);
});

test("an address that only begins like one is dropped", () => {
  const url = "https://[";
  const config = readConfig({ logo: url, socialHandles: [{ url }], externalActions: [{ title: "x", url }] });
  expect([config.logo, config.links, config.actions]).toEqual(["", [], []]);
});
