// What is said over the poster while nothing is on: since when, and when the next show is.
import type { ComponentChildren } from "preact";
import { ago, clock, fullTime, shortTime } from "../format";
import { Icon } from "../kit/icon";
import { useNow } from "../kit/use-now";
import { rich, t } from "../words";
import type { Config, Event } from "./documents";
import { Picture } from "./picture";
import type { StatusView } from "./use-status";

const DAY_MS = 86_400_000;

interface Props {
  name: string;
  config: Config | null;
  view: StatusView;
  /** What else can be done meanwhile. */
  children?: ComponentChildren;
}

export function Offline({ name, config, view, children }: Props) {
  const now = useNow(true) + view.clockOffset;
  const last = view.status?.lastDisconnectTime ?? null;
  const event = view.status?.event ?? null;
  return (
    <>
      <Picture class="offline-logo" address={config?.logo ?? ""} />
      <p class="offline-name">{name}</p>
      <p class="offline-since">
        {last === null
          ? t("offline")
          : rich("offline.since", {
              time: (
                <time dateTime={new Date(last).toISOString()} title={fullTime(last)}>
                  {ago(last, now)}
                </time>
              ),
            })}
      </p>
      {event ? <Next event={event} now={now} config={config} /> : <p class="offline-hint">{t("offline.wait")}</p>}
      {children}
    </>
  );
}

function Next({ event, now, config }: { event: Event; now: number; config: Config | null }) {
  return (
    <div class="offline-next">
      <p class="offline-event">{event.name ? t("event.named", { name: event.name }) : t("event.next")}</p>
      <p>
        <time dateTime={new Date(event.start).toISOString()} title={fullTime(event.start)}>
          {shortTime(event.start)}
        </time>
        {config?.schedule.countdown && ` · ${until(event.start, now)}`}
      </p>
      {config?.schedule.enabled && (
        <a class="button" href="/api/schedule.ics" download="schedule.ics">
          <Icon name="calendar" />
          {t("event.calendar")}
        </a>
      )}
    </div>
  );
}

/** "in 3 days"; on the last day to the second. */
function until(start: number, now: number): string {
  if (start <= now) return t("event.anyMoment");
  return start - now >= DAY_MS ? ago(start, now) : t("event.in", { time: clock((start - now) / 1_000) });
}
