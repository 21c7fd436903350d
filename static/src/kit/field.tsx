// Fields of forms: the label above, help below, and what the server says at the field that it says it of.
import type { ComponentChildren, TargetedEvent } from "preact";
import { useId, useState } from "preact/hooks";
import { t } from "../words";
import { Icon } from "./icon";

interface Frame {
  label: string;
  /** What it means, and what happens with it. */
  help?: ComponentChildren;
  /** What is wrong with it. */
  error?: string;
}

/** The frame that every field stands in. `children` get the attributes that tie the control to its words. */
export function Field({ label, help, error, children }: Frame & { children: (ties: Ties) => ComponentChildren }) {
  const id = useId();
  const told = [help !== undefined && `${id}-help`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div class="field" data-bad={Boolean(error)}>
      <label class="field-label" for={id}>
        {label}
      </label>
      {children({ id, ...(told && { "aria-describedby": told }), ...(error && { "aria-invalid": true as const }) })}
      {error && (
        <p class="field-error" id={`${id}-error`} role="alert">
          {error}
        </p>
      )}
      {help !== undefined && (
        <div class="field-help" id={`${id}-help`}>
          {help}
        </div>
      )}
    </div>
  );
}

export interface Ties {
  id: string;
  "aria-describedby"?: string;
  "aria-invalid"?: true;
}

interface TextProps extends Frame {
  value: string;
  onChange: (value: string) => void;
  type?: "text" | "url" | "email" | "password" | "search" | "datetime-local";
  placeholder?: string;
  maxLength?: number;
  autocomplete?: string;
  /** Several lines. */
  rows?: number;
  /** Code, not words. */
  code?: boolean;
}

export function TextField({ label, help, error, value, onChange, rows, code = false, type = "text", ...rest }: TextProps) {
  const change = (event: TargetedEvent<HTMLInputElement | HTMLTextAreaElement>) => onChange(event.currentTarget.value);
  return (
    <Field label={label} help={help} {...(error !== undefined && { error })}>
      {(ties) =>
        rows ? (
          <textarea class="input" data-code={code} spellcheck={!code} rows={rows} value={value} onInput={change} {...ties} {...rest} />
        ) : (
          <input class="input" type={type as "text"} data-code={code} value={value} onInput={change} {...ties} {...rest} />
        )
      }
    </Field>
  );
}

interface NumberProps extends Frame {
  value: number;
  onChange: (value: number) => void;
  min?: number;
  max?: number;
  step?: number;
  unit?: string;
}

export function NumberField({ label, help, error, value, onChange, unit, ...rest }: NumberProps) {
  return (
    <Field label={label} help={help} {...(error !== undefined && { error })}>
      {(ties) => (
        <span class="with-unit">
          <input
            class="input"
            type="number"
            inputMode="decimal"
            value={value}
            onInput={(event) => !Number.isNaN(event.currentTarget.valueAsNumber) && onChange(event.currentTarget.valueAsNumber)}
            {...ties}
            {...rest}
          />
          {unit && <span class="unit">{unit}</span>}
        </span>
      )}
    </Field>
  );
}

interface SelectProps<T extends string> extends Frame {
  value: T;
  options: ReadonlyArray<readonly [value: T, label: string]>;
  onChange: (value: T) => void;
}

export function SelectField<T extends string>({ label, help, error, value, options, onChange }: SelectProps<T>) {
  return (
    <Field label={label} help={help} {...(error !== undefined && { error })}>
      {(ties) => (
        <select class="input" value={value} onChange={(event) => onChange(event.currentTarget.value as T)} {...ties}>
          {options.map(([each, words]) => (
            <option key={each} value={each}>
              {words}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

interface SwitchProps {
  label: string;
  help?: ComponentChildren;
  checked: boolean;
  disabled?: boolean;
  onChange: (checked: boolean) => void;
}

/** On or off, at once. */
export function Switch({ label, help, checked, disabled = false, onChange }: SwitchProps) {
  const id = useId();
  return (
    <div class="field field-switch">
      <div>
        <label class="field-label" for={id}>
          {label}
        </label>
        {help !== undefined && (
          <div class="field-help" id={`${id}-help`}>
            {help}
          </div>
        )}
      </div>
      <input
        id={id}
        class="switch"
        type="checkbox"
        role="switch"
        checked={checked}
        disabled={disabled}
        {...(help !== undefined && { "aria-describedby": `${id}-help` })}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
    </div>
  );
}

interface ListProps extends Frame {
  value: readonly string[];
  onChange: (value: string[]) => void;
  placeholder?: string;
}

/** Short words, such as tags: Enter or a comma adds one, a press on its cross takes it away. */
export function WordsField({ label, help, error, value: values, onChange, placeholder }: ListProps) {
  const [typed, setTyped] = useState("");

  function add(text: string) {
    const found = text.split(/[,\n]/).map((word) => word.trim());
    const fresh = found.filter((word, at) => word && !values.includes(word) && found.indexOf(word) === at);
    if (fresh.length) onChange([...values, ...fresh]);
    setTyped("");
  }

  return (
    <Field label={label} help={help} {...(error !== undefined && { error })}>
      {(ties) => (
        <div class="words">
          {values.map((word) => (
            <span key={word} class="word">
              {word}
              <button type="button" class="word-remove" aria-label={t("removeWord", { word })} onClick={() => onChange(values.filter((each) => each !== word))}>
                <Icon name="close" />
              </button>
            </span>
          ))}
          <input
            class="words-input"
            value={typed}
            placeholder={values.length ? "" : (placeholder ?? "")}
            onInput={(event) => setTyped(event.currentTarget.value)}
            onBlur={() => typed && add(typed)}
            onPaste={(event) => {
              const pasted = event.clipboardData?.getData("text") ?? "";
              if (/[,\n]/.test(pasted)) {
                event.preventDefault();
                add(pasted);
              }
            }}
            onKeyDown={(event) => {
              if (event.isComposing) return;
              if (event.key === "Enter" || event.key === ",") {
                event.preventDefault();
                add(typed);
              } else if (event.key === "Backspace" && typed === "" && values.length) {
                onChange(values.slice(0, -1));
              }
            }}
            {...ties}
          />
        </div>
      )}
    </Field>
  );
}
