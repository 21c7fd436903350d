// What a reader can choose of every page, as entries of its menu: light or dark, and the language.
import { initial } from "../state";
import { t } from "../words";
import type { MenuItem } from "./menu";
import { chooseLanguage, chooseTheme, chosenTheme } from "./theme";

const THEMES = ["system", "dark", "light"] as const;

export function tasteItems(): MenuItem[] {
  const themes = THEMES.map((theme) => ({
    label: `${t("theme")}: ${t(`theme.${theme}`)}`,
    checked: chosenTheme() === theme,
    onSelect: () => chooseTheme(theme),
  }));
  const languages = initial.languages.map((language) => ({
    label: new Intl.DisplayNames(language, { type: "language" }).of(language) ?? language,
    checked: initial.language === language,
    onSelect: () => chooseLanguage(language),
  }));
  return [...themes, ...(languages.length > 1 ? languages : [])];
}
