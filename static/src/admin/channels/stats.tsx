// Statistics of channels: messages, connections and requests, by the minute, hour, day or month.
import { useId, useMemo, useState } from "preact/hooks";
import { get, type Schemas } from "../../api/client";
import { Chart, type Line } from "../../kit/chart";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { number, t } from "../../words";
import "../../styles/admin-content.css";

type Interval = Schemas["ChannelStatsView"];
type Count = Exclude<keyof Interval, "time">;

const UNITS = ["minute", "hour", "day", "month"] as const;
type Unit = (typeof UNITS)[number];

const LOOK_MS = 60_000;
const CHARTS = [
  { name: "messages", counts: ["messagesIn", "messagesOut"] },
  { name: "attached", counts: ["connections", "channels"] },
  { name: "requests", counts: ["requests", "refused"] },
] as const;

export default function ChannelStats() {
  const [unit, setUnit] = useState<Unit>("hour");
  const intervals = useResource(() => get("/api/admin/channels/stats", { unit }), [unit], { everyMs: LOOK_MS });
  return (
    <>
      <header class="section-head">
        <p class="lead">{t("channelStats.lead")}</p>
        <UnitChooser unit={unit} onChoose={setUnit} />
      </header>
      <Loaded resource={intervals}>{(found) => <Charts intervals={found} unit={unit} />}</Loaded>
    </>
  );
}

function UnitChooser({ unit, onChoose }: { unit: Unit; onChoose: (unit: Unit) => void }) {
  const name = useId();
  return (
    <fieldset class="segments segments-many">
      <legend class="visually-hidden">{t("channelStats.unit")}</legend>
      {UNITS.map((each) => (
        <label key={each} class="segment">
          <input class="visually-hidden" type="radio" name={name} checked={unit === each} onChange={() => onChoose(each)} />
          <span>{t(`channelStats.unit.${each}`)}</span>
        </label>
      ))}
    </fieldset>
  );
}

function Charts({ intervals, unit }: { intervals: readonly Interval[]; unit: Unit }) {
  const all = CHARTS.flatMap((chart): readonly Count[] => chart.counts);
  if (intervals.every((interval) => all.every((count) => interval[count] === 0))) {
    return <Empty title={t("channelStats.none")}>{t("channelStats.noneHelp")}</Empty>;
  }
  return (
    <>
      {CHARTS.map(({ name, counts: [first, second] }) => (
        <Over key={name} name={name} first={first} second={second} intervals={intervals} unit={unit} />
      ))}
    </>
  );
}

interface OverProps {
  name: (typeof CHARTS)[number]["name"];
  first: Count;
  second: Count;
  intervals: readonly Interval[];
  unit: Unit;
}

function Over({ name, first, second, intervals, unit }: OverProps) {
  const times = useMemo(() => intervals.map((interval) => Date.parse(interval.time) / 1_000), [intervals]);
  const lines = useMemo((): Line[] => {
    const valuesOf = (count: Count) => intervals.map((interval) => interval[count]);
    return [
      { name: t(`channelStats.${first}`), hue: 1, values: valuesOf(first) },
      { name: t(`channelStats.${second}`), hue: 2, values: valuesOf(second) },
    ];
  }, [intervals, first, second]);
  const most = lines.map((line) => Math.max(...line.values.map((value) => value ?? 0)));
  const title = t(`channelStats.title.${name}`);
  return (
    <section class="section">
      <h2>{title}</h2>
      <p class="quiet">{t(`channelStats.help.${name}`)}</p>
      <Chart
        label={t("channelStats.chart", { title, first: lines[0]?.name ?? "", firstMost: most[0] ?? 0, second: lines[1]?.name ?? "", secondMost: most[1] ?? 0 })}
        times={times}
        lines={lines}
        format={number}
        from={times[0] ?? 0}
        to={times.at(-1) ?? 0}
        whole
        {...((unit === "day" || unit === "month") && { calendar: unit })}
      />
    </section>
  );
}
