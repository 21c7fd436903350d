// Keys of channels: with what overlays, games and second screens come in, and what each may do there.
import { useState } from "preact/hooks";
import { get, post, type Schemas } from "../../api/client";
import { Button } from "../../kit/button";
import { Copyable } from "../../kit/copy";
import { Confirm, Dialog } from "../../kit/dialog";
import { Switch, TextField, WordsField } from "../../kit/field";
import { Moment } from "../../kit/moment";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { Table } from "../../kit/table";
import { complain } from "../../kit/toast";
import { plural, rich, t } from "../../words";
import { FormDialog, Problem } from "../form-dialog";
import { capabilityOf, type Choice, CHOICES, permissionsOf } from "./capability";
import "../../styles/admin-content.css";

type ChannelKey = Schemas["ChannelKeyView"];

const EXAMPLE = '{"chat": ["subscribe"]}';
/** As many channels of a key as are read at a glance; all are in its JSON. */
const SHOWN = 4;

export default function Keys() {
  const keys = useResource(() => get("/api/admin/channels/keys"), []);
  const [adding, setAdding] = useState(false);
  const [revoking, setRevoking] = useState<ChannelKey | null>(null);
  const add = (
    <Button kind="primary" onClick={() => setAdding(true)}>
      {t("channelKeys.add")}
    </Button>
  );
  return (
    <>
      <p class="lead">{t("channelKeys.lead")}</p>
      <Loaded resource={keys}>
        {(found) => (
          <>
            {found.length > 0 && <p>{add}</p>}
            <Table
              caption={t("nav.channelKeys")}
              rows={found}
              keyOf={(key) => key.key}
              text={(key) => `${key.name} ${key.key} ${key.capability}`}
              empty={
                <Empty title={t("channelKeys.none")} action={add}>
                  {t("channelKeys.noneHelp")}
                </Empty>
              }
              columns={[
                { label: t("channelKeys.name"), cell: (key) => <Name of={key} />, sort: (key) => key.name },
                { label: t("channelKeys.may"), cell: (key) => <May of={key} /> },
                { label: t("channelKeys.made"), cell: (key) => <Moment at={key.createdAt} />, sort: (key) => key.createdAt },
              ]}
              actions={(key) =>
                key.revokedAt === null && (
                  <Button kind="quiet" onClick={() => setRevoking(key)}>
                    {t("channelKeys.revoke")}
                  </Button>
                )
              }
            />
          </>
        )}
      </Loaded>
      {adding && <AddKey onMade={keys.reload} onClose={() => setAdding(false)} />}
      {revoking && (
        <Confirm
          title={t("channelKeys.revokeAsk", { name: revoking.name || revoking.key })}
          verb={t("channelKeys.revoke")}
          onClose={() => setRevoking(null)}
          onConfirm={() => post("/api/admin/channels/keys/revoke", { key: revoking.key }).then(keys.reload, complain)}
        >
          <p>{t("channelKeys.revokeHelp")}</p>
        </Confirm>
      )}
    </>
  );
}

function Name({ of: key }: { of: ChannelKey }) {
  return (
    <span class="lane">
      {key.name && <bdi>{key.name}</bdi>}
      <code class="address">{key.key}</code>
      {key.revokedAt !== null && (
        <span>
          <span class="badge" data-kind="bad">
            {t("channelKeys.revoked")}
          </span>{" "}
          <Moment at={key.revokedAt} />
        </span>
      )}
      {key.revocable && key.revokedAt === null && <span class="quiet">{t("channelKeys.isRevocable")}</span>}
    </span>
  );
}

function May({ of: key }: { of: ChannelKey }) {
  const permissions = permissionsOf(key.capability);
  return (
    <div class="lane">
      {permissions === null && <span>{t("channelKeys.choice.everything")}</span>}
      {permissions?.slice(0, SHOWN).map(({ channel, operations }, at) => (
        <span key={at}>{rich("channelKeys.permission", { channel: <bdi>{channel}</bdi>, operations })}</span>
      ))}
      {permissions && permissions.length > SHOWN && <span class="quiet">{plural("channelKeys.more", permissions.length - SHOWN)}</span>}
      <details class="details">
        <summary>{t("channelKeys.json")}</summary>
        <code class="capability">{key.capability}</code>
      </details>
    </div>
  );
}

function AddKey({ onMade, onClose }: { onMade: () => Promise<void>; onClose: () => void }) {
  const [name, setName] = useState("");
  const [choice, setChoice] = useState<Choice>("listen");
  const [channels, setChannels] = useState<readonly string[]>([]);
  const [own, setOwn] = useState(EXAMPLE);
  const [revocable, setRevocable] = useState(true);
  const [made, setMade] = useState("");
  const said = { everything: true, listen: true, named: channels.length > 0, own: own.trim() !== "" }[choice];

  async function make() {
    const capability = capabilityOf(choice, channels, own);
    setMade((await post("/api/admin/channels/keys/create", { name, revocable, capability, app: "owncast" })).value ?? "");
    await onMade();
  }

  if (made) {
    return (
      <Dialog
        title={t("channelKeys.added")}
        onClose={onClose}
        actions={
          <Button kind="primary" onClick={onClose}>
            {t("channelKeys.done")}
          </Button>
        }
      >
        <p>{t("channelKeys.once")}</p>
        <Copyable label={t("channelKeys.key")} value={made} />
        <p class="quiet">{t("channelKeys.secretHelp")}</p>
      </Dialog>
    );
  }
  return (
    <FormDialog title={t("channelKeys.add")} verb={t("add")} ready={said && name.trim() !== ""} onSave={make} onSaved={() => undefined} onClose={onClose}>
      {(problem) => (
        <>
          <TextField label={t("channelKeys.name")} help={t("channelKeys.nameHelp")} value={name} onChange={setName} maxLength={120} />
          <fieldset class="choices">
            <legend class="field-label">{t("channelKeys.may")}</legend>
            {CHOICES.map((each) => (
              <label key={each} class="choice">
                <input type="radio" name="capability" checked={choice === each} onChange={() => setChoice(each)} />
                <span>
                  {t(`channelKeys.choice.${each}`)}
                  <br />
                  <span class="quiet">{t(`channelKeys.choiceHelp.${each}`)}</span>
                </span>
              </label>
            ))}
          </fieldset>
          {choice === "named" && (
            <WordsField label={t("channelKeys.channels")} help={t("channelKeys.channelsHelp")} placeholder="scores" value={[...channels]} onChange={setChannels} />
          )}
          {choice === "own" && <TextField label={t("channelKeys.json")} help={t("channelKeys.jsonHelp")} rows={4} code value={own} onChange={setOwn} />}
          <Switch label={t("channelKeys.revocable")} help={t("channelKeys.revocableHelp")} checked={revocable} onChange={setRevocable} />
          {problem && <Problem>{problem}</Problem>}
        </>
      )}
    </FormDialog>
  );
}
