// The list of the player's keys, and where they work.
import { useState } from "preact/hooks";
import { Dialog } from "../kit/dialog";
import { type Key, t } from "../words";
import { recallKeysEverywhere, rememberKeysEverywhere } from "./preferences";

const KEYS: ReadonlyArray<readonly [keys: readonly string[], meaning: Key]> = [
  [["k"], "keys.play"],
  [["m"], "keys.mute"],
  [["↑", "↓"], "keys.volume"],
  [["←", "→"], "keys.seek"],
  [["l"], "keys.live"],
  [["f"], "keys.fullScreen"],
  [["t"], "keys.theatre"],
  [["c"], "keys.chat"],
  [["d"], "keys.stats"],
  [["?"], "keys.this"],
];

export function KeysDialog({ onClose }: { onClose: () => void }) {
  const [everywhere, setEverywhere] = useState(recallKeysEverywhere);
  return (
    <Dialog title={t("keys")} onClose={onClose}>
      <dl class="keys">
        {KEYS.map(([keys, meaning]) => (
          <div key={meaning}>
            <dt>
              {(meaning === "keys.play" ? [...keys, t("keys.space")] : keys).map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{t(meaning)}</dd>
          </div>
        ))}
      </dl>
      <label class="keys-where">
        {t("keys.everywhere")}
        <input
          class="switch"
          type="checkbox"
          role="switch"
          checked={everywhere}
          onChange={({ currentTarget: { checked } }) => {
            setEverywhere(checked);
            rememberKeysEverywhere(checked);
          }}
        />
      </label>
    </Dialog>
  );
}
