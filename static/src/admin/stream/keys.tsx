// What an encoder needs to publish: the server's address and a stream key, or the address for HLS.
import { useState } from "preact/hooks";
import { Button } from "../../kit/button";
import { Copyable } from "../../kit/copy";
import { Confirm } from "../../kit/dialog";
import { TextField } from "../../kit/field";
import { complain, tell } from "../../kit/toast";
import { t } from "../../words";
import { FormDialog } from "../form-dialog";
import { saveSetting } from "../form";
import { useServerConfig } from "../server-config";

interface StreamKey {
  key: string;
  comment: string;
}

const KEY_BYTES = 18;

/** A key that nobody guesses: 144 random bits. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}

/** Where an encoder connects to, as OBS wants it. */
export function rtmpAddress(port: number): string {
  return `rtmp://${location.hostname}${port === 1935 ? "" : `:${port}`}/live`;
}

export default function Keys() {
  const { config, reload } = useServerConfig();
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<StreamKey | null>(null);
  const [renewing, setRenewing] = useState(false);
  // The first may come from the configuration; it is valid beside the others and stays where it is.
  const [fixed, own] = config.streamKeyOverridden
    ? [config.streamKeys.slice(0, 1), config.streamKeys.slice(1)]
    : [[], config.streamKeys];

  async function change(keys: readonly StreamKey[]) {
    await saveSetting("streamkeys", keys);
    await reload();
    tell(t("admin.saved"));
  }

  async function renew() {
    await saveSetting("directhlsinput/renew", null);
    await reload();
    tell(t("admin.saved"));
  }

  return (
    <>
      <section class="section">
        <h2>{t("keys.server")}</h2>
        <p class="lead">{t("keys.serverHelp")}</p>
        <div class="narrow">
          <Copyable label={t("keys.server")} value={rtmpAddress(config.rtmpServerPort)} />
        </div>
      </section>
      <section class="section">
        <h2>{t("keys.keys")}</h2>
        <p class="lead">{t("keys.keysHelp")}</p>
        <ul class="rows">
          {[...fixed, ...own].map((each) => (
            <li key={each.key} class="row">
              <div class="row-main">
                <Copyable label={each.comment || t("keys.key")} value={each.key} secret />
                <span class="quiet">{fixed.includes(each) ? t("keys.fixed") : each.comment}</span>
              </div>
              {!fixed.includes(each) && config.streamKeys.length > 1 && (
                <Button kind="quiet" onClick={() => setRemoving(each)}>
                  {t("delete")}
                </Button>
              )}
            </li>
          ))}
        </ul>
        <p>
          <Button kind="primary" onClick={() => setAdding(true)}>
            {t("keys.add")}
          </Button>
        </p>
      </section>
      <section class="section">
        <h2>{t("keys.direct")}</h2>
        <p class="lead">{t("keys.directHelp")}</p>
        <Copyable label={t("keys.direct")} value={config.directhlsinputurl} secret />
        <p>
          <Button kind="quiet" onClick={() => setRenewing(true)}>
            {t("keys.renew")}
          </Button>
        </p>
      </section>
      {adding && <AddKey onAdd={(added) => change([...own, added])} onClose={() => setAdding(false)} />}
      {removing && (
        <Confirm
          title={t("keys.remove")}
          verb={t("delete")}
          onClose={() => setRemoving(null)}
          onConfirm={() => change(own.filter((each) => each.key !== removing.key)).catch(complain)}
        >
          <p>{t("keys.removeHelp", { comment: removing.comment || t("keys.key") })}</p>
        </Confirm>
      )}
      {renewing && (
        <Confirm
          title={t("keys.renewTitle")}
          verb={t("keys.renew")}
          onClose={() => setRenewing(false)}
          onConfirm={() => renew().catch(complain)}
        >
          <p>{t("keys.renewHelp")}</p>
        </Confirm>
      )}
    </>
  );
}

function AddKey({ onAdd, onClose }: { onAdd: (key: StreamKey) => Promise<void>; onClose: () => void }) {
  const [key, setKey] = useState(randomKey);
  const [comment, setComment] = useState("");

  return (
    <FormDialog
      title={t("keys.add")}
      verb={t("add")}
      onSave={() => onAdd({ key, comment })}
      onClose={onClose}
    >
      {(problem) => (
        <>
          <TextField label={t("keys.comment")} help={t("keys.commentHelp")} value={comment} onChange={setComment} maxLength={200} />
          <TextField label={t("keys.key")} help={t("keys.keyHelp")} value={key} onChange={setKey} error={problem} code />
        </>
      )}
    </FormDialog>
  );
}
