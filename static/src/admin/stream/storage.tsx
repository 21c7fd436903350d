// The S3-compatible store that viewers fetch finished segments from: one setting of many parts, sent as one; a trial of
// what is typed; and how the store is now.
import { useState } from "preact/hooks";
import { get, post, type Posted, type Schemas } from "../../api/client";
import { Button } from "../../kit/button";
import { Switch, TextField } from "../../kit/field";
import { Icon } from "../../kit/icon";
import { useResource } from "../../kit/resource";
import { complain } from "../../kit/toast";
import { t, type Key } from "../../words";
import { SettingsForm, useForm, useSwitch } from "../form";
import { useServerConfig } from "../server-config";

const PATH = "s3";
const LOOK_MS = 5000;

type Store = Schemas["StorageView"];
type Part = Exclude<keyof Store, "enabled" | "forcePathStyle">;
type Trial = Posted<"/api/admin/config/s3/test">;

const PARTS: ReadonlyArray<{ name: Part; label: Key; help?: Key; type?: "url" | "password"; placeholder?: string }> = [
  { name: "endpoint", label: "storage.endpoint", help: "storage.endpointHelp", type: "url", placeholder: "https://s3.example.org" },
  { name: "region", label: "storage.region", help: "storage.regionHelp" },
  { name: "bucket", label: "storage.bucket" },
  { name: "accessKey", label: "storage.accessKey" },
  { name: "secret", label: "storage.secret", type: "password" },
  { name: "servingEndpoint", label: "storage.serving", help: "storage.servingHelp", type: "url", placeholder: "https://cdn.example.org" },
  { name: "pathPrefix", label: "storage.prefix", help: "storage.prefixHelp" },
  { name: "acl", label: "storage.acl", help: "storage.aclHelp", placeholder: "public-read" },
];

export default function Storage() {
  const { config } = useServerConfig();
  const kept = config.s3;
  const form = useForm({ store: kept }, { store: PATH });
  const { value, error, onChange } = form.field("store");
  const turned = useSwitch(kept.enabled, PATH, (enabled) => ({ ...kept, enabled }));
  const [trial, setTrial] = useState<Trial | null>(null);
  const [trying, setTrying] = useState(false);

  async function tryIt() {
    setTrying(true);
    setTrial(null);
    const { enabled: _, ...store } = value;
    try {
      setTrial(await post("/api/admin/config/s3/test", { value: store }));
    } catch (problem) {
      complain(problem);
    }
    setTrying(false);
  }

  return (
    <>
      <p class="lead">{t("storage.lead")}</p>
      <State enabled={kept.enabled} />
      <SettingsForm form={form}>
        {PARTS.map(({ name, label, help, ...more }) => (
          <TextField
            key={name}
            label={t(label)}
            {...(help && { help: t(help) })}
            autocomplete="off"
            value={value[name]}
            onChange={(part) => onChange({ ...value, [name]: part })}
            {...more}
            {...(name === "endpoint" && error !== undefined && { error })}
          />
        ))}
        <Switch
          label={t("storage.pathStyle")}
          help={t("storage.pathStyleHelp")}
          checked={value.forcePathStyle}
          onChange={(forcePathStyle) => onChange({ ...value, forcePathStyle })}
        />
      </SettingsForm>
      <section class="section">
        <Button onClick={() => void tryIt()} busy={trying}>
          {t("storage.test")}
        </Button>
        <div role="status">
          {trial && (
            <ul class="steps-plain">
              {trial.steps.map((step) => (
                <li key={step.name}>
                  <Icon name={step.ok ? "check" : "close"} /> {step.message}
                </li>
              ))}
            </ul>
          )}
        </div>
      </section>
      <section class="section">
        <Switch
          label={t("storage.on")}
          help={t("storage.onHelp")}
          {...turned}
          disabled={form.changed || turned.disabled || (!kept.endpoint && !kept.enabled)}
        />
      </section>
    </>
  );
}

/** Whether viewers are sent to the store now, and why not. */
function State({ enabled }: { enabled: boolean }) {
  const status = useResource(() => get("/api/admin/status"), [enabled], { everyMs: LOOK_MS });
  if (!enabled || status.state !== "ready") return null;
  const trouble = status.data.storeTrouble;
  return <p class="notice">{trouble ? t("storage.trouble", { trouble }) : t("storage.works")}</p>;
}
