// Schedule: what is planned, what repeats, and what viewers see of it.
import { useState } from "preact/hooks";
import { get, post, type Schemas } from "../../api/client";
import { Button } from "../../kit/button";
import { Confirm } from "../../kit/dialog";
import { SelectField, Switch, TextField } from "../../kit/field";
import { Icon } from "../../kit/icon";
import { Menu } from "../../kit/menu";
import { Moment } from "../../kit/moment";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { Table } from "../../kit/table";
import { complain, tell } from "../../kit/toast";
import { language, plural, t } from "../../words";
import { SettingsForm, useForm, useSwitch } from "../form";
import { useServerConfig } from "../server-config";
import { type Edited, EventDialog } from "./event";
import { read } from "./recurrence";
import { ownZone, timeThere } from "./zones";
import "../../styles/admin-content.css";

type Event = Schemas["EventView"];
type Series = Schemas["SeriesView"];
type Planned = Schemas["Planned"];

const MINUTE_MS = 60_000;
const OPENS = ["0", "5", "10", "30", "60"] as const;

export default function SchedulePage() {
  const planned = useResource(() => get("/api/admin/schedule"), []);
  return (
    <>
      <p class="lead">{t("schedule.lead")}</p>
      <Shown />
      <Loaded resource={planned}>{(found) => <Plan planned={found} onChange={planned.state === "ready" ? planned.set : () => undefined} />}</Loaded>
      <Rest />
    </>
  );
}

function Shown() {
  const { config } = useServerConfig();
  const enabled = useSwitch(config.schedule.enabled, "schedule/enabled");
  const countdown = useSwitch(config.schedule.showCountdown, "schedule/showcountdown");
  return (
    <section class="section">
      <Switch label={t("schedule.enabled")} help={t("schedule.enabledHelp")} {...enabled} />
      <Switch label={t("schedule.countdown")} help={t("schedule.countdownHelp")} {...countdown} />
    </section>
  );
}

interface Ending {
  id: string;
  name: string;
  /** It stays in view, as cancelled. */
  cancel: boolean;
  series: boolean;
}

function Plan({ planned, onChange }: { planned: Planned; onChange: (planned: Planned) => void }) {
  const [editing, setEditing] = useState<Edited | "new" | null>(null);
  const [ending, setEnding] = useState<Ending | null>(null);
  const now = Date.now();
  const events = planned.events.filter((event) => Date.parse(event.startTime) + event.durationMinutes * MINUTE_MS > now);
  const past = planned.events.filter((event) => !events.includes(event)).reverse();
  const add = (
    <Button kind="primary" onClick={() => setEditing("new")}>
      {t("schedule.add")}
    </Button>
  );

  async function end({ id, cancel }: Ending) {
    try {
      onChange(await post("/api/admin/schedule/event/delete", { id, cancel }));
      tell(t(cancel ? "schedule.cancelled" : "schedule.deleted"));
    } catch (error) {
      complain(error);
    }
  }

  return (
    <>
      <section class="section" aria-label={t("schedule.next")}>
        <h2>{t("schedule.next")}</h2>
        <p class="lead">{t("schedule.zone", { zone: ownZone() })}</p>
        {events.length > 0 && <p>{add}</p>}
        <Table
          caption={t("schedule.next")}
          rows={events}
          keyOf={(event) => event.id}
          text={(event) => `${event.name} ${event.description}`}
          empty={
            <Empty title={t("schedule.none")} action={add}>
              {t("schedule.noneHelp")}
            </Empty>
          }
          columns={columns(planned.series)}
          actions={(event) =>
            event.status === "cancelled" ? null : (
              <Menu
                label={`${t("actions")}: ${event.name}`}
                items={[
                  { label: t("edit"), onSelect: () => setEditing({ event }) },
                  { label: t("schedule.cancel"), danger: true, onSelect: () => setEnding({ id: event.id, name: event.name, cancel: true, series: false }) },
                  ...(event.seriesId ? [] : [{ label: t("delete"), danger: true, onSelect: () => setEnding({ id: event.id, name: event.name, cancel: false, series: false }) }]),
                ]}
              >
                <Icon name="more" />
              </Menu>
            )
          }
        />
      </section>
      {planned.series.length > 0 && (
        <section class="section" aria-label={t("schedule.series")}>
          <h2>{t("schedule.series")}</h2>
          <ul class="rows">
            {planned.series.map((series) => (
              <li key={series.id} class="row">
                <div class="row-main">
                  <b>{series.name}</b>
                  <span class="quiet">{describe(series)}</span>
                </div>
                {!series.active && <span class="badge">{t("schedule.isCancelled")}</span>}
                <Menu
                  label={`${t("actions")}: ${series.name}`}
                  items={[
                    ...(series.active
                      ? [
                          { label: t("edit"), onSelect: () => setEditing({ series }) },
                          { label: t("schedule.cancel"), danger: true, onSelect: () => setEnding({ id: series.id, name: series.name, cancel: true, series: true }) },
                        ]
                      : []),
                    { label: t("delete"), danger: true, onSelect: () => setEnding({ id: series.id, name: series.name, cancel: false, series: true }) },
                  ]}
                >
                  <Icon name="more" />
                </Menu>
              </li>
            ))}
          </ul>
        </section>
      )}
      {past.length > 0 && (
        <details class="details">
          <summary>{t("schedule.past")}</summary>
          <Table caption={t("schedule.past")} rows={past} keyOf={(event) => event.id} columns={columns(planned.series)} empty={null} />
        </details>
      )}
      {editing && <EventDialog edited={editing === "new" ? null : editing} onSaved={onChange} onClose={() => setEditing(null)} />}
      {ending && (
        <Confirm
          title={t(ending.cancel ? "schedule.cancelTitle" : "schedule.deleteTitle", { name: ending.name })}
          verb={t(ending.cancel ? "schedule.cancel" : "delete")}
          onClose={() => setEnding(null)}
          onConfirm={() => end(ending)}
        >
          <p>{t(ending.cancel ? (ending.series ? "schedule.cancelSeriesHelp" : "schedule.cancelHelp") : ending.series ? "schedule.deleteSeriesHelp" : "schedule.deleteHelp")}</p>
        </Confirm>
      )}
    </>
  );
}

