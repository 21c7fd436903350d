// Measurements over time, made ready to be drawn: on one axis of time, with holes where nothing was measured. Pure.

export interface Sample {
  time: string;
  value: number;
}

export type Values = ReadonlyArray<number | null>;

export interface Aligned {
  /** Seconds since 1970, rising. */
  times: number[];
  /** For each series, one value for each time. */
  values: Array<Array<number | null>>;
}

/** One is taken each minute; what is further apart than this was interrupted. */
const GAP_SECONDS = 150;

/** Several series on the times of all of them. Between times too far apart stands one at which nobody has a value. */
export function align(series: ReadonlyArray<readonly Sample[]>): Aligned {
  const found = series.map((samples) => new Map(samples.map(({ time, value }) => [Date.parse(time) / 1_000, value])));
  const known = [...new Set(found.flatMap((each) => [...each.keys()]))].sort((one, other) => one - other);
  const times: number[] = [];
  for (const time of known) {
    const last = times.at(-1);
    if (last !== undefined && time - last > GAP_SECONDS) times.push(last + 1);
    times.push(time);
  }
  return { times, values: found.map((each) => times.map((time) => each.get(time) ?? null)) };
}

/** Which of `times` a table has room for: evenly spread, the newest first, none at which nobody has a value. */
export function rowsOf(times: readonly number[], values: readonly Values[], most: number): number[] {
  const filled = times.map((_, at) => at).filter((at) => values.some((each) => each[at] != null));
  const stride = Math.ceil(filled.length / most) || 1;
  return filled.reverse().filter((_, place) => place % stride === 0);
}

/** Values that have none beside them, which no line would show. */
export function alone(values: Values): number[] {
  return values.flatMap((value, at) => (value != null && values[at - 1] == null && values[at + 1] == null ? [at] : []));
}

/** Where an axis that begins at 0 ends, so that the highest value and what is written above it fit. */
export function topOf(highest: number, whole: boolean): number {
  return whole ? Math.max(4, Math.ceil(highest * 1.15)) : highest > 0 ? highest * 1.15 : 1;
}
