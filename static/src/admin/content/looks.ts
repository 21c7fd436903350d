// The colours of the theme that an owner can choose, and how they are kept: by Owncast's names, each as one CSS value for
// the light and the dark theme. Pure. The defaults are those of styles/theme.css; a test holds them against it.
import type { Key } from "../../words";

export type Theme = "light" | "dark";
export const BOTH: readonly Theme[] = ["light", "dark"];
export type Variables = Readonly<Record<string, string>>;

export interface Color {
  label: Key;
  /** Its variable in each theme; mostly the same one. */
  light: string;
  dark: string;
  /** A colour, or the variable whose colour it has until it has its own. */
  defaults: Readonly<Record<Theme, string>>;
}

const one = (label: Key, name: string, light: string, dark = light): Color => ({
  label,
  light: `theme-color-${name}`,
  dark: `theme-color-${name}`,
  defaults: { light, dark },
});

export const COLORS: ReadonlyArray<{ title: Key; colors: readonly Color[] }> = [
  {
    title: "looks.page",
    colors: [
      one("looks.background", "background-main", "#f7f7fa", "#121217"),
      one("looks.header", "background-header", "#ffffff", "#17171d"),
      {
        label: "looks.text",
        light: "theme-color-components-text-on-light",
        dark: "theme-color-components-text-on-dark",
        defaults: { light: "#1d1d26", dark: "#f4f4f8" },
      },
      one("looks.content", "components-content-background", "#ececf2", "#23232c"),
    ],
  },
  {
    title: "looks.acting",
    colors: [
      one("looks.action", "action", "#5552cf", "#a5a3ff"),
      one("looks.actionHover", "action-hover", "#403dae", "#c3c1ff"),
      one("looks.button", "components-primary-button-background", "theme-color-action"),
      one("looks.buttonText", "components-primary-button-text", "#ffffff", "#14141a"),
      one("looks.menu", "components-menu-background", "#ffffff", "#1b1b23"),
      one("looks.menuText", "components-menu-item-text", "#1d1d26", "#f4f4f8"),
      one("looks.menuHover", "components-menu-item-hover-bg", "#ececf2", "#33333f"),
    ],
  },
  {
    title: "looks.video",
    colors: [
      one("looks.videoBackground", "components-video-background", "#0b0b0f", "#000000"),
      one("looks.live", "components-video-live-indicator", "#d92c3f"),
    ],
  },
  {
    title: "looks.people",
    colors: (
      [
        ["#b42318", "#ff9b8f"],
        ["#9a5800", "#ffb866"],
        ["#5c6b00", "#cfdc6b"],
        ["#087443", "#7be0a9"],
        ["#0e7090", "#76d3ea"],
        ["#175cd3", "#9dc2ff"],
        ["#6938ef", "#c3b5ff"],
        ["#c11574", "#ff9ed2"],
      ] as const
    ).map(([light, dark], at) => one("looks.person", `users-${at}`, light, dark)),
  },
];

/** What can be set beside colours. */
export const TEXTS: ReadonlyArray<{ name: string; label: Key; help: Key; placeholder: string }> = [
  { name: "theme-text-body-font-family", label: "looks.font", help: "looks.fontHelp", placeholder: "system-ui, sans-serif" },
  { name: "theme-text-display-font-family", label: "looks.displayFont", help: "looks.displayFontHelp", placeholder: "Georgia, serif" },
  { name: "theme-rounded-corners", label: "looks.corners", help: "looks.cornersHelp", placeholder: "8px" },
];

/** Words that have to be read on a ground: which colour on which. */
export const READ: ReadonlyArray<readonly [words: Key, ground: Key]> = [
  ["looks.text", "looks.background"],
  ["looks.text", "looks.header"],
  ["looks.text", "looks.content"],
  ["looks.action", "looks.background"],
  ["looks.buttonText", "looks.button"],
  ["looks.menuText", "looks.menu"],
  ["looks.menuText", "looks.menuHover"],
];

const ALL = COLORS.flatMap(({ colors }) => colors);
const PAIR = /^light-dark\(\s*([^(),]+|[^(),]+\([^()]*\))\s*,\s*([^(),]+|[^(),]+\([^()]*\))\s*\)$/i;

/** What is kept for that colour in that theme; nothing where it is the default. */
export function chosen(variables: Variables, color: Color, theme: Theme): string {
  const kept = variables[color[theme]]?.trim() ?? "";
  const pair = PAIR.exec(kept);
  if (!pair) return kept;
  // A pair has a colour for the other theme as well, also where that one was left alone.
  const half = pair[theme === "light" ? 1 : 2]?.trim() ?? "";
  return half === usual(variables, color, theme) ? "" : half;
}

/** The colour that is seen in that theme. */
export function shown(variables: Variables, color: Color, theme: Theme): string {
  return chosen(variables, color, theme) || usual(variables, color, theme);
}

/** The colour that is seen while the owner has chosen none. */
function usual(variables: Variables, color: Color, theme: Theme): string {
  const other = ALL.find((each) => each[theme] === color.defaults[theme]);
  return other ? shown(variables, other, theme) : color.defaults[theme];
}

/** The variables with another colour there; an empty one is the default again. */
export function choose(variables: Variables, color: Color, theme: Theme, value: string): Variables {
  const name = color[theme];
  if (color.light !== color.dark) return put(variables, name, value);
  const both = { light: chosen(variables, color, "light"), dark: chosen(variables, color, "dark"), [theme]: value };
  if (!both.light && !both.dark) return put(variables, name, "");
  const light = both.light || usual(variables, color, "light");
  const dark = both.dark || usual(variables, color, "dark");
  return put(variables, name, light === dark ? light : `light-dark(${light}, ${dark})`);
}

/** The variables with that one set, in the order of their names. */
export function put(variables: Variables, name: string, value: string): Variables {
  return sorted(value ? { ...variables, [name]: value } : Object.fromEntries(Object.entries(variables).filter(([each]) => each !== name)));
}

export function sorted(variables: Variables): Variables {
  return Object.fromEntries(Object.entries(variables).sort(([one], [other]) => (one < other ? -1 : 1)));
}
