// Hardware: how busy this machine was, and from where on the server warns.
import { useMemo } from "preact/hooks";
import { get, type Schemas } from "../../api/client";
import { Chart } from "../../kit/chart";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { align, type Sample } from "../../kit/series";
import { number, t } from "../../words";
import { DISK_LIMIT } from "./needs";
import { type Range, RangeChooser, useRange, windowStart } from "./range";
import { MINUTE_MS } from "./watched";

/** Per cent from which on the server warns. */
const LIMITS = { cpu: 85, memory: 85, disk: DISK_LIMIT } as const;
const PARTS = ["cpu", "memory", "disk"] as const;

type Part = (typeof PARTS)[number];

export default function Hardware() {
  const range = useRange("hour");
  const stats = useResource(() => get("/api/admin/hardwarestats", { windowStart: windowStart(range.span) }), [range.span], {
    everyMs: MINUTE_MS,
  });
  return (
    <>
      <header class="section-head">
        <p class="lead">{t("hardware.lead")}</p>
        <RangeChooser range={range} spans={["hour", "day", "week"]} />
      </header>
      <Loaded resource={stats}>{(found) => <Parts stats={found} range={range} />}</Loaded>
    </>
  );
}

function Parts({ stats, range }: { stats: Schemas["HardwareView"]; range: Range }) {
  if (PARTS.every((part) => stats[part].length === 0)) return <Empty title={t("hardware.none")}>{t("hardware.noneHelp")}</Empty>;
  return (
    <>
      {PARTS.map((part) => (
        <Over key={part} part={part} samples={stats[part]} range={range} />
      ))}
    </>
  );
}

function Over({ part, samples, range }: { part: Part; samples: readonly Sample[]; range: Range }) {
  const { times, values } = useMemo(() => align([samples]), [samples]);
  const name = t(`hardware.${part}`);
  const lines = useMemo(() => [{ name, hue: 1 as const, values: values[0] ?? [] }], [values, name]);
  const now = samples.at(-1)?.value ?? 0;
  const limit = LIMITS[part];
  return (
    <section class="section">
      <h2>{name}</h2>
      <p class={now > limit ? "over-limit" : "lead"}>
        {t(`hardware.${part}Now`, { percent: now })} {now > limit && t(`hardware.${part}Over`)}
      </p>
      <Chart
        label={t("hardware.chart", { name, percent: now, limit })}
        times={times}
        lines={lines}
        format={percent}
        from={range.from}
        to={range.to}
        top={100}
        limits={[{ name: t("hardware.limit"), value: limit }]}
      />
    </section>
  );
}

function percent(value: number): string {
  return t("hardware.percent", { value: number(Math.round(value)) });
}
