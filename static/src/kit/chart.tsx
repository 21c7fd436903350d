// A chart over time: what stands around the canvas, and the same as a table. The canvas itself, and with it uPlot, is
// fetched when the first chart is shown.
import { useEffect, useRef, useState } from "preact/hooks";
import { calendarTime, shortTime } from "../format";
import { t } from "../words";
import type { Plot } from "./chart-plot";
import { rowsOf, type Values } from "./series";

const TABLE_ROWS = 60;

export interface Line {
  name: string;
  /** Which of the theme's hues it has. */
  hue: 1 | 2 | 3;
  values: Values;
}

export interface ChartProps {
  /** What can be seen in it, in a sentence. */
  label: string;
  /** Seconds since 1970; each line has a value for each, or null. */
  times: readonly number[];
  lines: readonly Line[];
  format: (value: number) => string;
  /** What part of time is shown, in seconds since 1970. */
  from: number;
  to: number;
  /** Where the axis ends, where that does not depend on the values. */
  top?: number;
  /** Values are counted, so there is nothing between two whole numbers. */
  whole?: boolean;
  /** Each time is a whole day or month, in UTC. */
  calendar?: "day" | "month";
  /** Values that something happens at. */
  limits?: ReadonlyArray<{ name: string; value: number }>;
}

const STEPS: Readonly<Record<string, number>> = {
  ArrowLeft: -1,
  ArrowRight: 1,
  PageUp: -10,
  PageDown: 10,
  Home: Number.NEGATIVE_INFINITY,
  End: Number.POSITIVE_INFINITY,
};

export function Chart(props: ChartProps) {
  const target = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const newest = useRef(props);
  newest.current = props;
  const [picked, setPicked] = useState<number | null>(null);
  const [failed, setFailed] = useState(false);
  // Other lines are another canvas.
  const shape = props.lines.map((line) => `${line.name} ${line.hue}`).join();

  useEffect(() => {
    let gone = false;
    import("./chart-plot").then(
      (drawing) => {
        if (!gone && target.current) plot.current = drawing.plot(target.current, newest.current, setPicked);
      },
      () => gone || setFailed(true),
    );
    return () => {
      gone = true;
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => plot.current?.update(props), [props.times, props.lines, props.from, props.to]);

  function onKey(event: KeyboardEvent) {
    const step = STEPS[event.key];
    if (event.key === "Escape") plot.current?.leave();
    if (step === undefined) return;
    event.preventDefault();
    const mirrored = event.key.startsWith("Arrow") && target.current !== null && getComputedStyle(target.current).direction === "rtl";
    plot.current?.move(mirrored ? -step : step);
  }

  return (
    <figure class="chart">
      <Readout {...props} picked={picked} />
      {failed ? (
        <p class="notice" data-kind="bad">
          {t("notLoaded")}
        </p>
      ) : (
        <div ref={target} class="chart-plot" role="img" aria-label={props.label} tabIndex={0} onKeyDown={onKey} onBlur={() => plot.current?.leave()} />
      )}
      <Data {...props} />
    </figure>
  );
}

/** What was measured at the place that is pointed at, else last. */
function Readout({ times, lines, format, calendar, picked }: ChartProps & { picked: number | null }) {
  const at = picked ?? times.findLastIndex((_, place) => lines.some((line) => line.values[place] != null));
  const time = times[at];
  return (
    <figcaption class="chart-readout" aria-live={picked === null ? "off" : "polite"}>
      {time !== undefined && <span class="quiet">{timeOf(time, calendar)}</span>}
      {time !== undefined &&
        lines.map((line) => (
          <span key={line.name} data-hue={line.hue}>
            {line.name} <b>{valueOf(line, at, format)}</b>
          </span>
        ))}
    </figcaption>
  );
}

/** The same as a table; of many measurements as many as one likes to read. */
function Data({ label, times, lines, format, calendar }: ChartProps) {
  const [open, setOpen] = useState(false);
  return (
    <details class="details chart-data" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t("chart.table")}</summary>
      {open && (
        // Scrolled by the keyboard too.
        <div class="chart-table" tabIndex={0} role="region" aria-label={label}>
          <table class="table">
            <caption class="visually-hidden">{label}</caption>
            <thead>
              <tr>
                <th scope="col">{t("chart.time")}</th>
                {lines.map((line) => (
                  <th key={line.name} scope="col" data-align="end">
                    {line.name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rowsOf(times, lines.map((line) => line.values), TABLE_ROWS).map((at) => (
                <tr key={times[at]}>
                  <td data-label={t("chart.time")}>{timeOf(times[at] ?? 0, calendar)}</td>
                  {lines.map((line) => (
                    <td key={line.name} data-label={line.name} data-align="end">
                      {valueOf(line, at, format)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}

function timeOf(time: number, calendar: ChartProps["calendar"]): string {
  return calendar ? calendarTime(time * 1_000, calendar) : shortTime(time * 1_000);
}

function valueOf(line: Line, at: number, format: (value: number) => string): string {
  const value = line.values[at];
  return value == null ? "–" : format(value);
}
