// The question before a stream that is not for every place. It is asked once for as long as the browser's window is open.
import { useState } from "preact/hooks";
import { t } from "../words";

const KEY = "owncast.nsfw";

/** Whether the stream may be shown, and a function that says so. */
export function useConsent(nsfw: boolean): [boolean, () => void] {
  const [given, setGiven] = useState(recall);
  const give = () => {
    setGiven(true);
    try {
      sessionStorage.setItem(KEY, "yes");
    } catch {
      // Storage is denied; it is asked again on the next page.
    }
  };
  return [given || !nsfw, give];
}

function recall(): boolean {
  try {
    return sessionStorage.getItem(KEY) === "yes";
  } catch {
    return false;
  }
}

/** Stands where the player will be; nothing of the stream is seen or fetched meanwhile. */
export function Nsfw({ name, onShow }: { name: string; onShow: () => void }) {
  return (
    <section class="player" data-state="offline" aria-label={t("player")}>
      <div class="overlay offline">
        <p class="offline-name">{t("nsfw.title")}</p>
        <p>{t("nsfw.explanation", { name })}</p>
        <button type="button" class="button" onClick={onShow}>
          {t("nsfw.show")}
        </button>
      </div>
    </section>
  );
}
