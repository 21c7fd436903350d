// Connections: where the server listens, where the page's chat connects to, and which ffmpeg is used.
import { NumberField, TextField } from "../../kit/field";
import { t } from "../../words";
import { SettingsForm, useForm } from "../form";
import { useServerConfig } from "../server-config";

const PORTS = { min: 1, max: 65_535 };

export default function Connections() {
  const { config } = useServerConfig();
  const form = useForm(
    {
      address: config.webServerIP,
      port: config.webServerPort,
      encoders: config.rtmpServerPort,
      socket: config.socketHostOverride,
      ffmpeg: config.ffmpegPath,
    },
    { address: "webserverip", port: "webserverport", encoders: "rtmpserverport", socket: "sockethostoverride", ffmpeg: "ffmpegpath" },
  );
  return (
    <SettingsForm form={form}>
      <p class="notice">{t("connections.when")}</p>
      <TextField label={t("connections.address")} help={t("connections.addressHelp")} {...form.field("address")} />
      <NumberField label={t("connections.port")} help={t("connections.portHelp")} {...PORTS} {...form.field("port")} />
      <NumberField label={t("connections.encoders")} help={t("connections.encodersHelp")} {...PORTS} {...form.field("encoders")} />
      <TextField label={t("connections.socket")} help={t("connections.socketHelp")} placeholder="wss://chat.example.org" {...form.field("socket")} />
      <TextField label={t("connections.ffmpeg")} help={t("connections.ffmpegHelp")} {...form.field("ffmpeg")} />
    </SettingsForm>
  );
}
