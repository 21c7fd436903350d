// One variant: what it is called, how large it is, and what of it is passed through as it comes.
import { useState } from "preact/hooks";
import type { Schemas } from "../../api/client";
import { NumberField, SelectField, Switch, TextField } from "../../kit/field";
import { t } from "../../words";
import { FormDialog, Problem } from "../form-dialog";
import { costOf, dataOf } from "./video";

type Quality = Schemas["QualityView"];

const SIZES = ["0", "1080", "720", "480", "360", "240"] as const;
const EFFORTS = ["0", "1", "2", "3", "4"] as const;

interface Props {
  variant: Quality;
  encoders: Schemas["EncodersView"];
  onSave: (variant: Quality) => Promise<void>;
  onClose: () => void;
}

export function VariantDialog({ variant, encoders, onSave, onClose }: Props) {
  const [edited, setEdited] = useState(variant);
  const set = (values: Partial<Quality>) => setEdited((before) => ({ ...before, ...values }));
  const height = String(edited.scaledHeight);
  const sizes = (SIZES as readonly string[]).includes(height) ? SIZES : [...SIZES, height];

  return (
    <FormDialog
      title={variant.name || t("variant.new")}
      verb={t("save")}
      note={[...dataOf(edited), costOf(edited, encoders)].join(" · ")}
      onSave={() => onSave(edited)}
      onClose={onClose}
    >
      {(problem) => (
        <>
          {problem && <Problem>{problem}</Problem>}
          <TextField label={t("variant.name")} help={t("variant.nameHelp")} value={edited.name} onChange={(name) => set({ name })} maxLength={100} />
          <Switch
            label={t("variant.passthrough")}
            help={t("variant.passthroughHelp")}
            checked={edited.videoPassthrough}
            onChange={(videoPassthrough) => set({ videoPassthrough })}
          />
          {!edited.videoPassthrough && (
            <>
              <SelectField
                label={t("variant.size")}
                help={t("variant.sizeHelp")}
                value={height}
                options={sizes.map((size) => [size, size === "0" ? t("video.sourceSize") : `${size}p`] as const)}
                onChange={(size) => set({ scaledHeight: Number(size), scaledWidth: 0 })}
              />
              <NumberField
                label={t("variant.bitrate")}
                help={t("variant.bitrateHelp")}
                unit="kb/s"
                min={0}
                step={100}
                value={edited.videoBitrate}
                onChange={(videoBitrate) => set({ videoBitrate })}
              />
              <NumberField
                label={t("variant.framerate")}
                help={t("variant.framerateHelp")}
                unit="fps"
                min={0}
                max={120}
                value={edited.framerate}
                onChange={(framerate) => set({ framerate })}
              />
              <SelectField
                label={t("variant.effort")}
                help={t("variant.effortHelp")}
                value={String(edited.cpuUsageLevel)}
                options={EFFORTS.map((effort) => [effort, t(`variant.effort${effort}`)] as const)}
                onChange={(effort) => set({ cpuUsageLevel: Number(effort) })}
              />
            </>
          )}
          <Switch
            label={t("variant.audioPassthrough")}
            help={t("variant.audioPassthroughHelp")}
            checked={edited.audioPassthrough}
            onChange={(audioPassthrough) => set({ audioPassthrough })}
          />
          {!edited.audioPassthrough && (
            <NumberField
              label={t("variant.audioBitrate")}
              unit="kb/s"
              min={0}
              step={16}
              value={edited.audioBitrate}
              onChange={(audioBitrate) => set({ audioBitrate })}
            />
          )}
        </>
      )}
    </FormDialog>
  );
}
