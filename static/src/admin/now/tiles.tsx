// The four numbers of a show: who watches, how far behind, what comes in, and how well it plays.
import type { ComponentChildren } from "preact";
import { bitrate, delay } from "../../format";
import { number, plural, t } from "../../words";
import type { AdminStatus } from "./watched";

const CODECS: Readonly<Record<string, string>> = {
  avc1: "H.264",
  hvc1: "HEVC",
  av01: "AV1",
  vp09: "VP9",
  mp4a: "AAC",
  fLaC: "FLAC",
  "ac-3": "AC-3",
  "ec-3": "E-AC-3",
  ".mp3": "MP3",
};

export function Tiles({ status }: { status: AdminStatus }) {
  return (
    <dl class="tiles">
      <Tile label={t("tile.viewers")} value={status.online ? number(status.viewerCount) : t("tile.nothing")}>
        {t("tile.peaks", { session: status.sessionPeakViewerCount, overall: status.overallPeakViewerCount })}
      </Tile>
      <Delay status={status} />
      <Inbound status={status} />
      <HealthTile status={status} />
    </dl>
  );
}

function Delay({ status: { health, online } }: { status: AdminStatus }) {
  const latency = health?.latency ?? null;
  return (
    <Tile label={t("tile.delay")} value={latency === null ? t("tile.nothing") : delay(latency)}>
      {latency !== null && health ? plural("tile.delayOf", health.players) : t(online ? "tile.noReports" : "tile.offline")}
    </Tile>
  );
}

function Inbound({ status: { broadcaster, online } }: { status: AdminStatus }) {
  if (!broadcaster) {
    return (
      <Tile label={t("tile.inbound")} value={t("tile.nothing")}>
        {t(online ? "tile.away" : "tile.offline")}
      </Tile>
    );
  }
  const details = broadcaster.streamDetails;
  const facts = [
    details.width > 0 && `${details.width} × ${details.height}`,
    details.framerate > 0 && t("tile.fps", { rate: Math.round(details.framerate * 100) / 100 }),
    [details.videoCodec, details.audioCodec]
      .filter((codec) => codec !== "")
      .map((codec) => CODECS[codec] ?? codec)
      .join(" + "),
    details.encoder,
  ].filter(Boolean);
  return (
    <Tile label={t("tile.inbound")} value={bitrate(details.videoBitrate + details.audioBitrate)}>
      {facts.join(" · ")}
    </Tile>
  );
}

function HealthTile({ status: { health, online } }: { status: AdminStatus }) {
  if (!health) {
    return (
      <Tile label={t("tile.health")} value={t("tile.nothing")}>
        {t(online ? "tile.noReports" : "tile.offline")}
      </Tile>
    );
  }
  const well = Math.round((health.players * health.healthPercentage) / 100);
  return (
    <Tile label={t("tile.health")} value={t(health.healthy ? "tile.well" : "tile.trouble")} kind={health.healthy ? "well" : "bad"}>
      {plural("tile.playing", health.players, { well })}
    </Tile>
  );
}

function Tile({ label, value, kind, children }: { label: string; value: string; kind?: "well" | "bad"; children: ComponentChildren }) {
  return (
    <div class="card tile" data-kind={kind}>
      <dt>{label}</dt>
      <dd class="tile-value tabular">{value}</dd>
      <dd class="tile-note">{children}</dd>
    </div>
  );
}
