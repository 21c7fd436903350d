// Discord: a sentence in a channel there when the show begins. One setting of three parts, sent as one.
import { Switch, TextField } from "../../kit/field";
import { t } from "../../words";
import { SettingsForm, useForm, useSwitch } from "../form";
import { useServerConfig } from "../server-config";

const PATH = "notifications/discord";

export default function Discord() {
  const { config } = useServerConfig();
  const kept = config.notifications.discord;
  const form = useForm({ discord: kept }, { discord: PATH });
  const { value, error, onChange } = form.field("discord");
  const turned = useSwitch(kept.enabled, PATH, (enabled) => ({ ...kept, enabled }));

  return (
    <>
      <p class="lead">{t("discord.lead")}</p>
      <SettingsForm form={form}>
        <TextField
          label={t("discord.webhook")}
          help={t("discord.webhookHelp")}
          type="url"
          placeholder="https://discord.com/api/webhooks/…"
          autocomplete="off"
          value={value.webhook}
          onChange={(webhook) => onChange({ ...value, webhook })}
          {...(error !== undefined && { error })}
        />
        <TextField
          label={t("discord.message")}
          help={t("discord.messageHelp")}
          value={value.goLiveMessage}
          onChange={(goLiveMessage) => onChange({ ...value, goLiveMessage })}
        />
      </SettingsForm>
      <section class="section">
        <Switch
          label={t("discord.on")}
          help={t(kept.webhook ? "discord.onHelp" : "discord.needsWebhook")}
          {...turned}
          disabled={form.changed || turned.disabled || (!kept.webhook && !kept.enabled)}
        />
      </section>
    </>
  );
}
