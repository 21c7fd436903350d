// Video: the variants that viewers can choose from, what each costs here, how long the delay is, and what encodes.
import { useState } from "preact/hooks";
import { get, type Schemas } from "../../api/client";
import { bitrate, bytes } from "../../format";
import { Button } from "../../kit/button";
import { SelectField, TextField } from "../../kit/field";
import { Menu } from "../../kit/menu";
import { Icon } from "../../kit/icon";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { complain, tell } from "../../kit/toast";
import { number, t } from "../../words";
import { saveSetting, SettingsForm, useForm } from "../form";
import { useServerConfig } from "../server-config";
import { bytesAnHour, cores } from "./cost";
import { VariantDialog } from "./variant";

type Quality = Schemas["QualityView"];
type Encoders = Schemas["EncodersView"];

const LEVELS = ["0", "1", "2", "3", "4"] as const;
const NEW_VARIANT: Quality = {
  name: "",
  videoPassthrough: false,
  audioPassthrough: true,
  videoBitrate: 1_200,
  audioBitrate: 128,
  scaledWidth: 0,
  scaledHeight: 720,
  framerate: 0,
  cpuUsageLevel: 2,
};

export default function Video() {
  const encoders = useResource(() => get("/api/admin/video/encoders"), []);
  return (
    <Loaded resource={encoders}>
      {(found) => (
        <>
          <p class="notice">{t("video.when")}</p>
          <Variants encoders={found} />
          <Rest encoders={found} />
        </>
      )}
    </Loaded>
  );
}

function Variants({ encoders }: { encoders: Encoders }) {
  const { config, reload } = useServerConfig();
  const variants = config.videoSettings.videoQualityVariants;
  const [editing, setEditing] = useState<number | "new" | null>(null);

  async function change(next: readonly Quality[]) {
    const before = variants;
    await saveSetting("video/streamoutputvariants", next);
    await reload();
    tell(t("admin.saved"), () => void saveSetting("video/streamoutputvariants", before).then(reload, complain));
  }

  const edited = editing === null ? null : editing === "new" ? NEW_VARIANT : variants[editing];
  return (
    <section class="section">
      <h2>{t("video.variants")}</h2>
      <p class="lead">{t("video.variantsHelp")}</p>
      {variants.length === 0 ? (
        <Empty
          title={t("video.auto")}
          action={
            <Button onClick={() => setEditing("new")}>{t("video.own")}</Button>
          }
        >
          {t("video.autoHelp")}
        </Empty>
      ) : (
        <>
          <ul class="rows">
            {variants.map((variant, at) => (
              <li key={`${at} ${variant.name}`} class="row">
                <div class="row-main">
                  <b>{variant.name || describe(variant)}</b>
                  <span class="quiet">
                    {[describe(variant), ...dataOf(variant), costOf(variant, encoders)].join(" · ")}
                  </span>
                </div>
                <Menu
                  label={t("actions")}
                  items={[
                    { label: t("edit"), onSelect: () => setEditing(at) },
                    {
                      label: t("delete"),
                      danger: true,
                      onSelect: () => void change(variants.filter((_, other) => other !== at)).catch(complain),
                    },
                  ]}
                >
                  <Icon name="more" />
                </Menu>
              </li>
            ))}
          </ul>
          <Together variants={variants} encoders={encoders} />
          <p class="buttons">
            <Button kind="primary" onClick={() => setEditing("new")}>
              {t("video.add")}
            </Button>
            <Button onClick={() => change([]).catch(complain)}>{t("video.choose")}</Button>
          </p>
        </>
      )}
      {edited && (
        <VariantDialog
          variant={edited}
          encoders={encoders}
          onClose={() => setEditing(null)}
          onSave={(variant) =>
            change(editing === "new" ? [...variants, variant] : variants.map((each, at) => (at === editing ? variant : each)))
          }
        />
      )}
    </section>
  );
}

/** What all of them need, which is what decides whether this machine can. */
function Together({ variants, encoders }: { variants: readonly Quality[]; encoders: Encoders }) {
  const each = variants.map((variant) => cores(variant, encoders));
  const needed = each.reduce<number>((sum, one) => sum + (one ?? 0), 0);
  if (needed === 0) return null;
  const values = { cores: number(tenths(needed)), count: encoders.cores };
  if (needed > encoders.cores) return <p class="notice" data-kind="warning" role="status">{t("video.tooMuch", values)}</p>;
  return <p class="quiet">{t("video.together", values)}</p>;
}

function Rest({ encoders }: { encoders: Encoders }) {
  const { config } = useServerConfig();
  const form = useForm(
    {
      level: String(config.videoSettings.latencyLevel),
      codec: config.videoCodec,
      endpoint: config.videoServingEndpoint,
    },
    { level: "video/streamlatencylevel", codec: "video/codec", endpoint: "videoservingendpoint" },
    { level: Number },
  );
  const level = form.values.level as (typeof LEVELS)[number];
  return (
    <SettingsForm form={form}>
      <SelectField
        label={t("video.latency")}
        help={t(`video.latency${level}Help`)}
        options={LEVELS.map((each) => [each, t(`video.latency${each}`)] as const)}
        {...form.field("level")}
      />
      <SelectField
        label={t("video.codec")}
        help={t("video.codecHelp", { name: encoders.inUse })}
        options={[
          ["auto", t("video.codecAuto")] as const,
          ...encoders.encoders.map((each) => [each.name, each.works ? each.name : t("video.codecBroken", { name: each.name })] as const),
        ]}
        {...form.field("codec")}
      />
      {encoders.encoders.some((each) => !each.works) && (
        <details class="details">
          <summary>{t("video.why")}</summary>
          <dl class="facts">
            {encoders.encoders
              .filter((each) => !each.works)
              .map((each) => (
                <div key={each.name}>
                  <dt>{each.name}</dt>
                  <dd>{each.why}</dd>
                </div>
              ))}
          </dl>
        </details>
      )}
      <TextField label={t("video.endpoint")} help={t("video.endpointHelp")} type="url" placeholder="https://cdn.example.org" {...form.field("endpoint")} />
    </SettingsForm>
  );
}

/** "720p · 1.2 Mb/s", "as it comes". */
export function describe(variant: Quality): string {
  if (variant.videoPassthrough) return t("video.passthrough");
  const size = variant.scaledHeight ? `${variant.scaledHeight}p` : variant.scaledWidth ? `${variant.scaledWidth} × …` : t("video.sourceSize");
  const rate = variant.framerate ? ` ${variant.framerate} fps` : "";
  return `${size}${rate} · ${variant.videoBitrate ? bitrate(variant.videoBitrate) : t("video.bitrateAuto")}`;
}

export function costOf(variant: Quality, encoders: Encoders): string {
  const needed = cores(variant, encoders);
  if (needed === null) return t("video.costUnknown", { name: encoders.inUse });
  if (needed === 0) return t("video.costNothing");
  return t(tenths(needed) > 1 ? "video.costMany" : "video.cost", { cores: number(tenths(needed)) });
}

export function dataOf(variant: Quality): string[] {
  const size = bytesAnHour(variant);
  return size === null ? [] : [t("video.perHour", { size: bytes(size) })];
}

function tenths(value: number): number {
  return Math.max(0.1, Math.round(value * 10) / 10);
}
