// What lies over the picture while there is something to say: a failure, a wait, sound that is off.
import { Icon } from "../kit/icon";
import { t } from "../words";
import type { Playback } from "./playback";
import type { Snapshot } from "./snapshot";

export function Overlay({ playback, snapshot }: { playback: Playback; snapshot: Snapshot }) {
  const { state, sentence } = snapshot;
  if (sentence) return <Failure sentence={sentence} onRetry={() => playback.play()} />;
  if (snapshot.needsClick) {
    return (
      <div class="overlay" data-clear="true">
        <button type="button" class="big-play" aria-label={t("player.play")} onClick={() => playback.play()}>
          <Icon name="play" />
        </button>
      </div>
    );
  }
  if (state === "ended" || snapshot.lost) {
    return (
      <div class="overlay" role="status">
        <p>{t(state === "ended" ? "player.ended" : "player.lost")}</p>
      </div>
    );
  }
  return (
    <>
      {(state === "starting" || state === "buffering") && <div class="wait" role="progressbar" aria-label={t("player.loading")} />}
      {snapshot.audioOnly && <p class="audio-only">{t("player.audioOnly")}</p>}
      {snapshot.mutedByBrowser && snapshot.hasFrame && (
        <button type="button" class="button unmute" onClick={() => playback.setMuted(false)}>
          <Icon name="muted" /> {t("player.unmute")}
        </button>
      )}
    </>
  );
}

/** What went wrong, and a button. */
export function Failure({ sentence, onRetry }: { sentence: string; onRetry: () => void }) {
  return (
    <div class="overlay" role="alert">
      <p>{sentence}</p>
      <button type="button" class="button" onClick={onRetry}>
        {t("player.tryNow")}
      </button>
    </div>
  );
}
