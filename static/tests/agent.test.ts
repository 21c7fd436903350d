// What programs and devices are called.
import { expect, test } from "vitest";
import { deviceName, playerName } from "../src/agent";

test("players have names that people know", () => {
  const windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
  expect(playerName(`${windows} Edg/130.0`)).toEqual({ program: "Edge", system: "Windows" });
  expect(playerName(windows)).toEqual({ program: "Chrome", system: "Windows" });
  expect(playerName("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Version/17.0 Mobile/15E148 Safari/604.1")).toEqual({
    program: "Safari",
    system: "iOS",
  });
  expect(playerName("VLC/3.0.20 LibVLC/3.0.20")).toEqual({ program: "VLC", system: "" });
  expect(playerName("Lavf/60.3.100")).toEqual({ program: "ffmpeg", system: "" });
  expect(playerName("my radio")).toEqual({ program: "my radio", system: "" });
  expect(playerName("x".repeat(100)).program).toHaveLength(61);
  expect(playerName("")).toEqual({ program: "", system: "" });
});

test.each([
  ["Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox on Linux"],
  ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0", "Edge on Windows"],
  ["Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Mobile/15E148 Safari/604.1", "Safari on iOS"],
  ["Mozilla/5.0 (Linux; Android 10; K) Chrome/130.0.0.0 Mobile Safari/537.36", "Chrome on Android"],
  ["ffmpeg/7.1", "ffmpeg"],
  ["matrix-nio/0.25", "matrix-nio/0.25"],
  ["", ""],
])("the device %j is called %j", (agent, name) => {
  expect(deviceName(agent)).toBe(name);
});

test.each(["The kitchen", "My Windows machine", "mpv and ffmpeg box", "Ana's Firefox/Linux", "tea/coffee"])("the name %j that somebody has given is kept", (name) => {
  expect(deviceName(name)).toBe(name);
});
