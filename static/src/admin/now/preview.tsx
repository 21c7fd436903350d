// What is on: the newest still picture, and on a press the show itself. A still costs next to nothing and counts nobody.
import { useState } from "preact/hooks";
import { Button } from "../../kit/button";
import { Icon } from "../../kit/icon";
import { lazy } from "../../kit/lazy";
import { useNow } from "../../kit/use-now";
import { t } from "../../words";

const STILL_MS = 10_000;

const PreviewPlayer = lazy(async () => (await import("./preview-player")).PreviewPlayer);

export function Preview({ online }: { online: boolean }) {
  const [playing, setPlaying] = useState(false);
  if (!online) return <p class="preview-none">{t("preview.none")}</p>;
  return (
    <div class="preview">
      {playing ? (
        <>
          <PreviewPlayer />
          <p>
            <Button onClick={() => setPlaying(false)}>{t("preview.stop")}</Button>
          </p>
        </>
      ) : (
        <Still onPlay={() => setPlaying(true)} />
      )}
    </div>
  );
}

function Still({ onPlay }: { onPlay: () => void }) {
  const at = Math.floor(useNow(true) / STILL_MS);
  const [failed, setFailed] = useState<number | null>(null);
  return (
    <>
      <button type="button" class="preview-still" onClick={onPlay} aria-label={t("preview.watch")}>
        {failed !== at && <img class="preview-picture" src={`/thumbnail.jpg?at=${at}`} alt="" onError={() => setFailed(at)} />}
        <span class="preview-play">
          <Icon name="play" />
        </span>
      </button>
      <p class="quiet">{t("preview.counts")}</p>
    </>
  );
}
