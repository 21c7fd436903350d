// A small drawing of the viewer page in one theme, in the colours that are chosen: header, chat, a button, a menu.
import { t } from "../../words";
import { COLORS, shown, type Theme, type Variables } from "./looks";

const PEOPLE = ["Ana", "Ben", "Cleo"] as const;

interface Props {
  theme: Theme;
  variables: Variables;
  name: string;
}

export function Mock({ theme, variables, name }: Props) {
  const style: Record<string, string> = { "--theme-rounded-corners": variables["theme-rounded-corners"] || "8px" };
  for (const { colors } of COLORS) {
    for (const color of colors) style[`--${color[theme]}`] = shown(variables, color, theme);
  }
  const body = variables["theme-text-body-font-family"];
  if (body) style.fontFamily = body;
  const display = variables["theme-text-display-font-family"] || body;
  return (
    <figure class="mock" data-theme={theme} style={style}>
      <figcaption class="mock-caption">{t(`looks.theme.${theme}`)}</figcaption>
      <div class="mock-page" aria-hidden="true">
        <div class="mock-header">
          <span class="mock-name" style={display ? { fontFamily: display } : {}}>
            {name}
          </span>
          <span class="mock-live">{t("live")}</span>
        </div>
        <div class="mock-video" />
        <div class="mock-chat">
          {PEOPLE.map((person, at) => (
            <p key={person}>
              <b style={{ color: `var(--theme-color-users-${at * 2})` }}>{person}</b> {t("looks.said")}
            </p>
          ))}
        </div>
        <div class="mock-foot">
          <span class="mock-button">{t("looks.mockButton")}</span>
          <span class="mock-link">{t("looks.mockLink")}</span>
          <span class="mock-menu">{t("looks.mockMenu")}</span>
        </div>
      </div>
    </figure>
  );
}
