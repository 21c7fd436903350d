// The canvas of a chart, drawn by uPlot; fetched when the first chart is shown. Owns what is on the canvas: axes, lines
// with their names at their ends, limits, and the place that the reader points at. Its colours are the theme's.
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { calendarTime, timeOfDay } from "../format";
import { language } from "../words";
import type { ChartProps } from "./chart";
import { alone, topOf } from "./series";

const HEIGHT = 200;
const FONT_PX = 12;
const LABEL_GAP = 6;
const DAY_AND_HALF = 129_600;
const WHOLE_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000];

export interface Plot {
  /** Draws what has changed; the lines stay the same ones. */
  update: (props: ChartProps) => void;
  /** Moves the place that is pointed at by so many measurements, to the first or last one for infinity. */
  move: (by: number) => void;
  leave: () => void;
  destroy: () => void;
}

/** Draws into `target`. `onPick` is told which measurement is pointed at. */
export function plot(target: HTMLElement, first: ChartProps, onPick: (at: number | null) => void): Plot {
  let props = first;
  const style = getComputedStyle(target);
  const rightToLeft = style.direction === "rtl";
  const font = `${FONT_PX}px ${style.fontFamily}`;
  const measure = document.createElement("canvas").getContext("2d");
  if (measure) measure.font = font;
  const widthOf = (text: string) => Math.ceil(measure?.measureText(text).width ?? 0);
  let colors = colorsOf(target);
  const hueOf = (line: number) => colors.hues[(props.lines[line]?.hue ?? 1) - 1] ?? colors.text;

  const room = () => Math.max(...props.lines.map((line) => widthOf(line.name))) + 2 * LABEL_GAP;
  const grid = { stroke: () => colors.line, width: 1 };
  const axis = { stroke: () => colors.quiet, font, grid, ticks: { show: false } };
  const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });

  const made = new UPlot(
    {
      width: target.clientWidth,
      height: HEIGHT,
      padding: rightToLeft ? [12, 8, 0, room] : [12, room, 0, 8],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: {
        x: { range: () => [props.from, props.to], dir: rightToLeft ? -1 : 1 },
        y: {
          range: (_, __, highest) => {
            const limits = (props.limits ?? []).map((limit) => limit.value);
            return [0, props.top ?? topOf(Math.max(highest ?? 0, ...limits), props.whole ?? false)];
          },
        },
      },
      axes: [
        {
          ...axis,
          space: 70,
          size: 28,
          values: (_, splits) => splits.map(timeAt),
        },
        {
          ...axis,
          side: rightToLeft ? 1 : 3,
          size: (_, shown) => Math.max(24, ...(shown ?? []).map(widthOf)) + 14,
          values: (_, splits) => splits.map((value) => props.format(value)),
          ...(props.whole && { incrs: WHOLE_STEPS }),
        },
      ],
      series: [
        {},
        ...props.lines.map((_, line) => ({
          stroke: () => hueOf(line),
          width: 2,
          points: {
            show: true,
            size: 5,
            fill: () => hueOf(line),
            filter: () => alone(props.lines[line]?.values ?? []),
          },
        })),
      ],
      hooks: {
        setCursor: [({ cursor }) => onPick(cursor.idx ?? null)],
        drawClear: [drawLimits],
        draw: [drawNames],
      },
    },
    dataOf(props),
    target,
  );

  function timeAt(at: number): string {
    if (props.calendar === "month") return calendarTime(at * 1_000, "month");
    return props.to - props.from > DAY_AND_HALF ? day.format(at * 1_000) : timeOfDay(at * 1_000);
  }

  function write(text: string, x: number, y: number, color: string) {
    const { ctx } = made;
    ctx.save();
    ctx.font = `${FONT_PX * devicePixelRatio}px ${style.fontFamily}`;
    ctx.textAlign = rightToLeft ? "right" : "left";
    ctx.textBaseline = "middle";
    ctx.fillStyle = color;
    ctx.fillText(text, x, y);
    ctx.restore();
  }

  /** Each line's name where it ends; names that would lie over one another make room. */
  function drawNames(drawn: UPlot) {
    const aside = (rightToLeft ? -LABEL_GAP : LABEL_GAP) * devicePixelRatio;
    const height = (FONT_PX + 2) * devicePixelRatio;
    const names = props.lines.flatMap(({ name, values }, line) => {
      const last = values.findLastIndex((value) => value != null);
      const [time, value] = [props.times[last], values[last]];
      if (time === undefined || value == null || time < props.from) return [];
      return [{ name, color: hueOf(line), x: drawn.valToPos(time, "x", true) + aside, y: drawn.valToPos(value, "y", true) }];
    });
    names.sort((one, other) => other.y - one.y);
    let free = drawn.bbox.top + drawn.bbox.height;
    for (const { name, color, x, y } of names) {
      const at = Math.min(y, free);
      write(name, x, at, color);
      free = at - height;
    }
  }

  function drawLimits(drawn: UPlot) {
    const { ctx, bbox } = drawn;
    for (const { name, value } of props.limits ?? []) {
      const y = drawn.valToPos(value, "y", true);
      ctx.save();
      ctx.strokeStyle = colors.warning;
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.restore();
      const edge = LABEL_GAP * devicePixelRatio;
      write(name, rightToLeft ? bbox.left + bbox.width - edge : bbox.left + edge, y - 9 * devicePixelRatio, colors.warning);
    }
  }

  const recolor = () => {
    colors = colorsOf(target);
    made.redraw(false);
  };
  const theme = new MutationObserver(recolor);
  theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", recolor);
  const size = new ResizeObserver(() => target.clientWidth && made.setSize({ width: target.clientWidth, height: HEIGHT }));
  size.observe(target);

  function show(at: number) {
    const time = props.times[at];
    if (time !== undefined) made.setCursor({ left: made.valToPos(time, "x"), top: HEIGHT / 2 });
  }

  return {
    update: (next) => {
      props = next;
      made.setData(dataOf(next));
    },
    move: (by) => {
      const filled = props.times.map((_, at) => at).filter((at) => (props.times[at] ?? 0) >= props.from && props.lines.some((line) => line.values[at] != null));
      const now = made.cursor.idx ?? null;
      const place = now === null ? (by < 0 ? filled.length : -1) : filled.indexOf(now);
      const next = filled[Math.min(filled.length - 1, Math.max(0, place + by))];
      if (next !== undefined) show(next);
    },
    leave: () => made.setCursor({ left: -10, top: -10 }),
    destroy: () => {
      theme.disconnect();
      system.removeEventListener("change", recolor);
      size.disconnect();
      made.destroy();
    },
  };
}

function dataOf({ times, lines }: ChartProps): UPlot.AlignedData {
  return [[...times], ...lines.map((line) => [...line.values])];
}

/** The theme's colours as a canvas understands them: those that an element would have. */
function colorsOf(target: HTMLElement) {
  const probe = document.createElement("span");
  target.append(probe);
  const read = (variable: string) => {
    probe.style.color = `var(${variable})`;
    return getComputedStyle(probe).color;
  };
  const found = {
    text: read("--text"),
    quiet: read("--text-quiet"),
    line: read("--line"),
    warning: read("--warning"),
    hues: [1, 2, 3].map((hue) => read(`--hue-${hue}`)),
  };
  probe.remove();
  return found;
}
