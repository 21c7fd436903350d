// The playback of one <video>, for as long as it is on the page. Its code is fetched after the page has been drawn.
import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";
import { publishDiagnostics } from "./diagnostics";
import type { Playback } from "./playback";
import { reportPlayback } from "./report";
import type { Snapshot } from "./snapshot";

export const SOURCE = "/hls/stream.m3u8";

interface Played {
  playback: Playback | null;
  snapshot: Snapshot | null;
  /** Whether its code did not come; `retry` asks for it again. */
  failed: boolean;
  retry: () => void;
}

export function usePlayback(video: RefObject<HTMLVideoElement | null>): Played {
  const [playback, setPlayback] = useState<Playback | null>(null);
  const [snapshot, setSnapshot] = useState<Snapshot | null>(null);
  const [failed, setFailed] = useState(false);

  useEffect(() => {
    if (failed) return undefined;
    const ending = new AbortController();
    import("./playback").then(
      (code) => {
        if (ending.signal.aborted || !video.current) return;
        const made = new code.Playback(video.current, SOURCE);
        publishDiagnostics(made, video.current);
        setPlayback(made);
        const stop = made.run();
        made.subscribe(setSnapshot);
        const stopReporting = reportPlayback(made);
        ending.signal.addEventListener("abort", () => {
          stopReporting();
          stop();
        });
      },
      () => ending.signal.aborted || setFailed(true),
    );
    return () => ending.abort();
  }, [failed]);

  return { playback, snapshot, failed, retry: () => setFailed(false) };
}
