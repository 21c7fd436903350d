// The player: the video, its poster, what lies over it, and the controls. `show` says what to play.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useActivity } from "./activity";
import { Controls } from "./controls";
import { publishDiagnostics } from "./diagnostics";
import { togglePictureInPicture, useFullScreen } from "./full-screen";
import { Icon } from "./icons";
import { handleKey } from "./keyboard";
import { Playback, type Snapshot } from "./playback";
import { reportPlayback } from "./report";

const SOURCE = "/hls/stream.m3u8";

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
}

export function Player({ show, title, poster, offline, onEnded }: Props) {
  const root = useRef<HTMLElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const [playback, setPlayback] = useState<Playback | null>(null);
  const [snapshot, setSnapshot] = useState<Snapshot | null>(null);
  const { active, wake } = useActivity(root);
  const fullScreen = useFullScreen(root, video);
  const toggleFullScreen = fullScreen.toggle;

  useEffect(() => {
    if (!video.current) return undefined;
    const made = new Playback(video.current, SOURCE);
    publishDiagnostics(made, video.current);
    setPlayback(made);
    const stop = made.run();
    made.subscribe(setSnapshot);
    const stopReporting = reportPlayback(made);
    return () => {
      stopReporting();
      stop();
    };
  }, []);

  useEffect(() => {
    if (show !== undefined) playback?.follow(show);
  }, [playback, show]);

  const state = snapshot?.state ?? "idle";
  useEffect(() => {
    if (state === "ended") onEnded();
  }, [state, onEnded]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!playback || !root.current || !video.current || show === null) return;
      if (handleKey(event, { playback, player: root.current, video: video.current, toggleFullScreen })) {
        event.preventDefault();
        wake();
      }
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [playback, show, toggleFullScreen, wake]);

  const isOffline = show === null && state === "idle";
  const canControl = playback && snapshot && state !== "idle" && state !== "ended" && state !== "failed";
  return (
    <section
      ref={root}
      class="player"
      tabIndex={-1}
      aria-label="Video player"
      data-state={isOffline ? "offline" : state}
      data-active={active || state === "paused"}
      onDblClick={(event) => !(event.target as Element).closest(".controls, button") && canControl && toggleFullScreen()}
    >
      <video ref={video} playsInline preload="auto" aria-label={title} />
      {!(snapshot?.hasFrame && !snapshot.audioOnly) && <Poster key={poster} address={poster} />}
      {isOffline ? (
        <div class="overlay">{offline}</div>
      ) : (
        playback && snapshot && <Overlay playback={playback} snapshot={snapshot} />
      )}
      {canControl && (
        <Controls
          playback={playback}
          snapshot={snapshot}
          fullScreen={fullScreen}
          onPictureInPicture={() => video.current && togglePictureInPicture(video.current)}
        />
      )}
    </section>
  );
}

function Poster({ address }: { address: string | null }) {
  const [loaded, setLoaded] = useState(false);
  if (address === null) return null;
  // Without a still the image stays invisible, and the plain background is the poster.
  return <img class="poster" src={address} alt="" data-loaded={loaded} onLoad={() => setLoaded(true)} />;
}

function Overlay({ playback, snapshot }: { playback: Playback; snapshot: Snapshot }) {
  const { state, sentence } = snapshot;
  if (sentence) {
    return (
      <div class="overlay" role="alert">
        <p>{sentence}</p>
        <button type="button" class="button" onClick={() => playback.play()}>
          Try now
        </button>
      </div>
    );
  }
  if (snapshot.needsClick) {
    return (
      <div class="overlay" data-clear="true">
        <button type="button" class="big-play" aria-label="Play" onClick={() => playback.play()}>
          <Icon name="play" />
        </button>
      </div>
    );
  }
  if (state === "ended") {
    return (
      <div class="overlay">
        <p>This broadcast has ended.</p>
      </div>
    );
  }
  return (
    <>
      {(state === "starting" || state === "buffering") && <div class="spinner" role="progressbar" aria-label="Loading the video" />}
      {snapshot.audioOnly && <p class="audio-only">Sound only</p>}
      {snapshot.mutedByBrowser && snapshot.hasFrame && (
        <button type="button" class="button unmute" onClick={() => playback.setMuted(false)}>
          <Icon name="muted" /> Unmute
        </button>
      )}
    </>
  );
}
