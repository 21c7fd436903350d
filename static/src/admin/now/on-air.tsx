// What the owner does with a show from the dashboard: look at it, name it, end it.
import { useState } from "preact/hooks";
import { post } from "../../api/client";
import { Button } from "../../kit/button";
import { Confirm } from "../../kit/dialog";
import { TextField } from "../../kit/field";
import { complain, tell } from "../../kit/toast";
import { plural, t } from "../../words";
import { SettingsForm, useForm } from "../form";
import { useServerConfig } from "../server-config";
import { Preview } from "./preview";
import type { AdminStatus } from "./watched";

export function OnAir({ status, onChange }: { status: AdminStatus; onChange: () => Promise<void> }) {
  const { config } = useServerConfig();
  const [ending, setEnding] = useState(false);
  const form = useForm({ title: config.instanceDetails.streamTitle }, { title: "streamtitle" });

  async function end() {
    try {
      const { success, message } = await post("/api/admin/disconnect", undefined);
      if (success) tell(t("onair.ended"));
      else complain(message);
      await onChange();
    } catch (error) {
      complain(error);
    }
  }

  return (
    <section class="card on-air" aria-label={t("onair")}>
      <Preview online={status.online} />
      <SettingsForm form={form}>
        <TextField label={t("onair.title")} maxLength={255} {...form.field("title")} />
      </SettingsForm>
      {status.advice.length > 0 && (
        <details class="details">
          <summary>{t("onair.advice")}</summary>
          <ul class="bullets">
            {status.advice.map((sentence) => (
              <li key={sentence}>{sentence}</li>
            ))}
          </ul>
        </details>
      )}
      {status.online && (
        <p>
          <Button kind="danger" onClick={() => setEnding(true)}>
            {t("onair.end")}
          </Button>
        </p>
      )}
      {ending && (
        <Confirm title={t("onair.endTitle")} verb={t("onair.end")} onClose={() => setEnding(false)} onConfirm={end}>
          <p>{plural("onair.endHelp", status.viewerCount)}</p>
          <p>{t("onair.endEncoder")}</p>
        </Confirm>
      )}
    </section>
  );
}
