// How far back a chart looks: one of a few spans, chosen by a press.
import { useId, useState } from "preact/hooks";
import { t } from "../../words";

const HOUR = 3_600;
const SPANS = { hour: HOUR, day: 24 * HOUR, week: 7 * 24 * HOUR, month: 30 * 24 * HOUR } as const;

export type Span = keyof typeof SPANS;

export interface Range {
  span: Span;
  /** Seconds since 1970. */
  from: number;
  to: number;
  choose: (span: Span) => void;
}

/** The chosen range, up to now. */
export function useRange(first: Span): Range {
  const [span, choose] = useState<Span>(first);
  // To the minute, as what is measured: a chart has nothing to draw anew in between.
  const to = Math.ceil(Date.now() / 60_000) * 60;
  return { span, choose, from: to - SPANS[span], to };
}

/** When a span of that length began, as the API wants it. */
export function windowStart(span: Span): number {
  return Math.floor(Date.now() / 1_000) - SPANS[span];
}

export function RangeChooser({ range, spans }: { range: Range; spans: readonly Span[] }) {
  const name = useId();
  return (
    <fieldset class="segments">
      <legend class="visually-hidden">{t("range")}</legend>
      {spans.map((span) => (
        <label key={span} class="segment">
          <input class="visually-hidden" type="radio" name={name} checked={range.span === span} onChange={() => range.choose(span)} />
          <span>{t(`range.${span}`)}</span>
        </label>
      ))}
    </fieldset>
  );
}
