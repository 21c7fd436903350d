// The two menus of the player: which quality to play, and everything else that can be set.
import { Icon } from "../kit/icon";
import { Menu } from "../kit/menu";
import { t } from "../words";
import type { Toggle } from "./controls";
import { AUTOMATIC } from "./engine";
import { LATENCY_MODES } from "./latency-mode";
import type { Playback } from "./playback";
import type { Snapshot } from "./snapshot";

interface Props {
  playback: Playback;
  snapshot: Snapshot;
}

export function QualityMenu({ playback, snapshot }: Props) {
  const { qualities, quality, selectedQuality } = snapshot;
  const current = qualities.find(({ id }) => id === quality)?.label;
  const automatic = selectedQuality === AUTOMATIC && current ? t("quality.autoNow", { quality: current }) : t("quality.auto");
  const choices = [
    { id: AUTOMATIC, label: automatic },
    ...[...qualities].sort((one, other) => other.height - one.height),
  ];
  return (
    <Menu
      class="control"
      label={t("quality")}
      items={choices.map(({ id, label }) => ({ label, checked: id === selectedQuality, onSelect: () => playback.selectQuality(id) }))}
    >
      <Icon name="quality" />
    </Menu>
  );
}

export function SettingsMenu({ playback, snapshot, stats, onKeys }: Props & { stats: Toggle; onKeys: () => void }) {
  return (
    <Menu
      class="control"
      label={t("player.settings")}
      items={[
        ...LATENCY_MODES.map((mode) => ({
          label: t(`latency.${mode}`),
          hint: t(`latency.${mode}Hint`),
          checked: mode === snapshot.mode,
          onSelect: () => playback.selectMode(mode),
        })),
        { label: t(stats.on ? "stats.hide" : "stats.show"), onSelect: stats.toggle },
        { label: t("keys"), onSelect: onKeys },
      ]}
    >
      <Icon name="settings" />
    </Menu>
  );
}
