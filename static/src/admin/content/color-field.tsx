// One colour in both themes: chosen from the browser's picker, or typed. Empty is the colour that comes with the server.
import { useEffect, useState } from "preact/hooks";
import { parseColor, type Rgb } from "../../chat/colors";
import { Icon } from "../../kit/icon";
import { t } from "../../words";
import { BOTH, choose, chosen, put, shown, type Color, type Theme, type Variables } from "./looks";

interface Props {
  color: Color;
  label: string;
  variables: Variables;
  onChange: (variables: Variables) => void;
}

export function ColorField({ color, label, variables, onChange }: Props) {
  const changed = BOTH.some((theme) => chosen(variables, color, theme));
  return (
    <li class="color-row">
      <span class="color-name">{label}</span>
      {BOTH.map((theme) => (
        <Choice key={theme} theme={theme} label={label} own={chosen(variables, color, theme)} seen={shown(variables, color, theme)} onChange={(value) => onChange(choose(variables, color, theme, value))} />
      ))}
      <span class="color-reset">
        {changed && (
          <button
            type="button"
            class="icon-button"
            aria-label={t("looks.resetOne", { color: label })}
            title={t("looks.resetOne", { color: label })}
            onClick={() => onChange(put(put(variables, color.light, ""), color.dark, ""))}
          >
            <Icon name="close" />
          </button>
        )}
      </span>
    </li>
  );
}

interface ChoiceProps {
  theme: Theme;
  label: string;
  own: string;
  seen: string;
  onChange: (value: string) => void;
}

function Choice({ theme, label, own, seen, onChange }: ChoiceProps) {
  // What is typed, until it is a colour.
  const [typed, setTyped] = useState<string | null>(null);
  const [left, setLeft] = useState(false);
  useEffect(() => setTyped(null), [own]);
  const bad = left && typed !== null;
  const rgb = toRgb(seen);
  const name = t(`looks.in.${theme}`, { color: label });

  function type(text: string) {
    const value = text.trim();
    const good = value === "" || toRgb(value) !== null;
    setTyped(good ? null : text);
    setLeft(false);
    if (good) onChange(value);
  }

  return (
    <span class="color-choice" data-bad={bad}>
      <input type="color" aria-label={`${name}, ${t("looks.picker")}`} value={rgb ? hex(rgb) : "#000000"} onInput={(event) => onChange(event.currentTarget.value)} />
      <input
        class="input"
        data-code="true"
        aria-label={name}
        aria-invalid={bad}
        placeholder={seen}
        value={typed ?? own}
        onInput={(event) => type(event.currentTarget.value)}
        onBlur={() => setLeft(true)}
      />
      {bad && (
        <span class="field-error" role="alert">
          {t("looks.noColor")}
        </span>
      )}
    </span>
  );
}

/** Any colour that CSS knows, as numbers; null for what is none. */
export function toRgb(value: string): Rgb | null {
  const short = /^#([\da-f])([\da-f])([\da-f])$/i.exec(value);
  const long = /^#([\da-f]{2})([\da-f]{2})([\da-f]{2})$/i.exec(value);
  if (short || long) {
    const [red = 0, green = 0, blue = 0] = (short ?? long ?? []).slice(1).map((part) => Number.parseInt(part.padEnd(2, part), 16));
    return [red, green, blue];
  }
  if (typeof CSS === "undefined" || !CSS.supports("color", value)) return null;
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = value;
  const found = parseColor(getComputedStyle(probe).color);
  probe.remove();
  return found;
}

function hex(rgb: Rgb): string {
  return `#${rgb.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
}
