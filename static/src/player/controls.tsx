// The bar of controls: play, volume, the live pill; then quality, picture in picture, full screen.
import { delay } from "../format";
import type { FullScreen } from "./full-screen";
import { canPictureInPicture } from "./full-screen";
import { Icon, type IconName } from "./icons";
import type { Playback, Snapshot } from "./playback";
import { QualityMenu } from "./quality-menu";

interface Props {
  playback: Playback;
  snapshot: Snapshot;
  fullScreen: FullScreen;
  onPictureInPicture(): void;
}

export function Controls({ playback, snapshot, fullScreen, onPictureInPicture }: Props) {
  const running = snapshot.state === "playing" || snapshot.state === "buffering" || snapshot.state === "starting";
  return (
    <div class="controls" role="group" aria-label="Player controls">
      <Control icon={running ? "pause" : "play"} label={running ? "Pause" : "Play"} keys="k" onClick={() => playback.toggle()} />
      <Volume playback={playback} snapshot={snapshot} />
      {snapshot.hasFrame && <LivePill snapshot={snapshot} onGoLive={() => playback.goLive()} />}
      <span class="gap" />
      {snapshot.qualities.length > 1 && (
        <QualityMenu
          qualities={snapshot.qualities}
          playing={snapshot.quality}
          selected={snapshot.selectedQuality}
          onSelect={(id) => playback.selectQuality(id)}
        />
      )}
      {canPictureInPicture() && !snapshot.audioOnly && (
        <Control icon="pictureInPicture" label="Picture in picture" onClick={onPictureInPicture} />
      )}
      <Control
        icon={fullScreen.on ? "leaveFullScreen" : "enterFullScreen"}
        label={fullScreen.on ? "Leave full screen" : "Full screen"}
        keys="f"
        onClick={fullScreen.toggle}
      />
    </div>
  );
}

function Control({ icon, label, keys, onClick }: { icon: IconName; label: string; keys?: string; onClick(): void }) {
  const title = keys ? `${label} (${keys})` : label;
  return (
    <button type="button" class="control" aria-label={label} title={title} {...(keys && { "aria-keyshortcuts": keys })} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

function Volume({ playback, snapshot }: { playback: Playback; snapshot: Snapshot }) {
  const silent = snapshot.muted || snapshot.volume === 0;
  const percent = silent ? 0 : Math.round(snapshot.volume * 100);
  const unmute = () => (snapshot.volume === 0 ? playback.setVolume(0.5) : playback.setMuted(!snapshot.muted));
  return (
    <div class="volume">
      <Control icon={silent ? "muted" : "sound"} label={silent ? "Unmute" : "Mute"} keys="m" onClick={unmute} />
      <input
        type="range"
        min="0"
        max="100"
        step="5"
        value={percent}
        style={{ "--filled": `${percent}%` }}
        aria-label="Volume"
        aria-valuetext={`${percent} percent`}
        onInput={(event) => playback.setVolume(event.currentTarget.valueAsNumber / 100)}
      />
    </div>
  );
}

function LivePill({ snapshot, onGoLive }: { snapshot: Snapshot; onGoLive(): void }) {
  const { behind, latency } = snapshot;
  const seconds = latency === null ? "" : delay(latency);
  if (behind) {
    return (
      <button type="button" class="live-pill" data-behind="true" aria-label={`${seconds} behind. Go live`} onClick={onGoLive}>
        {seconds} behind<span class="go"> · Go live</span>
      </button>
    );
  }
  return (
    <button
      type="button"
      class="live-pill"
      data-behind="false"
      title="Delay behind the newest video; press to return to live (l)"
      aria-label={seconds ? `Live, ${seconds} behind the newest video` : "Live"}
      onClick={onGoLive}
    >
      <span class="dot" />
      Live
      {seconds && <span class="delay">{seconds}</span>}
    </button>
  );
}
