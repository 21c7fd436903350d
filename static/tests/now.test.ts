// What the dashboard says of a server.
import { expect, test } from "vitest";
import { type Known, needsOf, troublesOf } from "../src/admin/now/needs";

const NOW = Date.parse("2026-03-04T12:00:00Z");
const HEALTH = { healthy: true, healthPercentage: 100, message: "", representation: 100, players: 14, slow: 0, failing: 0, late: 0, lowestBitrate: 700, latency: 2 };

function known(changes: object = {}): Known {
  const status = { online: false, broadcaster: null, health: null };
  const config = { streamKeys: [{ key: "a long stream key" }], yp: { instanceUrl: "https://tea.example" }, videoCodec: "auto" };
  const rest = { encoders: { inUse: "libx264" }, backups: [{ time: "2026-03-04T11:00:00Z" }], disk: 50, warnings: [], logsSeen: 0, now: NOW };
  return { status, config, ...rest, ...changes } as unknown as Known;
}

const keys = (changes: object) => needsOf(known(changes)).map((need) => need.key);
const line = (time: string) => ({ time, level: "warning", message: "tea is cold" });
const live = (keyframeInterval: number) => ({ online: true, health: null, broadcaster: { streamDetails: { keyframeInterval } } });

test("nothing is asked of an owner without need", () => {
  expect(keys({})).toEqual([]);
  expect(keys({ backups: null, disk: null, encoders: null })).toEqual([]);
  expect(keys({ status: live(2) })).toEqual([]);
});

test("each fault has its sentence", () => {
  expect(keys({ status: live(8.3) })).toEqual(["keyframes"]);
  expect(keys({ status: { online: true, broadcaster: null, health: null } })).toEqual(["away"]);
  expect(keys({ disk: 91 })).toEqual(["disk"]);
  expect(keys({ encoders: { inUse: "" } })).toEqual(["encoder"]);
  expect(keys({ backups: [] })).toEqual(["backup"]);
  expect(keys({ backups: [{ time: "2026-03-03T11:59:00Z" }] })).toEqual(["backup"]);
});

test("of warnings only those count that are new and not seen", () => {
  const warnings = [line("2026-03-02T12:00:00Z"), line("2026-03-04T10:00:00Z"), line("2026-03-04T11:00:00Z")];
  expect(needsOf(known({ warnings })).map((need) => need.key)).toEqual(["logs"]);
  expect(keys({ warnings, logsSeen: Date.parse("2026-03-04T11:00:00Z") })).toEqual([]);
});

test("what viewers notice comes first, what can wait last", () => {
  const config = { streamKeys: [{ key: "short" }], yp: { instanceUrl: "" }, videoCodec: "h264_nvenc" };
  expect(keys({ config, disk: 99 })).toEqual(["disk", "codec", "key", "address"]);
});

test("troubles of players are told apart", () => {
  expect(troublesOf(HEALTH)).toEqual([]);
  const found = troublesOf({ ...HEALTH, healthy: false, slow: 2, late: 1 });
  expect(found.map(({ key, kind, leads }) => [key, kind, leads])).toEqual([
    ["slow", "bad", "/video"],
    ["late", "bad", "/video"],
  ]);
});
