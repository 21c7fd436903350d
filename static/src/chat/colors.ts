// The colours of names, made readable: an owner may choose any, and a theme may put them on any ground. Where one has
// less than 4.5:1 (WCAG 2.2, 1.4.3) on a ground that names stand on, it is moved towards white or black until it has.
import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";

export const COLORS = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const ENOUGH = 4.5;
const STEPS = 20;
/** Where names stand: the chat itself, rows that mention the reader, rows under the pointer. */
const GROUNDS = ["var(--chat-ground)", "var(--chat-mention)", "var(--chat-hover)"];

/** 0 to 255 each. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** A computed colour as numbers; null for a notation that is not understood. */
export function parseColor(computed: string): Rgb | null {
  const numbers = Array.from(computed.matchAll(/-?[\d.]+(?:e-?\d+)?/g), Number).slice(0, 3);
  if (numbers.length < 3 || !/^(?:rgba?\(|color\(srgb )/.test(computed)) return null;
  const scale = computed.startsWith("color(") ? 255 : 1;
  const [red = 0, green = 0, blue = 0] = numbers.map((value) => Math.min(255, Math.max(0, value * scale)));
  return [red, green, blue];
}

/** WCAG 2.2, "contrast ratio". */
export function contrast(one: Rgb, other: Rgb): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

/** `color`, or the nearest towards white or black that can be read on each of those grounds. */
export function readable(color: Rgb, grounds: readonly Rgb[]): Rgb {
  const light = grounds.reduce((sum, ground) => sum + luminance(ground), 0) / grounds.length > 0.18;
  const end: Rgb = light ? [0, 0, 0] : [255, 255, 255];
  for (let step = 0; step < STEPS; step += 1) {
    const mixed = mix(color, end, step / STEPS);
    if (grounds.every((ground) => contrast(mixed, ground) >= ENOUGH)) return mixed;
  }
  return end;
}

/** Sets `--chat-name-0` to `-7` on the chat, and again whenever the theme changes. */
export function useReadableColors(chat: RefObject<HTMLElement | null>): void {
  useLayoutEffect(() => {
    const correct = () => chat.current && setColors(chat.current);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const theme = new MutationObserver(correct);
    theme.observe(document.documentElement, { attributeFilter: ["class", "data-theme", "style"] });
    scheme.addEventListener("change", correct);
    addEventListener("load", correct);
    correct();
    return () => {
      theme.disconnect();
      scheme.removeEventListener("change", correct);
      removeEventListener("load", correct);
    };
  }, []);
}

function setColors(chat: HTMLElement): void {
  const probe = chat.appendChild(document.createElement("i"));
  const seen = (color: string) => {
    probe.style.color = color;
    return parseColor(getComputedStyle(probe).color);
  };
  const grounds = GROUNDS.map(seen).filter((ground) => ground !== null);
  const corrected = COLORS.map((each) => {
    const color = seen(`var(--theme-color-users-${each})`);
    return color && grounds.length ? `rgb(${readable(color, grounds).map(Math.round).join(" ")})` : "";
  });
  probe.remove();
  for (const each of COLORS) chat.style.setProperty(`--chat-name-${each}`, corrected[each] || "inherit");
}

function mix(one: Rgb, other: Rgb, share: number): Rgb {
  const part = (index: 0 | 1 | 2) => one[index] + (other[index] - one[index]) * share;
  return [part(0), part(1), part(2)];
}

function luminance(color: Rgb): number {
  const [red = 0, green = 0, blue = 0] = color.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
