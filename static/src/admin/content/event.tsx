// One show to plan, or a series of them: what, when, where the clock hangs, and how it repeats, with its next times as
// the server reckons them.
import { useState } from "preact/hooks";
import { post, type Schemas } from "../../api/client";
import { shortTime } from "../../format";
import { Field, NumberField, SelectField, TextField } from "../../kit/field";
import { useResource } from "../../kit/resource";
import { tell } from "../../kit/toast";
import { useDebounced } from "../../kit/use-debounced";
import { language, t } from "../../words";
import { FormDialog, Problem } from "../form-dialog";
import { DAYS, dayOf, read, REPEATS, written, type Day, type Rule } from "./recurrence";
import { allZones, isZone, momentOf, ownZone, timeThere, wallTime } from "./zones";

type Event = Schemas["EventView"];
type Series = Schemas["SeriesView"];
export type Edited = { event: Event } | { series: Series };

const STILL_MS = 300;
const HOUR_MS = 3_600_000;
const KINDS = ["once", ...REPEATS, "own"] as const;
type Kind = (typeof KINDS)[number];
/** A Monday, to have the days' names from. */
const MONDAY = Date.UTC(2024, 0, 1, 12);

interface Draft {
  name: string;
  description: string;
  reminder: string;
  minutes: number;
  kind: Kind;
  start: string;
  zone: string;
  days: readonly Day[];
  until: string;
  /** The rule itself, where it is written by hand. */
  rule: string;
}

interface Props {
  /** What is changed; null plans something new. */
  edited: Edited | null;
  onSaved: (planned: Schemas["Planned"]) => void;
  onClose: () => void;
}

export function EventDialog({ edited, onSaved, onClose }: Props) {
  const [before] = useState(() => draftOf(edited));
  const [draft, setDraft] = useState(before);
  const set = (values: Partial<Draft>) => setDraft((current) => ({ ...current, ...values }));
  const item = edited && ("event" in edited ? edited.event : edited.series);
  // One show stays one, and what repeats goes on to.
  const kinds = KINDS.filter((kind) => !edited || ("event" in edited ? kind === "once" : kind !== "once"));
  const recurrence = ruleOf(draft);
  const ready = draft.name.trim() !== "" && (draft.kind === "own" || (isZone(draft.zone) && !Number.isNaN(momentOf(draft.start, draft.zone))));

  async function save() {
    const common = { name: draft.name, description: draft.description, reminderMessage: draft.reminder, durationMinutes: draft.minutes };
    const time = recurrence
      ? { recurrence, start: null, timezone: null }
      : { recurrence: null, start: new Date(momentOf(draft.start, draft.zone)).toISOString(), timezone: draft.zone };
    onSaved(await post("/api/admin/schedule/event", { id: item?.id ?? null, ...common, ...time }));
    tell(t("admin.saved"));
  }

  return (
    <FormDialog
      title={item?.name ?? t("schedule.add")}
      verb={t("save")}
      ready={ready}
      unsaved={JSON.stringify(draft) !== JSON.stringify(before)}
      onSave={save}
      onClose={onClose}
    >
      {(problem) => (
        <>
          {problem && <Problem>{problem}</Problem>}
          <TextField label={t("schedule.name")} value={draft.name} onChange={(name) => set({ name })} />
          <TextField label={t("schedule.description")} rows={2} value={draft.description} onChange={(description) => set({ description })} />
          <SelectField label={t("schedule.how")} value={draft.kind} options={kinds.map((kind) => [kind, t(`schedule.repeat.${kind}`)] as const)} onChange={(kind) => set({ kind, rule: recurrence || draft.rule })} />
          {draft.kind === "own" ? (
            <TextField label={t("schedule.ownRule")} help={t("schedule.ownRuleHelp")} rows={3} code value={draft.rule} onChange={(rule) => set({ rule })} />
          ) : (
            <Time draft={draft} set={set} />
          )}
          <NumberField label={t("schedule.length")} unit={t("unit.minutes")} min={1} value={draft.minutes} onChange={(minutes) => set({ minutes })} />
          <TextField label={t("schedule.ownReminder")} help={t("schedule.ownReminderHelp")} value={draft.reminder} onChange={(reminder) => set({ reminder })} />
          {recurrence && <Next recurrence={recurrence} zone={draft.zone} />}
        </>
      )}
    </FormDialog>
  );
}

