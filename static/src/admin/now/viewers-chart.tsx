// How many watched, over time.
import { useMemo } from "preact/hooks";
import { get } from "../../api/client";
import { Chart } from "../../kit/chart";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { align, type Sample } from "../../kit/series";
import { number, plural, t } from "../../words";
import { type Range, type Span, windowStart } from "./range";
import { MINUTE_MS } from "./watched";

/** A month of minutes is some megabytes. */
const EVERY_MS: Readonly<Record<Span, number>> = { hour: MINUTE_MS, day: MINUTE_MS, week: 5 * MINUTE_MS, month: 30 * MINUTE_MS };

export function ViewersChart({ range }: { range: Range }) {
  const samples = useResource(() => get("/api/admin/viewersOverTime", { windowStart: windowStart(range.span) }), [range.span], {
    everyMs: EVERY_MS[range.span],
  });
  return <Loaded resource={samples}>{(found) => <Drawn samples={found} range={range} />}</Loaded>;
}

function Drawn({ samples, range }: { samples: readonly Sample[]; range: Range }) {
  const { times, values } = useMemo(() => align([samples]), [samples]);
  const lines = useMemo(() => [{ name: t("viewers.line"), hue: 1 as const, values: values[0] ?? [] }], [values]);
  if (samples.length === 0) return <Empty title={t("viewers.chartNone")}>{t("viewers.chartNoneHelp")}</Empty>;
  const most = Math.max(...samples.map((sample) => sample.value));
  return <Chart label={plural("viewers.chart", most, { span: t(`range.${range.span}`) })} times={times} lines={lines} format={number} from={range.from} to={range.to} whole />;
}
