// Emoji: the server's own, by the names that people write in chat.
import { useEffect, useState } from "preact/hooks";
import { get, post, type Schemas } from "../../api/client";
import { bytes } from "../../format";
import { Button } from "../../kit/button";
import { dataUrl, Drop } from "../../kit/drop";
import { TextField } from "../../kit/field";
import { Icon } from "../../kit/icon";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { complain, tell } from "../../kit/toast";
import { plural, t } from "../../words";
import { useGuard } from "../router";
import "../../styles/admin-content.css";

type Emoji = Schemas["EmojiView"];

const MAX_BYTES = 1_000_000;
const MAX_SIDE = 1_024;
const MAX_COUNT = 500;
const ACCEPT = "image/png,image/gif,image/webp,image/jpeg";

interface Waiting {
  id: number;
  file: File;
  address: string;
  name: string;
  problem: string;
}

let last = 0;

export default function EmojiPage() {
  const emoji = useResource(() => get("/api/emoji"), []);
  return (
    <>
      <p class="lead">{t("emoji.lead")}</p>
      <Upload onDone={emoji.reload} taken={emoji.state === "ready" ? emoji.data.map(({ name }) => name) : []} />
      <Loaded resource={emoji}>{(found) => (found.length ? <Grid emoji={found} onChange={emoji.reload} /> : <Empty title={t("emoji.none")}>{t("emoji.noneHelp")}</Empty>)}</Loaded>
    </>
  );
}

function Grid({ emoji, onChange }: { emoji: readonly Emoji[]; onChange: () => Promise<void> }) {
  async function remove({ name, url }: Emoji) {
    try {
      // Kept for the way back.
      const picture = await fetch(url).then((answer) => (answer.ok ? answer.blob() : null));
      await post("/api/admin/emoji/delete", { name });
      await onChange();
      const back = async (blob: Blob) => {
        await post("/api/admin/emoji/upload", { name, data: await dataUrl(blob) });
        await onChange();
      };
      tell(t("emoji.removed", { name }), picture && (() => void back(picture).catch(complain)));
    } catch (error) {
      complain(error);
    }
  }

  return (
    <section class="section" aria-label={t("nav.emoji")}>
      <p class="quiet">{plural("emoji.count", emoji.length, { most: MAX_COUNT })}</p>
      <ul class="emoji-grid">
        {emoji.map((each) => (
          <li key={each.name} class="emoji-card">
            <img src={each.url} alt="" loading="lazy" width={48} height={48} />
            <code>:{each.name}:</code>
            <button type="button" class="icon-button" aria-label={t("emoji.remove", { name: each.name })} title={t("emoji.remove", { name: each.name })} onClick={() => void remove(each)}>
              <Icon name="remove" />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Upload({ onDone, taken }: { onDone: () => Promise<void>; taken: readonly string[] }) {
  const [waiting, setWaiting] = useState<readonly Waiting[]>([]);
  useGuard(waiting.length > 0);
  useEffect(() => () => waiting.forEach(({ address }) => URL.revokeObjectURL(address)), []);

  function take(files: File[]) {
    const found = files.map((file) => ({ id: (last += 1), file, address: URL.createObjectURL(file), name: nameOf(file), problem: "" }));
    setWaiting((before) => [...before, ...found]);
  }

  const change = (id: number, values: Partial<Waiting>) => setWaiting((before) => before.map((each) => (each.id === id ? { ...each, ...values } : each)));
  const drop = ({ id, address }: Waiting) => {
    URL.revokeObjectURL(address);
    setWaiting((before) => before.filter((each) => each.id !== id));
  };

  async function send() {
    let added = 0;
    for (const each of waiting) {
      try {
        await post("/api/admin/emoji/upload", { name: each.name.trim(), data: await dataUrl(each.file) });
        drop(each);
        added += 1;
      } catch (error) {
        change(each.id, { problem: (error as Error).message });
      }
    }
    if (added) {
      tell(plural("emoji.added", added));
      await onDone();
    }
  }

  return (
    <section class="section" aria-label={t("emoji.upload")}>
      <Drop label={t("emoji.choose")} accept={ACCEPT} multiple onFiles={take}>
        {t("emoji.limits", { size: bytes(MAX_BYTES), side: MAX_SIDE })}
      </Drop>
      {waiting.length > 0 && (
        <>
          <ul class="rows">
            {waiting.map((each) => (
              <li key={each.id} class="row emoji-waiting">
                <img src={each.address} alt="" width={48} height={48} />
                <div class="row-main">
                  <TextField
                    label={t("emoji.name")}
                    help={taken.includes(each.name.trim()) ? t("emoji.taken") : t("emoji.nameHelp", { name: each.name })}
                    value={each.name}
                    error={each.problem}
                    onChange={(name) => change(each.id, { name, problem: "" })}
                  />
                </div>
                <button type="button" class="icon-button" aria-label={t("removeWord", { word: each.file.name })} onClick={() => drop(each)}>
                  <Icon name="close" />
                </button>
              </li>
            ))}
          </ul>
          <p class="buttons">
            <Button kind="primary" onClick={send}>
              {plural("emoji.send", waiting.length)}
            </Button>
            <Button onClick={() => waiting.forEach(drop)}>{t("admin.discard")}</Button>
          </p>
        </>
      )}
    </section>
  );
}

/** The file's name without its ending, as far as it can be one of an emoji. */
function nameOf(file: File): string {
  return file.name.replace(/\.\w+$/, "").replace(/[^A-Za-z0-9_-]+/g, "_");
}
