// The player: the video, its poster, what lies over it, and the controls. `show` says what to play.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { lazy } from "../kit/lazy";
import { t } from "../words";
import { useActivity } from "./activity";
import { Controls, type Extras, type Toggle } from "./controls";
import { canPictureInPicture, togglePictureInPicture, useAirPlay, useFullScreen } from "./full-screen";
import { handleKey } from "./keyboard";
import { Failure, Overlay } from "./overlay";
import { Poster } from "./poster";
import { usePlayback } from "./use-playback";

const Stats = lazy(async () => (await import("./stats")).Stats);
const KeysDialog = lazy(async () => (await import("./keys-dialog")).KeysDialog);

interface Props {
  /** Which show is on, by a name that stays the same as long as it lasts; null when none is; undefined: not yet known. */
  show: string | null | undefined;
  title: string;
  /** The address of a still picture. */
  poster: string | null;
  /** What to say over the poster while nothing is on. */
  offline: ComponentChildren;
  /** The broadcast was played to its end; what is on now is worth asking. */
  onEnded(): void;
  theatre?: Toggle | undefined;
  chat?: Toggle | undefined;
  /** Whether the button of the chat belongs among the controls: where the page has no other place for it. */
  chatAmongControls?: boolean;
}

export function Player({ show, title, poster, offline, onEnded, theatre, chat, chatAmongControls = false }: Props) {
  const root = useRef<HTMLElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const { playback, snapshot, failed, retry } = usePlayback(video);
  const [statsOn, setStatsOn] = useState(false);
  const [keysOn, setKeysOn] = useState(false);
  const fullScreen = useFullScreen(root, video);
  const airPlay = useAirPlay(video, playback);

  useEffect(() => {
    if (show !== undefined) playback?.follow(show);
  }, [playback, show]);

  const state = snapshot?.state ?? "idle";
  useEffect(() => {
    if (state === "ended") onEnded();
  }, [state, onEnded]);

  useEffect(() => {
    // What a phone's lock screen and a keyboard's media keys say of it.
    if ("mediaSession" in navigator) navigator.mediaSession.metadata = new MediaMetadata({ title });
  }, [title]);

  const isOffline = show === null && state === "idle";
  const canControl = playback && snapshot && state !== "idle" && state !== "ended" && state !== "failed";
  const { active, wake } = useActivity(root, () => canControl && fullScreen.toggle());
  const extras: Extras = {
    fullScreen,
    theatre,
    chat: chatAmongControls ? chat : undefined,
    stats: { on: statsOn, toggle: () => setStatsOn(!statsOn) },
    pictureInPicture: canPictureInPicture() ? () => video.current && togglePictureInPicture(video.current) : undefined,
    airPlay,
    onKeys: () => setKeysOn(true),
  };

  // Always the extras as they are now, though the listener is the first one's.
  const keys = useRef<(event: KeyboardEvent) => void>(() => undefined);
  keys.current = (event) => {
    if (!playback || !root.current || !video.current) return;
    if (handleKey(event, { playback, player: root.current, video: video.current, extras, onChat: chat?.toggle })) {
      event.preventDefault();
      wake();
    }
  };
  useEffect(() => {
    const listening = new AbortController();
    document.addEventListener("keydown", (event) => keys.current(event), { signal: listening.signal });
    return () => listening.abort();
  }, []);

  return (
    <>
      <section
        ref={root}
        class="player"
        tabIndex={-1}
        aria-label={t("player")}
        data-state={isOffline ? "offline" : state}
        data-active={active || state === "paused" || snapshot?.needsClick === true}
      >
        <video ref={video} playsInline preload="auto" aria-label={title} />
        {!(snapshot?.hasFrame && !snapshot.audioOnly) && <Poster key={poster} address={poster} />}
        {isOffline ? (
          <div class="overlay offline">{offline}</div>
        ) : failed ? (
          <Failure sentence={t("player.notLoaded")} onRetry={retry} />
        ) : (
          playback && snapshot && <Overlay playback={playback} snapshot={snapshot} />
        )}
        {statsOn && playback && video.current && <Stats playback={playback} video={video.current} onClose={() => setStatsOn(false)} />}
        {canControl && <Controls playback={playback} snapshot={snapshot} extras={extras} />}
      </section>
      {keysOn && <KeysDialog onClose={() => setKeysOn(false)} />}
    </>
  );
}
