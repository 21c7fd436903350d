// General: how the server presents itself.
import { Switch, TextField, WordsField } from "../../kit/field";
import { t } from "../../words";
import { SettingsForm, useForm, useSwitch } from "../form";
import { useServerConfig } from "../server-config";

export default function General() {
  const { config } = useServerConfig();
  const details = config.instanceDetails;
  const form = useForm(
    {
      name: details.name,
      streamTitle: details.streamTitle,
      summary: details.summary,
      tags: details.tags,
      serverUrl: config.yp.instanceUrl,
    },
    { name: "name", streamTitle: "streamtitle", summary: "serversummary", tags: "tags", serverUrl: "serverurl" },
  );
  const nsfw = useSwitch(details.nsfw, "nsfw");
  const hidden = useSwitch(config.hideViewerCount, "hideviewercount");
  const unlisted = useSwitch(config.disableSearchIndexing, "disablesearchindexing");
  return (
    <>
      <SettingsForm form={form}>
        <TextField label={t("general.name")} help={t("general.nameHelp")} {...form.field("name")} />
        <TextField label={t("general.title")} help={t("general.titleHelp")} {...form.field("streamTitle")} />
        <TextField label={t("general.summary")} help={t("general.summaryHelp")} rows={3} {...form.field("summary")} />
        <WordsField label={t("general.tags")} help={t("general.tagsHelp")} {...form.field("tags")} />
        <TextField label={t("general.url")} help={t("general.urlHelp")} type="url" placeholder="https://live.example.org" {...form.field("serverUrl")} />
      </SettingsForm>
      <section class="section">
        <h2>{t("general.visibility")}</h2>
        <Switch label={t("general.nsfw")} help={t("general.nsfwHelp")} {...nsfw} />
        <Switch label={t("general.hideCount")} help={t("general.hideCountHelp")} {...hidden} />
        <Switch label={t("general.noIndex")} help={t("general.noIndexHelp")} {...unlisted} />
      </section>
    </>
  );
}
