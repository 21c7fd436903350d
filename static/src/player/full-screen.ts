// Full screen and picture in picture, with the ways that older Safari has for them.
import type { RefObject } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";

type SafariVideo = HTMLVideoElement & { webkitEnterFullscreen?: () => void };

export interface FullScreen {
  on: boolean;
  toggle(): void;
}

export function useFullScreen(player: RefObject<HTMLElement | null>, video: RefObject<HTMLVideoElement | null>): FullScreen {
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
