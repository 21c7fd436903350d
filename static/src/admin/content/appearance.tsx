// Appearance: the colours of the viewer page in both themes, its fonts, and the owner's own CSS and JavaScript.
import { TextField } from "../../kit/field";
import { Button } from "../../kit/button";
import { number, t } from "../../words";
import { contrast } from "../../chat/colors";
import { SettingsForm, useForm } from "../form";
import { useServerConfig } from "../server-config";
import { CodeField } from "./code-field";
import { ColorField, toRgb } from "./color-field";
import { BOTH, COLORS, READ, shown, sorted, TEXTS, put, type Theme, type Variables } from "./looks";
import { Mock } from "./mock";
import "../../styles/admin-content.css";

/** WCAG 2.2, 1.4.3. */
const ENOUGH = 4.5;

export default function Appearance() {
  const { config } = useServerConfig();
  const details = config.instanceDetails;
  const form = useForm<{ variables: Variables; styles: string; script: string }>(
    { variables: sorted(details.appearanceVariables), styles: details.customStyles, script: details.customJavascript },
    { variables: "appearance", styles: "customstyles", script: "customjavascript" },
  );
  const { variables } = form.values;
  const set = form.field("variables");
  return (
    <div class="wide">
      <p class="lead">{t("looks.lead")}</p>
      <SettingsForm form={form}>
        <div class="looks">
          <div class="looks-colors">
            {set.error && (
              <p class="field-error" role="alert">
                {set.error}
              </p>
            )}
            {COLORS.map(({ title, colors }) => (
              <section key={title} class="section" aria-label={t(title)}>
                <h2>{t(title)}</h2>
                {title === "looks.people" && <p class="lead">{t("looks.peopleHelp")}</p>}
                <p class="color-row color-head" aria-hidden="true">
                  {BOTH.map((theme) => (
                    <span key={theme}>{t(`looks.theme.${theme}`)}</span>
                  ))}
                </p>
                <ul class="color-rows">
                  {colors.map((color, at) => (
                    <ColorField key={color.light} color={color} label={t(color.label, { number: at + 1 })} variables={variables} onChange={set.onChange} />
                  ))}
                </ul>
              </section>
            ))}
            <section class="section" aria-label={t("looks.shapes")}>
              <h2>{t("looks.shapes")}</h2>
              {TEXTS.map(({ name, label, help, placeholder }) => (
                <TextField
                  key={name}
                  label={t(label)}
                  help={t(help)}
                  placeholder={placeholder}
                  code
                  value={variables[name] ?? ""}
                  onChange={(value) => set.onChange(put(variables, name, value))}
                />
              ))}
            </section>
            {Object.keys(variables).length > 0 && (
              <p>
                <Button onClick={() => set.onChange({})}>{t("looks.reset")}</Button>
              </p>
            )}
          </div>
          <aside class="looks-preview" aria-label={t("looks.preview")}>
            {BOTH.map((theme) => (
              <Mock key={theme} theme={theme} variables={variables} name={details.name} />
            ))}
            <Warnings variables={variables} />
          </aside>
        </div>
        <CodeField label={t("looks.styles")} help={t("looks.stylesHelp")} {...form.field("styles")} />
        <div class="notice" data-kind="warning">
          <p>{t("looks.scriptWarning")}</p>
        </div>
        <CodeField label={t("looks.script")} help={t("looks.scriptHelp")} {...form.field("script")} />
      </SettingsForm>
    </div>
  );
}

/** Where words are hard to read, in words. */
function Warnings({ variables }: { variables: Variables }) {
  const found = BOTH.flatMap((theme) => poor(variables, theme));
  return (
    <div role="status">
      {found.map((sentence) => (
        <p key={sentence} class="notice" data-kind="warning">
          {sentence}
        </p>
      ))}
    </div>
  );
}

function poor(variables: Variables, theme: Theme): string[] {
  const all = COLORS.flatMap(({ colors }) => colors);
  return READ.flatMap(([words, ground]) => {
    const [over, under] = [words, ground].map((label) => {
      const color = all.find((each) => each.label === label);
      return color ? toRgb(shown(variables, color, theme)) : null;
    });
    if (!over || !under) return [];
    const found = contrast(over, under);
    const ratio = number(Math.floor(found * 10) / 10);
    return found >= ENOUGH ? [] : [t(`looks.poor.${theme}`, { words: t(words), ground: t(ground), ratio })];
  });
}
