// The ways to see the picture elsewhere: full screen, picture in picture, AirPlay; with those that only Safari has.
import type { RefObject } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import type { Toggle } from "./controls";
import type { Playback } from "./playback";

/** What Safari's element can do besides; none of it is in a standard. */
type SafariVideo = HTMLVideoElement & {
  webkitEnterFullscreen?: () => void;
  webkitShowPlaybackTargetPicker?: () => void;
  readonly webkitCurrentPlaybackTargetIsWireless?: boolean;
};

export function useFullScreen(player: RefObject<HTMLElement | null>, video: RefObject<HTMLVideoElement | null>): Toggle {
  const [on, setOn] = useState(false);

  useEffect(() => {
    const update = () => setOn(document.fullscreenElement !== null && document.fullscreenElement === player.current);
    document.addEventListener("fullscreenchange", update);
    return () => document.removeEventListener("fullscreenchange", update);
  }, [player]);

  const toggle = useCallback(() => {
    if (document.fullscreenElement) {
      void document.exitFullscreen();
    } else if (player.current?.requestFullscreen) {
      // Refused without a gesture, or in a frame that may not: then the picture stays where it is.
      player.current.requestFullscreen().catch(() => undefined);
    } else {
      // An iPhone gives the whole screen to the video element only.
      (video.current as SafariVideo | null)?.webkitEnterFullscreen?.();
    }
  }, [player, video]);

  return { on, toggle };
}

export function canPictureInPicture(): boolean {
  return document.pictureInPictureEnabled === true;
}

export function togglePictureInPicture(video: HTMLVideoElement): void {
  const done = document.pictureInPictureElement ? document.exitPictureInPicture() : video.requestPictureInPicture();
  // Refused when there is no picture (yet); there is nothing to do about it.
  done.catch(() => undefined);
}

/** Opens the list of AirPlay's receivers; undefined while there is none, as in every browser but Safari. */
export function useAirPlay(video: RefObject<HTMLVideoElement | null>, playback: Playback | null): (() => void) | undefined {
  const [available, setAvailable] = useState(false);

  useEffect(() => {
    const element = video.current as SafariVideo | null;
    if (!playback || !element?.webkitShowPlaybackTargetPicker) return undefined;
    const listening = new AbortController();
    const { signal } = listening;
    element.addEventListener(
      "webkitplaybacktargetavailabilitychanged",
      (event) => setAvailable("availability" in event && event.availability === "available"),
      { signal },
    );
    // A receiver fetches the stream itself, which it cannot when a script puts the media together.
    const change = () => playback.setNative(element.webkitCurrentPlaybackTargetIsWireless === true);
    element.addEventListener("webkitcurrentplaybacktargetiswirelesschanged", change, { signal });
    return () => listening.abort();
  }, [video, playback]);

  return available ? () => (video.current as SafariVideo | null)?.webkitShowPlaybackTargetPicker?.() : undefined;
}
