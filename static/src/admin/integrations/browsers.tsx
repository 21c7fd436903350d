// Browser notifications: a word to whoever asked on the page to be told when the show begins, also while that is closed.
import { get } from "../../api/client";
import { Switch, TextField } from "../../kit/field";
import { Loaded, useResource } from "../../kit/resource";
import { plural, t } from "../../words";
import { SettingsForm, useForm, useSwitch } from "../form";
import { useServerConfig } from "../server-config";

const PATH = "notifications/browser";
const ASKED = "and(eq(deliveryChannel,webpush),eq(state,active))";

export default function Browsers() {
  const { config } = useServerConfig();
  const kept = config.notifications.browser;
  const asked = useResource(async () => (await get("/notifications/subscriptions", { filter: ASKED, limit: 1 })).count, []);
  const form = useForm({ browser: kept }, { browser: PATH });
  const { value, error, onChange } = form.field("browser");
  const turned = useSwitch(kept.enabled, PATH, (enabled) => ({ ...kept, enabled }));

  return (
    <>
      <p class="lead">{t("browsers.lead")}</p>
      {!window.isSecureContext && (
        <div class="notice" data-kind="warning">
          <p>{t("browsers.insecure")}</p>
        </div>
      )}
      <section class="section">
        <Switch
          label={t("browsers.on")}
          help={t(kept.enabled ? "browsers.onHelp" : "browsers.offHelp")}
          {...turned}
          disabled={form.changed || turned.disabled}
        />
        {/* Whoever wants it is not told while it is off. */}
        {kept.enabled && <Loaded resource={asked}>{(count) => <p>{count ? plural("browsers.told", count) : t("browsers.none")}</p>}</Loaded>}
      </section>
      <SettingsForm form={form}>
        <TextField
          label={t("browsers.message")}
          help={t("browsers.messageHelp")}
          value={value.goLiveMessage}
          onChange={(goLiveMessage) => onChange({ ...value, goLiveMessage })}
          {...(error !== undefined && { error })}
        />
      </SettingsForm>
    </>
  );
}
