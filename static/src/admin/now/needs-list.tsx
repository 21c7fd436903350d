// "What needs you": the sentences, each with a button that leads to where it is put right.
import { useState } from "preact/hooks";
import { get } from "../../api/client";
import { Button } from "../../kit/button";
import { Dialog } from "../../kit/dialog";
import { Icon } from "../../kit/icon";
import { useResource } from "../../kit/resource";
import { recall, remember } from "../../player/preferences";
import { t } from "../../words";
import { go } from "../router";
import { useServerConfig } from "../server-config";
import { logsSeen } from "./logs-seen";
import { type Need, needsOf } from "./needs";
import { type AdminStatus, MINUTE_MS } from "./watched";

const WAVED = "owncast.admin.waved";
const LOOK_MS = 20_000;
const LAST_MINUTES_SECONDS = 300;

export function Needs({ status }: { status: AdminStatus }) {
  const { config } = useServerConfig();
  const [waved, setWaved] = useState(recallWaved);
  const encoders = useResource(() => get("/api/admin/video/encoders"), []);
  const backups = useResource(() => get("/api/admin/backups"), [], { everyMs: MINUTE_MS });
  const warnings = useResource(() => get("/api/admin/logs/warnings"), [], { everyMs: LOOK_MS });
  const hardware = useResource(
    () => get("/api/admin/hardwarestats", { windowStart: Math.floor(Date.now() / 1_000) - LAST_MINUTES_SECONDS }),
    [],
    { everyMs: MINUTE_MS },
  );
  const [dialog, setDialog] = useState(false);
  const known = [encoders, backups, warnings, hardware];
  const found = needsOf({
    status,
    config,
    encoders: encoders.state === "ready" ? encoders.data : null,
    backups: backups.state === "ready" ? backups.data.backups : null,
    warnings: warnings.state === "ready" ? warnings.data : [],
    disk: (hardware.state === "ready" ? hardware.data.disk.at(-1)?.value : null) ?? null,
    logsSeen: logsSeen(),
    now: Date.now(),
  }).filter((need) => need.kind !== "hint" || !waved.includes(need.key));

  function wave({ key }: Need) {
    const next = [...waved, key];
    remember(WAVED, next);
    setWaved(next);
  }

  // Before everything is known, "all is well" would be a guess.
  if (found.length === 0 && known.some((each) => each.state === "loading")) return null;
  if (found.length === 0) {
    return (
      <p class="notice" data-kind="well">
        {t("needs.none")}
      </p>
    );
  }
  return (
    <>
      <ul class="needs">
        {found.map((need) => (
          <li key={need.key} class="notice" data-kind={need.kind}>
            <p>{need.text}</p>
            <span class="buttons">
              <Button onClick={() => (need.leads === "keyframes" ? setDialog(true) : go(need.leads))}>{need.verb}</Button>
              {need.kind === "hint" && (
                <button type="button" class="icon-button" aria-label={t("needs.wave")} title={t("needs.wave")} onClick={() => wave(need)}>
                  <Icon name="close" />
                </button>
              )}
            </span>
          </li>
        ))}
      </ul>
      {dialog && (
        <Dialog
          title={t("obs.title")}
          onClose={() => setDialog(false)}
          actions={
            <Button kind="primary" onClick={() => setDialog(false)}>
              {t("obs.done")}
            </Button>
          }
        >
          <p>{t("obs.why")}</p>
          <ol class="steps-plain">
            <li>{t("obs.step1")}</li>
            <li>{t("obs.step2")}</li>
            <li>{t("obs.step3")}</li>
          </ol>
          <p class="quiet">{t("obs.after")}</p>
        </Dialog>
      )}
    </>
  );
}

function recallWaved(): readonly string[] {
  const kept = recall(WAVED);
  return Array.isArray(kept) ? kept.filter((each) => typeof each === "string") : [];
}