function columns(series: readonly Series[]) {
  return [
    {
      label: t("schedule.what"),
      cell: (event: Event) => (
        <span class="person">
          {event.name}
          {event.status === "cancelled" && <span class="badge">{t("schedule.isCancelled")}</span>}
          {event.seriesId && series.some(({ id }) => id === event.seriesId) && <span class="badge">{t("schedule.repeats")}</span>}
        </span>
      ),
    },
    {
      label: t("schedule.when"),
      cell: (event: Event) => (
        <span class="stack">
          <Moment at={event.startTime} exact />
          {event.timezone !== ownZone() && <span class="quiet">{t("schedule.there", { time: timeThere(Date.parse(event.startTime), event.timezone, language), zone: event.timezone })}</span>}
        </span>
      ),
      sort: (event: Event) => event.startTime,
    },
    { label: t("schedule.length"), align: "end" as const, cell: (event: Event) => plural("schedule.minutes", event.durationMinutes) },
  ];
}

function describe(series: Series): string {
  const rule = read(series.recurrence);
  if (!rule) return series.recurrence;
  return t("schedule.rule", { repeat: t(`schedule.repeat.${rule.repeat}`), time: rule.start.slice(11), zone: rule.zone });
}

function Rest() {
  const { config } = useServerConfig();
  const form = useForm(
    { opens: String(config.schedule.chatOpenMinutesBefore), reminder: config.schedule.reminderMessage },
    { opens: "schedule/chatopenminutes", reminder: "schedule/remindermessage" },
    { opens: Number },
  );
  return (
    <section class="section" aria-label={t("schedule.chat")}>
      <h2>{t("schedule.chat")}</h2>
      <SettingsForm form={form}>
        <SelectField
          label={t("schedule.opens")}
          help={t("schedule.opensHelp")}
          options={OPENS.map((minutes) => [minutes, minutes === "0" ? t("schedule.opensNot") : plural("schedule.before", Number(minutes))] as const)}
          {...form.field("opens")}
        />
        <TextField label={t("schedule.reminder")} help={t("schedule.reminderHelp")} rows={2} {...form.field("reminder")} />
      </SettingsForm>
    </section>
  );
}
