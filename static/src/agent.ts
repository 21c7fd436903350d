// What somebody watches or chats with, in words, from how it calls itself. Pure. What is not known keeps its own words.
import { t } from "./words";

/** The first that is found counts: browsers claim to be one another. */
const PROGRAMS: ReadonlyArray<readonly [RegExp, string]> = [
  [/\bEdgA?\/|\bEdge\//, "Edge"],
  [/\bOPR\/|\bOpera\//, "Opera"],
  [/\bSamsungBrowser\//, "Samsung Internet"],
  [/\bFirefox\/|\bFxiOS\//, "Firefox"],
  [/\b(?:Headless)?Chrome\/|\bCriOS\//, "Chrome"],
  [/\bAppleCoreMedia\//, "Apple player"],
  [/\bVersion\/.*\bSafari\//, "Safari"],
  [/\bVLC\/|\bLibVLC\//, "VLC"],
  [/\bmpv\b/, "mpv"],
  [/\bLavf\/|\bffmpeg\b/i, "ffmpeg"],
  [/\bExoPlayer|\bMedia3/, "Android player"],
];

const SYSTEMS: ReadonlyArray<readonly [RegExp, string]> = [
  [/\bAndroid\b/, "Android"],
  [/\biPhone\b|\biPad\b|\biPod\b/, "iOS"],
  [/\bApple ?TV\b/, "Apple TV"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b|\bMacintosh\b/, "macOS"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bLinux\b/, "Linux"],
];

const LONGEST = 60;

/** How browsers and programs begin: a product with its version. A name that somebody has typed seldom does. */
const AGENT = /^[^\s/]+\/\d/;

export interface PlayerName {
  program: string;
  /** Empty where it is not told. */
  system: string;
}

/** "Firefox on Linux" for what calls itself so at length; a name that somebody has given is kept. Empty for neither. */
export function deviceName(name: string): string {
  return AGENT.test(name) ? inWords(playerName(name)) : name;
}

export function inWords({ program, system }: PlayerName): string {
  return program && system ? t("programOn", { program, system }) : program;
}

export function playerName(userAgent: string): PlayerName {
  const program = PROGRAMS.find(([pattern]) => pattern.test(userAgent))?.[1];
  const system = SYSTEMS.find(([pattern]) => pattern.test(userAgent))?.[1] ?? "";
  if (program) return { program, system };
  return { program: userAgent.length > LONGEST ? `${userAgent.slice(0, LONGEST)}…` : userAgent, system: "" };
}
