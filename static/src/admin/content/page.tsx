// Page: what viewers read below the video, and in its place while nothing is on.
import { t } from "../../words";
import { SettingsForm, useForm } from "../form";
import { useServerConfig } from "../server-config";
import { MarkdownField } from "./markdown";
import "../../styles/admin-content.css";
import "../../styles/prose.css";

export default function PageContent() {
  const { config } = useServerConfig();
  const form = useForm(
    { about: config.instanceDetails.extraPageContent, offline: config.instanceDetails.offlineMessage },
    { about: "pagecontent", offline: "offlinemessage" },
  );
  return (
    <div class="wide">
      <SettingsForm form={form}>
        <MarkdownField name="about" label={t("page.about")} help={t("page.aboutHelp")} empty={t("page.aboutEmpty")} rows={18} {...form.field("about")} />
        <MarkdownField name="offline" label={t("page.offline")} help={t("page.offlineHelp")} empty={t("page.offlineEmpty")} rows={4} {...form.field("offline")} />
      </SettingsForm>
    </div>
  );
}
