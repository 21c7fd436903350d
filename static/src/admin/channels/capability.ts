// What a key may do: Ably's capability, a JSON object from channels to operations, as a choice and in words. Pure.
import { type Key, t } from "../../words";

export const CHOICES = ["everything", "listen", "named", "own"] as const;
export type Choice = (typeof CHOICES)[number];

/** Where the server keeps what may be done everywhere. */
const EVERYWHERE = "[*]*";
const LISTEN = ["subscribe", "history"];
const TALK = [...LISTEN, "publish", "presence"];
const WORDS: ReadonlyMap<string, Key> = new Map([
  ["*", "channelKeys.op.all"],
  ["subscribe", "channelKeys.op.subscribe"],
  ["publish", "channelKeys.op.publish"],
  ["presence", "channelKeys.op.presence"],
  ["history", "channelKeys.op.history"],
  ["stats", "channelKeys.op.stats"],
  ["channel-metadata", "channelKeys.op.metadata"],
  ["push-subscribe", "channelKeys.op.pushSubscribe"],
  ["push-admin", "channelKeys.op.pushAdmin"],
]);

/** What is sent to the server; null for everything. What is written by hand is judged there. */
export function capabilityOf(choice: Choice, channels: readonly string[], own: string): Record<string, string[]> | string | null {
  switch (choice) {
    case "everything":
      return null;
    case "listen":
      return { "*": LISTEN };
    case "named":
      return Object.fromEntries(channels.map((channel) => [channel, TALK]));
    case "own":
      return own;
  }
}

export interface Permission {
  channel: string;
  /** In words, where there are any. */
  operations: string;
}

/** What a capability of the server's allows, channel by channel; null for everything. */
export function permissionsOf(capability: string): Permission[] | null {
  const allowed = JSON.parse(capability) as Record<string, string[]>;
  if (allowed[EVERYWHERE]?.includes("*")) return null;
  return Object.entries(allowed).map(([channel, operations]) => ({
    channel: channel === "*" || channel === EVERYWHERE ? t("channelKeys.everywhere") : channel,
    operations: operations.map(wordOf).join(", "),
  }));
}

function wordOf(operation: string): string {
  const known = WORDS.get(operation);
  return known ? t(known) : operation;
}
