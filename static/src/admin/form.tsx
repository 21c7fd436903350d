// A form over settings: what is typed, what of it is new, and the way to the server. Each setting has an address of its
// own below /api/admin/config, so each is sent by itself, and what the server says of one stands at its field.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, ask } from "../api/client";
import { Button } from "../kit/button";
import { complain, tell } from "../kit/toast";
import { t } from "../words";
import { useGuard } from "./router";
import { useServerConfig } from "./server-config";

/** Sends one setting and returns the server's sentence. Throws ApiError. */
export async function saveSetting(path: string, value: unknown): Promise<string> {
  const answer = (await ask("POST", `/api/admin/config/${path}`, { value })) as { message: string };
  return answer.message;
}

export interface Form<Values> {
  values: Values;
  /** The server's sentences, by field. */
  errors: Partial<Record<keyof Values, string>>;
  changed: boolean;
  saving: boolean;
  set: <Name extends keyof Values>(name: Name, value: Values[Name]) => void;
  /** What a field of the kit needs: its value, its change and its error. */
  field: <Name extends keyof Values>(name: Name) => { value: Values[Name]; onChange: (value: Values[Name]) => void; error?: string };
  save: () => Promise<void>;
  discard: () => void;
}

/**
 * A form whose fields are settings: `paths` has the address of each. `kept` is what the server has now, `sent` turns a
 * field's value into the setting's where they differ.
 */
export function useForm<Values extends object>(
  kept: Values,
  paths: Readonly<Record<keyof Values, string>>,
  sent: { [Name in keyof Values]?: (value: Values[Name]) => unknown } = {},
): Form<Values> {
  const { reload } = useServerConfig();
  const [typed, setTyped] = useState<Partial<Values>>({});
  const [errors, setErrors] = useState<Partial<Record<keyof Values, string>>>({});
  const [saving, setSaving] = useState(false);
  const values = { ...kept, ...typed };
  const names = (Object.keys(typed) as Array<keyof Values>).filter((name) => !same(typed[name], kept[name]));
  useGuard(names.length > 0);

  async function save() {
    setSaving(true);
    const failed: Partial<Record<keyof Values, string>> = {};
    const notes = new Set<string>();
    for (const name of names) {
      try {
        const sentence = await saveSetting(paths[name], sent[name] ? sent[name](values[name]) : values[name]);
        const note = /[;,] (.*)$/.exec(sentence)?.[1];
        if (note) notes.add(note);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 400) complain(error);
        failed[name] = error instanceof Error ? error.message : String(error);
      }
    }
    await reload();
    setTyped((before) => Object.fromEntries(Object.entries(before).filter(([name]) => name in failed)) as Partial<Values>);
    setErrors(failed);
    setSaving(false);
    if (Object.keys(failed).length === 0) tell(notes.size ? t("admin.savedNote", { note: [...notes].join("; ") }) : t("admin.saved"));
  }

  return {
    values,
    errors,
    changed: names.length > 0,
    saving,
    set: (name, value) => setTyped((before) => ({ ...before, [name]: value })),
    field: (name) => ({
      value: values[name],
      onChange: (value) => {
        setTyped((before) => ({ ...before, [name]: value }));
        setErrors(({ [name]: _, ...others }) => others as typeof errors);
      },
      ...(errors[name] !== undefined && { error: errors[name] }),
    }),
    save,
    discard: () => {
      setTyped({});
      setErrors({});
    },
  };
}

/** The fields of a form, and the bar that appears when something changed. */
export function SettingsForm<Values>({ form, children }: { form: Form<Values>; children: ComponentChildren }) {
  return (
    <form
      class="form"
      // What may stand in a field is the server's to say, and it says it in a sentence.
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void form.save();
      }}
    >
      {children}
      {form.changed && (
        <div class="save-bar" role="region" aria-label={t("admin.unsaved")}>
          <span>{t("admin.unsaved")}</span>
          <span class="gap" />
          <Button kind="quiet" onClick={form.discard} disabled={form.saving}>
            {t("admin.discard")}
          </Button>
          <Button kind="primary" type="submit" busy={form.saving}>
            {t("save")}
          </Button>
        </div>
      )}
    </form>
  );
}

/** What is on or off: sent at once, and taken back from the toast. `sent` is the setting's value where that has more parts. */
export function useSwitch(
  kept: boolean,
  path: string,
  sent: (on: boolean) => unknown = (on) => on,
): { checked: boolean; disabled: boolean; onChange: (on: boolean) => void } {
  const { reload } = useServerConfig();
  const [wanted, setWanted] = useState<boolean | null>(null);
  const mounted = useRef(true);
  useEffect(() => () => void (mounted.current = false), []);

  async function send(on: boolean, undoable: boolean) {
    setWanted(on);
    try {
      await saveSetting(path, sent(on));
      await reload();
      tell(t("admin.saved"), undoable ? () => void send(!on, false) : null);
    } catch (error) {
      complain(error);
    }
    if (mounted.current) setWanted(null);
  }

  return { checked: wanted ?? kept, disabled: wanted !== null, onChange: (on) => void send(on, true) };
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
