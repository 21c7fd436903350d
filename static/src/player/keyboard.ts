// The player's keys. They work anywhere on the page except where they mean something else: in text fields, on a
// control that takes the key itself, or together with a modifier.
import type { Playback } from "./playback";

const SEEK_SECONDS = 5;
const VOLUME_STEP = 0.05;
const TYPED_INTO = "textarea, select, [contenteditable], input:not([type=range])";

export interface Keys {
  playback: Playback;
  player: HTMLElement;
  video: HTMLVideoElement;
  toggleFullScreen(): void;
}

/** Acts on `event` if it is one of the player's keys. Returns whether it was. */
export function handleKey(event: KeyboardEvent, { playback, player, video, toggleFullScreen }: Keys): boolean {
  const target = event.target instanceof Element ? event.target : document.body;
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || target.closest(TYPED_INTO)) return false;
  const onButton = target.closest("button, a, summary") !== null;
  const onRange = target.closest("input[type=range]") !== null;
  const inPlayer = player.contains(target);

  switch (event.key) {
    case " ":
      if (onButton) return false;
      playback.toggle();
      return true;
    case "k":
      playback.toggle();
      return true;
    case "m":
      playback.setMuted(!video.muted);
      return true;
    case "f":
      toggleFullScreen();
      return true;
    case "l":
      playback.goLive();
      return true;
    case "ArrowLeft":
    case "ArrowRight":
      if (onRange || target.closest("[role=menu]")) return false;
      playback.seek(event.key === "ArrowLeft" ? -SEEK_SECONDS : SEEK_SECONDS);
      return true;
    case "ArrowUp":
    case "ArrowDown":
      // Elsewhere these scroll the page.
      if (!inPlayer || onRange || target.closest("[role=menu], [aria-haspopup=menu]")) return false;
      playback.setVolume(video.volume + (event.key === "ArrowUp" ? VOLUME_STEP : -VOLUME_STEP));
      return true;
    default:
      return false;
  }
}
