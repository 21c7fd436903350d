// The way to the first show: three steps on one page, each of which ticks itself when it is done.
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { Button } from "../../kit/button";
import { Copyable } from "../../kit/copy";
import { dataUrl } from "../../kit/drop";
import { Field, TextField } from "../../kit/field";
import { Icon } from "../../kit/icon";
import { useResource } from "../../kit/resource";
import { complain, tell } from "../../kit/toast";
import { recall, remember } from "../../player/preferences";
import { initial } from "../../state";
import { t } from "../../words";
import { hasOwnLogo } from "../content/own-logo";
import { saveSetting, SettingsForm, useForm } from "../form";
import { useServerConfig } from "../server-config";
import { rtmpAddress } from "../stream/keys";
import type { AdminStatus } from "./watched";

const HIDDEN = "owncast.admin.guideHidden";
/** What a server is called until its owner calls it something. */
const FIRST_NAME = "owncast-py";

export function FirstRun({ status }: { status: AdminStatus }) {
  const { config } = useServerConfig();
  const [hidden, setHidden] = useState(recall(HIDDEN) === true);
  const [began] = useState(Boolean(initial.status?.lastConnectTime));
  const logo = useResource(hasOwnLogo, []);
  // Once shown it stays, so that the last tick can be seen.
  const shown = useRef(false);
  const sent = useRef(began);
  sent.current ||= status.online || status.broadcaster !== null;
  const live = useRef(began);
  live.current ||= status.online;
  if (hidden || logo.state !== "ready") return null;
  const named = config.instanceDetails.name !== FIRST_NAME && logo.data;
  const done = sent.current && named && live.current;
  shown.current ||= !done;
  if (!shown.current) return null;

  function hide() {
    remember(HIDDEN, true);
    setHidden(true);
  }

  return (
    <section class="guide" aria-labelledby="guide">
      <header class="guide-head">
        <h2 id="guide">{t(done ? "guide.done" : "guide")}</h2>
        <Button kind="quiet" onClick={hide}>
          {t(done ? "close" : "guide.hide")}
        </Button>
      </header>
      <ol class="steps">
        <Step title={t("guide.encoder")} done={sent.current}>
          <p class="quiet">{t("guide.encoderHelp")}</p>
          <div class="field">
            <p class="field-label">{t("guide.server")}</p>
            <Copyable label={t("guide.server")} value={rtmpAddress(config.rtmpServerPort)} />
          </div>
          {config.streamKeys[0] && (
            <div class="field">
              <p class="field-label">{t("guide.key")}</p>
              <Copyable label={t("guide.key")} value={config.streamKeys[0].key} secret />
            </div>
          )}
        </Step>
        <Step title={t("guide.name")} done={named}>
          <Name />
          <Logo own={logo.data} onChange={logo.reload} />
        </Step>
        <Step title={t("guide.page")} done={live.current}>
          <p class="quiet">{t(live.current ? "guide.pageLive" : "guide.pageHelp")}</p>
          <p>
            <a class="button" href="/" target="_blank" rel="noopener">
              {t("guide.open")}
            </a>
          </p>
        </Step>
      </ol>
    </section>
  );
}

function Step({ title, done, children }: { title: string; done: boolean; children: ComponentChildren }) {
  return (
    <li class="card step" data-done={done}>
      <h3>
        <span class="step-mark">{done && <Icon name="check" />}</span>
        {title}
        {done && <span class="visually-hidden">{t("guide.stepDone")}</span>}
      </h3>
      {children}
    </li>
  );
}

function Name() {
  const { config } = useServerConfig();
  const form = useForm({ name: config.instanceDetails.name }, { name: "name" });
  return (
    <SettingsForm form={form}>
      <TextField label={t("guide.yourName")} maxLength={100} {...form.field("name")} />
    </SettingsForm>
  );
}

function Logo({ own, onChange }: { own: boolean; onChange: () => Promise<void> }) {
  const [version, setVersion] = useState(0);
  const [problem, setProblem] = useState("");

  async function upload(file: File) {
    try {
      await saveSetting("logo", await dataUrl(file));
      setProblem("");
      setVersion(version + 1);
      await onChange();
      tell(t("admin.saved"));
    } catch (error) {
      setProblem((error as Error).message);
    }
  }

  return (
    <div class="logo-row">
      <img class="logo-now" src={`/logo?v=${version}`} alt={t(own ? "guide.logoNow" : "guide.logoFirst")} />
      <Field label={t("guide.logo")} help={t("guide.logoHelp")} {...(problem && { error: problem })}>
        {(ties) => (
          <input
            class="file"
            type="file"
            accept="image/png,image/jpeg,image/gif,image/webp"
            onChange={({ currentTarget }) => {
              const file = currentTarget.files?.[0];
              if (file) upload(file).catch(complain);
              // So that the same file, mended, can be chosen again.
              currentTarget.value = "";
            }}
            {...ties}
          />
        )}
      </Field>
    </div>
  );
}
