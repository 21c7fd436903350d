// Stream health: how well players play, first in words, then over time.
import { useMemo } from "preact/hooks";
import { get, type Schemas } from "../../api/client";
import { bitrate, delay } from "../../format";
import { Button } from "../../kit/button";
import { Chart, type Line } from "../../kit/chart";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { align, type Sample } from "../../kit/series";
import { number, plural, t } from "../../words";
import { go } from "../router";
import { troublesOf } from "./needs";
import { type Range, RangeChooser, useRange } from "./range";
import { type AdminStatus, MINUTE_MS, useStatus } from "./watched";

type Metrics = Schemas["VideoMetrics"];

export default function StreamHealth() {
  const status = useStatus();
  const metrics = useResource(() => get("/api/admin/metrics/video"), [], { everyMs: MINUTE_MS });
  const range = useRange("hour");
  return (
    <>
      <Loaded resource={status}>{(found) => <InWords status={found} />}</Loaded>
      <header class="section-head">
        <p class="lead">{t("health.lead")}</p>
        <RangeChooser range={range} spans={["hour", "day"]} />
      </header>
      <Loaded resource={metrics}>{(found) => <Charts metrics={found} range={range} />}</Loaded>
    </>
  );
}

function InWords({ status: { online, health } }: { status: AdminStatus }) {
  if (!online) return <p class="notice">{t("health.offline")}</p>;
  if (!health) return <p class="notice">{t("health.silent")}</p>;
  const troubles = troublesOf(health);
  const well = Math.round((health.players * health.healthPercentage) / 100);
  return (
    <>
      <p class="notice" data-kind={health.healthy ? "well" : "bad"}>
        {plural("tile.playing", health.players, { well })}{" "}
        {health.representation < 100 && t("health.representation", { percent: health.representation })}
      </p>
      {troubles.length > 0 && (
        <ul class="needs">
          {troubles.map((trouble) => (
            <li key={trouble.key} class="notice" data-kind={trouble.kind}>
              <p>{trouble.text}</p>
              <Button onClick={() => go(trouble.leads)}>{trouble.verb}</Button>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function Charts({ metrics, range }: { metrics: Metrics; range: Range }) {
  const smallest = Math.min(...metrics.availableBitrates.filter((rate) => rate > 0));
  if (metrics.errors.length === 0) return <Empty title={t("health.none")}>{t("health.noneHelp")}</Empty>;
  return (
    <>
      <Over
        title={t("health.delay")}
        help={t("health.delayHelp")}
        range={range}
        series={[
          [t("health.highest"), metrics.highestLatency],
          [t("health.median"), metrics.medianLatency],
        ]}
        format={delay}
      />
      <Over
        title={t("health.network")}
        help={t("health.networkHelp")}
        range={range}
        series={[
          [t("health.median"), metrics.medianPlayerBitrate],
          [t("health.slowest"), metrics.minPlayerBitrate],
        ]}
        format={bitrate}
        {...(Number.isFinite(smallest) && { limits: [{ name: t("health.smallest", { rate: bitrate(smallest) }), value: smallest }] })}
      />
      <Over
        title={t("health.errors")}
        help={t("health.errorsHelp")}
        range={range}
        series={[
          [t("health.errorsLine"), metrics.errors],
          [t("health.switches"), metrics.qualityVariantChanges],
        ]}
        format={number}
        whole
      />
      <Over
        title={t("health.download")}
        help={t("health.downloadHelp", { seconds: metrics.segmentLength })}
        range={range}
        series={[
          [t("health.longest"), metrics.maximumSegmentDownloadDuration],
          [t("health.median"), metrics.medianSegmentDownloadDuration],
        ]}
        format={delay}
        limits={[{ name: t("health.segment"), value: metrics.segmentLength }]}
      />
    </>
  );
}

interface OverProps {
  title: string;
  help: string;
  range: Range;
  series: ReadonlyArray<readonly [name: string, samples: readonly Sample[]]>;
  format: (value: number) => string;
  whole?: boolean;
  limits?: ReadonlyArray<{ name: string; value: number }>;
}

function Over({ title, help, range, series, format, ...rest }: OverProps) {
  const samples = series.map(([, each]) => each);
  const { times, values } = useMemo(() => align(samples), samples);
  const lines = useMemo(
    () => series.map(([name], at): Line => ({ name, hue: at === 0 ? 1 : 2, values: values[at] ?? [] })),
    [values],
  );
  const last = series.map(([name, each]) => `${name} ${each.length ? format(each.at(-1)?.value ?? 0) : "–"}`).join(", ");
  return (
    <section class="section">
      <h2>{title}</h2>
      <p class="lead">{help}</p>
      <Chart label={t("health.chart", { title, last })} times={times} lines={lines} format={format} from={range.from} to={range.to} {...rest} />
    </section>
  );
}
