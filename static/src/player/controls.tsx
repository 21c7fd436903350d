// The bar of controls: play, volume, the live pill; then quality, settings, and the ways to give the picture more room.
import { delay } from "../format";
import { Icon, type IconName } from "../kit/icon";
import { t } from "../words";
import { QualityMenu, SettingsMenu } from "./menus";
import type { Playback } from "./playback";
import type { Snapshot } from "./snapshot";

/** Something that is on or off, and can be turned over. */
export interface Toggle {
  on: boolean;
  toggle(): void;
}

/** What the controls beside playback itself do; without one of them its button is not there. */
export interface Extras {
  fullScreen: Toggle;
  theatre: Toggle | undefined;
  /** Where the page has no other place for its button. */
  chat: Toggle | undefined;
  stats: Toggle;
  pictureInPicture: (() => void) | undefined;
  airPlay: (() => void) | undefined;
  onKeys: () => void;
}

interface Props {
  playback: Playback;
  snapshot: Snapshot;
  extras: Extras;
}

export function Controls({ playback, snapshot, extras }: Props) {
  const running = snapshot.state === "playing" || snapshot.state === "buffering" || snapshot.state === "starting";
  const { fullScreen, theatre, chat, pictureInPicture, airPlay } = extras;
  return (
    <div class="controls" role="group" aria-label={t("player.controls")}>
      <Control icon={running ? "pause" : "play"} label={t(running ? "player.pause" : "player.play")} keys="k" onClick={() => playback.toggle()} />
      <Volume playback={playback} snapshot={snapshot} />
      {snapshot.hasFrame && <LivePill snapshot={snapshot} onGoLive={() => playback.goLive()} />}
      <span class="gap" />
      {snapshot.qualities.length > 1 && <QualityMenu playback={playback} snapshot={snapshot} />}
      <SettingsMenu playback={playback} snapshot={snapshot} stats={extras.stats} onKeys={extras.onKeys} />
      {chat && <Control icon="chat" label={t(chat.on ? "page.hideChat" : "page.showChat")} keys="c" onClick={chat.toggle} />}
      {pictureInPicture && !snapshot.audioOnly && (
        <Control icon="pictureInPicture" label={t("player.pictureInPicture")} class="roomy" onClick={pictureInPicture} />
      )}
      {airPlay && <Control icon="airPlay" label="AirPlay" onClick={airPlay} />}
      {theatre && <Control icon="theatre" label={t(theatre.on ? "player.leaveTheatre" : "player.theatre")} keys="t" onClick={theatre.toggle} />}
      <Control
        icon={fullScreen.on ? "leaveFullScreen" : "enterFullScreen"}
        label={t(fullScreen.on ? "player.leaveFullScreen" : "player.fullScreen")}
        keys="f"
        onClick={fullScreen.toggle}
      />
    </div>
  );
}

interface ControlProps {
  icon: IconName;
  label: string;
  keys?: string;
  class?: string;
  onClick(): void;
}

function Control({ icon, label, keys, class: name = "", onClick }: ControlProps) {
  const title = keys ? `${label} (${keys})` : label;
  return (
    <button type="button" class={`control ${name}`} aria-label={label} title={title} {...(keys && { "aria-keyshortcuts": keys })} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

function Volume({ playback, snapshot }: Pick<Props, "playback" | "snapshot">) {
  const silent = snapshot.muted || snapshot.volume === 0;
  const percent = silent ? 0 : Math.round(snapshot.volume * 100);
  return (
    <div class="volume">
      <Control icon={silent ? "muted" : "sound"} label={t(silent ? "player.unmute" : "player.mute")} keys="m" onClick={() => playback.toggleMuted()} />
      <input
        type="range"
        min="0"
        max="100"
        step="5"
        value={percent}
        style={{ "--filled": `${percent}%` }}
        aria-label={t("player.volume")}
        aria-valuetext={`${percent} %`}
        onInput={(event) => playback.setVolume(event.currentTarget.valueAsNumber / 100)}
      />
    </div>
  );
}

function LivePill({ snapshot, onGoLive }: { snapshot: Snapshot; onGoLive(): void }) {
  const { behind, latency } = snapshot;
  const seconds = latency === null ? "" : delay(latency);
  const label = !seconds ? t("live") : t(behind ? "player.behindLabel" : "player.liveLabel", { delay: seconds });
  return (
    <button type="button" class="live-pill" data-behind={behind} title={t("player.goLiveTitle")} aria-label={label} onClick={onGoLive}>
      {behind ? (
        <>
          <bdi class="how-far">{t("player.behind", { delay: seconds })}</bdi>
          <span class="go">{t("player.goLive")}</span>
        </>
      ) : (
        <>
          <span class="dot" />
          <bdi>{seconds || t("live")}</bdi>
        </>
      )}
    </button>
  );
}