function Time({ draft, set }: { draft: Draft; set: (values: Partial<Draft>) => void }) {
  const moment = isZone(draft.zone) ? momentOf(draft.start, draft.zone) : Number.NaN;
  const elsewhere = draft.zone !== ownZone() && !Number.isNaN(moment);
  const days = draft.kind === "weekly" || draft.kind === "fortnightly";
  return (
    <>
      <TextField
        label={t(draft.kind === "once" ? "schedule.start" : "schedule.first")}
        type="datetime-local"
        value={draft.start}
        onChange={(start) => set({ start })}
        {...(elsewhere && { help: t("schedule.forYou", { time: shortTime(moment), zone: ownZone() }) })}
      />
      <Field label={t("schedule.timeZone")} help={t("schedule.timeZoneHelp")} error={isZone(draft.zone) ? "" : t("schedule.noZone")}>
        {(ties) => (
          <>
            <input class="input" list="zones" value={draft.zone} onInput={(event) => set({ zone: event.currentTarget.value })} {...ties} />
            <datalist id="zones">
              {allZones().map((zone) => (
                <option key={zone} value={zone} />
              ))}
            </datalist>
          </>
        )}
      </Field>
      {days && (
        <fieldset class="choices choices-row">
          <legend class="field-label">{t("schedule.days")}</legend>
          {DAYS.map((day, at) => (
            <label key={day} class="choice">
              <input
                type="checkbox"
                checked={draft.days.includes(day)}
                onChange={(event) => set({ days: event.currentTarget.checked ? [...draft.days, day] : draft.days.filter((each) => each !== day) })}
              />
              {new Intl.DateTimeFormat(language, { weekday: "short", timeZone: "UTC" }).format(MONDAY + at * 24 * HOUR_MS)}
            </label>
          ))}
        </fieldset>
      )}
      {draft.kind !== "once" && (
        <Field label={t("schedule.until")} help={t("schedule.untilHelp")}>
          {(ties) => <input class="input" type="date" value={draft.until} onInput={(event) => set({ until: event.currentTarget.value })} {...ties} />}
        </Field>
      )}
    </>
  );
}

/** The next times of a rule, or why there are none. */
function Next({ recurrence, zone }: { recurrence: string; zone: string }) {
  const settled = useDebounced(recurrence, STILL_MS);
  const preview = useResource(() => post("/api/admin/schedule/preview", { recurrence: settled }), [settled]);
  const place = /TZID=([^:]+):/.exec(settled)?.[1] ?? zone;
  return (
    <section class="next-times" aria-label={t("schedule.nextTimes")}>
      <p class="field-label">{t("schedule.nextTimes")}</p>
      {preview.state === "failed" && <p class="field-error">{preview.error.message}</p>}
      {preview.state === "ready" &&
        (preview.data.occurrences.length === 0 ? (
          <p class="quiet">{t("schedule.noTimes")}</p>
        ) : (
          <ul>
            {preview.data.occurrences.map((time) => (
              <li key={time}>{timeThere(Date.parse(time), place, language)}</li>
            ))}
          </ul>
        ))}
    </section>
  );
}

function ruleOf(draft: Draft): string {
  if (draft.kind === "once") return "";
  if (draft.kind === "own") return draft.rule;
  if (!isZone(draft.zone) || Number.isNaN(momentOf(draft.start, draft.zone))) return "";
  const rule: Rule = { repeat: draft.kind, start: draft.start, zone: draft.zone, days: draft.days, until: draft.until };
  return written(rule);
}

function draftOf(edited: Edited | null): Draft {
  const zone = ownZone();
  // Tomorrow at this hour: somewhere to begin from.
  const start = wallTime(Math.ceil(Date.now() / HOUR_MS) * HOUR_MS + 24 * HOUR_MS, zone);
  const fresh: Draft = { name: "", description: "", reminder: "", minutes: 60, kind: "once", start, zone, days: [dayOf(start)], until: "", rule: "" };
  if (!edited) return fresh;
  const { name, description, durationMinutes, reminderMessage = "" } = "event" in edited ? edited.event : edited.series;
  const common = { ...fresh, name, description, reminder: reminderMessage, minutes: durationMinutes };
  if ("event" in edited) {
    const there = isZone(edited.event.timezone) ? edited.event.timezone : "UTC";
    return { ...common, zone: there, start: wallTime(Date.parse(edited.event.startTime), there) };
  }
  const rule = read(edited.series.recurrence);
  if (!rule) return { ...common, kind: "own", rule: edited.series.recurrence };
  const { repeat, ...rest } = rule;
  return { ...common, ...rest, kind: repeat, days: rule.days.length ? rule.days : [dayOf(rule.start)] };
}
