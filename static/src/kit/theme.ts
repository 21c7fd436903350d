// Dark or light: what the system says unless somebody chose. The choice is a cookie, so that the server can put it into
// the page before anything is drawn.

export type Theme = "system" | "dark" | "light";

const YEAR_SECONDS = 31_536_000;

export function chosenTheme(): Theme {
  const chosen = document.documentElement.dataset.theme;
  return chosen === "dark" || chosen === "light" ? chosen : "system";
}

export function chooseTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  remember("theme", theme === "system" ? "" : theme);
}

/** The page is asked for again, in that language. */
export function chooseLanguage(language: string): void {
  remember("language", language);
  location.reload();
}

function remember(name: string, value: string): void {
  document.cookie = `${name}=${value}; path=/; max-age=${value ? YEAR_SECONDS : 0}; samesite=lax`;
}
