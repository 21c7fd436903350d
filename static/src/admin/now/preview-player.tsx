// The show, playing small and without sound. It is the viewers' player without their controls, and reports nothing.
import { useEffect, useRef, useState } from "preact/hooks";
import { delay } from "../../format";
import { Playback } from "../../player/playback";
import type { Snapshot } from "../../player/snapshot";
import { t } from "../../words";

const SOURCE = "/hls/stream.m3u8";

export function PreviewPlayer() {
  const video = useRef<HTMLVideoElement>(null);
  const [snapshot, setSnapshot] = useState<Snapshot | null>(null);

  useEffect(() => {
    if (!video.current) return undefined;
    const playback = new Playback(video.current, SOURCE);
    // Here only: what the player remembers of its loudness stays.
    video.current.muted = true;
    const stop = playback.run();
    playback.subscribe(setSnapshot);
    playback.follow("preview");
    return stop;
  }, []);

  const failed = snapshot?.state === "failed" || snapshot?.state === "retrying";
  return (
    <>
      <video ref={video} class="preview-picture" playsInline controls muted aria-label={t("preview")} />
      <p class="quiet" role="status">
        {failed ? t("preview.fails") : snapshot?.latency != null ? t("preview.behind", { delay: delay(snapshot.latency) }) : ""}
      </p>
    </>
  );
}
