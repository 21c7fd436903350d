// Directory: whether Owncast's list of servers shows this one, and what it is told.
import { useState } from "preact/hooks";
import { post } from "../../api/client";
import { Button } from "../../kit/button";
import { Confirm } from "../../kit/dialog";
import { Switch } from "../../kit/field";
import { Icon } from "../../kit/icon";
import { complain, tell } from "../../kit/toast";
import { t } from "../../words";
import { useSwitch } from "../form";
import { Link } from "../router";
import { useServerConfig } from "../server-config";
import "../../styles/admin-content.css";

const TOLD = ["directory.toldAddress", "directory.toldAbout", "directory.toldShow"] as const;

export default function Directory() {
  const { config } = useServerConfig();
  const { yp, instanceDetails } = config;
  const listed = useSwitch(yp.enabled, "directoryenabled");
  const [resetting, setResetting] = useState(false);
  return (
    <>
      <p class="lead">{t("directory.lead")}</p>
      <section class="section">
        <Switch label={t("directory.listed")} help={t("directory.listedHelp")} {...listed} />
      </section>
      <section class="section" aria-label={t("directory.needs")}>
        <h2>{t("directory.needs")}</h2>
        <ul class="checks">
          <Check done={yp.instanceUrl !== ""} well={t("directory.hasAddress", { url: yp.instanceUrl })} missing={t("directory.noAddress")} />
          <Check done={instanceDetails.name !== ""} well={t("directory.hasName", { name: instanceDetails.name })} missing={t("directory.noName")} />
          <Check done={instanceDetails.summary !== ""} well={t("directory.hasSummary")} missing={t("directory.noSummary")} />
        </ul>
        <p>
          <Link to="/general" class="button">
            {t("directory.general")}
          </Link>
        </p>
      </section>
      <section class="section" aria-label={t("directory.told")}>
        <h2>{t("directory.told")}</h2>
        <p class="lead">{t("directory.toldHelp")}</p>
        <ul class="bullets">
          {TOLD.map((key) => (
            <li key={key}>{t(key)}</li>
          ))}
        </ul>
        <p class="lead">{t("directory.untold")}</p>
      </section>
      <section class="section" aria-label={t("directory.reset")}>
        <h2>{t("directory.reset")}</h2>
        <p class="lead">{t("directory.resetHelp")}</p>
        <p>
          <Button onClick={() => setResetting(true)}>{t("directory.resetButton")}</Button>
        </p>
      </section>
      {resetting && (
        <Confirm
          title={t("directory.resetTitle")}
          verb={t("directory.resetButton")}
          onClose={() => setResetting(false)}
          onConfirm={() => post("/api/admin/yp/reset", undefined).then(() => tell(t("directory.resetDone")), complain)}
        >
          <p>{t("directory.resetAsk")}</p>
        </Confirm>
      )}
    </>
  );
}

function Check({ done, well, missing }: { done: boolean; well: string; missing: string }) {
  return (
    <li class="check" data-done={done}>
      <Icon name={done ? "check" : "warning"} />
      <span>{done ? well : missing}</span>
    </li>
  );
}
