// The player's keys. They work anywhere on the page, or in the player alone for who wants that, except where they mean
// something else: in text fields, in dialogs, on a control that takes the key itself, or together with a modifier.
import type { Extras } from "./controls";
import type { Playback } from "./playback";
import { recallKeysEverywhere } from "./preferences";

const SEEK_SECONDS = 5;
const VOLUME_STEP = 0.05;
const ELSEWHERE = "textarea, select, [contenteditable], input:not([type=range]), dialog, emoji-picker";

export interface Keys {
  playback: Playback;
  player: HTMLElement;
  video: HTMLVideoElement;
  extras: Extras;
  /** Shows or hides the chat, wherever the page has it. */
  onChat: (() => void) | undefined;
}

/** Acts on `event` if it is one of the player's keys. Returns whether it was. */
export function handleKey(event: KeyboardEvent, { playback, player, video, extras, onChat }: Keys): boolean {
  const target = event.target instanceof Element ? event.target : document.body;
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || target.closest(ELSEWHERE)) return false;
  if (!player.contains(target) && !recallKeysEverywhere()) return false;
  const onButton = target.closest("button, a, summary, [role=tab]") !== null;
  // A key that is held turns nothing over and over; nor does the space bar scroll then.
  if (event.repeat && !event.key.startsWith("Arrow")) return event.key === " " && !onButton;
  const onArrows = target.closest("input[type=range], [role=menu], [role=tablist]") !== null;

  switch (event.key) {
    case " ":
      if (onButton) return false;
      playback.toggle();
      return true;
    case "k":
      playback.toggle();
      return true;
    case "m":
      playback.toggleMuted();
      return true;
    case "f":
      extras.fullScreen.toggle();
      return true;
    case "l":
      playback.goLive();
      return true;
    case "d":
      extras.stats.toggle();
      return true;
    case "?":
      extras.onKeys();
      return true;
    case "t":
      extras.theatre?.toggle();
      return extras.theatre !== undefined;
    case "c":
      onChat?.();
      return onChat !== undefined;
    case "ArrowLeft":
    case "ArrowRight":
      if (onArrows) return false;
      playback.seek(event.key === "ArrowLeft" ? -SEEK_SECONDS : SEEK_SECONDS);
      return true;
    case "ArrowUp":
    case "ArrowDown":
      // Elsewhere these scroll the page.
      if (!player.contains(target) || onArrows || target.closest("[aria-haspopup=menu]")) return false;
      playback.setVolume(video.volume + (event.key === "ArrowUp" ? VOLUME_STEP : -VOLUME_STEP));
      return true;
    default:
      return false;
  }
}
