// What needs the owner: one sentence for each thing that is not as it should be, and where it is put right. Pure.
import type { Schemas } from "../../api/client";
import { ago } from "../../format";
import { number, plural, t } from "../../words";
import type { ServerConfig } from "../server-config";
import type { AdminStatus, Health } from "./watched";

/** Percent of the disk, as the server warns. */
export const DISK_LIMIT = 90;
/** Seconds; a segment can be no shorter. */
const KEYFRAME_LIMIT = 4;
const SHORT_KEY = 8;
const DAY_MS = 86_400_000;
export type Kind = "bad" | "warning" | "hint";

export interface Need {
  key: string;
  /** bad: viewers notice; warning: they may; hint: it would be better so, and can be waved aside. */
  kind: Kind;
  text: string;
  verb: string;
  /** A page of the admin, or a dialog of the dashboard. */
  leads: string | "keyframes";
}

export interface Known {
  status: AdminStatus;
  config: ServerConfig;
  encoders: Schemas["EncodersView"] | null;
  /** Null: this server makes none. */
  backups: ReadonlyArray<Schemas["BackupView"]> | null;
  /** Per cent in use; null while it is not known. */
  disk: number | null;
  /** The newest last. */
  warnings: ReadonlyArray<Schemas["LogView"]>;
  /** When the newest line was written that the owner has seen, in ms. */
  logsSeen: number;
  now: number;
}

/** The most pressing first. */
export function needsOf(known: Known): Need[] {
  const { status, config } = known;
  const found = [
    ...(status.health ? troublesOf(status.health) : []),
    ...ofTheEncoder(status),
    ...ofTheMachine(known),
    ...ofTheLog(known),
    config.streamKeys.some(({ key }) => key.length < SHORT_KEY) && need("key", "warning", t("needs.shortKey"), t("needs.keys"), "/keys"),
    config.yp.instanceUrl === "" && need("address", "hint", t("needs.address"), t("needs.setAddress"), "/general"),
  ].filter((each) => each !== false);
  const order: readonly Kind[] = ["bad", "warning", "hint"];
  return found.sort((one, other) => order.indexOf(one.kind) - order.indexOf(other.kind));
}

/** What players have trouble with. */
export function troublesOf({ players, slow, failing, late, lowestBitrate, healthy }: Health): Need[] {
  const kind = healthy ? "warning" : "bad";
  const whole = { players };
  return [
    slow > 0 && need("slow", kind, plural("trouble.slow", slow, { ...whole, rate: number(lowestBitrate) }), t("trouble.addVariant"), "/video"),
    failing > 0 && need("failing", kind, plural("trouble.failing", failing, whole), t("needs.hardware"), "/hardware"),
    late > 0 && need("late", kind, plural("trouble.late", late, whole), t("trouble.delay"), "/video"),
  ].filter((each) => each !== false);
}

function ofTheEncoder({ online, broadcaster }: AdminStatus): Need[] {
  if (!online) return [];
  if (!broadcaster) return [need("away", "bad", t("needs.away"), t("needs.logs"), "/logs")];
  const seconds = broadcaster.streamDetails.keyframeInterval;
  return seconds > KEYFRAME_LIMIT ? [need("keyframes", "warning", t("needs.keyframes", { seconds: Math.round(seconds) }), t("needs.showObs"), "keyframes")] : [];
}

function ofTheMachine({ config, encoders, backups, disk, now }: Known): Need[] {
  const newest = backups?.[0] && Date.parse(backups[0].time);
  return [
    disk !== null && disk > DISK_LIMIT && need("disk", "bad", t("needs.disk", { percent: Math.round(disk) }), t("needs.hardware"), "/hardware"),
    encoders?.inUse === "" && need("encoder", "bad", t("needs.noEncoder"), t("needs.why"), "/video"),
    encoders !== null &&
      encoders.inUse !== "" &&
      config.videoCodec !== "auto" &&
      config.videoCodec !== encoders.inUse &&
      need("codec", "warning", t("needs.otherEncoder", { wanted: config.videoCodec, used: encoders.inUse }), t("needs.why"), "/video"),
    backups !== null &&
      (newest === undefined || now - newest > DAY_MS) &&
      need("backup", "warning", newest === undefined ? t("needs.noBackup") : t("needs.oldBackup", { ago: ago(newest, now) }), t("needs.backups"), "/backups"),
  ].filter((each) => each !== false);
}

function ofTheLog({ warnings, logsSeen, now }: Known): Need[] {
  const fresh = warnings.filter(({ time }) => Date.parse(time) > Math.max(logsSeen, now - DAY_MS));
  const last = fresh.at(-1);
  return last ? [need("logs", "warning", plural("needs.warnings", fresh.length, { line: last.message }), t("needs.logs"), "/logs")] : [];
}

function need(key: string, kind: Kind, text: string, verb: string, leads: Need["leads"]): Need {
  return { key, kind, text, verb, leads };
}
