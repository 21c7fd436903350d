// Access tokens: what bots and programs act with, and what each may do.
import { useState } from "preact/hooks";
import { get, post, type Schemas } from "../../api/client";
import { Button } from "../../kit/button";
import { Copyable } from "../../kit/copy";
import { Confirm, Dialog } from "../../kit/dialog";
import { TextField } from "../../kit/field";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { Table } from "../../kit/table";
import { complain } from "../../kit/toast";
import { type Key, t } from "../../words";
import { FormDialog } from "../form-dialog";
import { LastUsed } from "./last-used";

type Token = Schemas["TokenView"];

/** What a token can be given, in words. */
const SCOPES: Readonly<Record<string, Key>> = {
  CAN_SEND_MESSAGES: "tokens.CAN_SEND_MESSAGES",
  CAN_SEND_SYSTEM_MESSAGES: "tokens.CAN_SEND_SYSTEM_MESSAGES",
  HAS_ADMIN_ACCESS: "tokens.HAS_ADMIN_ACCESS",
  "data/read": "tokens.dataRead",
  "data/write": "tokens.dataWrite",
  "data/delete": "tokens.dataDelete",
  "data/full": "tokens.dataFull",
};

export default function Tokens() {
  const tokens = useResource(() => get("/api/admin/accesstokens"), []);
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Token | null>(null);
  const add = (
    <Button kind="primary" onClick={() => setAdding(true)}>
      {t("tokens.add")}
    </Button>
  );
  return (
    <>
      <p class="lead">{t("tokens.lead")}</p>
      <Loaded resource={tokens}>
        {(found) => (
          <>
            {found.length > 0 && <p>{add}</p>}
            <Table
              caption={t("nav.tokens")}
              rows={found}
              keyOf={(token) => token.id}
              text={(token) => token.name}
              empty={
                <Empty title={t("tokens.none")} action={add}>
                  {t("tokens.noneHelp")}
                </Empty>
              }
              columns={[
                { label: t("tokens.name"), cell: (token) => token.name, sort: (token) => token.name },
                { label: t("tokens.scopes"), cell: (token) => token.scopes.map((scope) => nameOf(scope)).join(", ") },
                {
                  label: t("lastUsed"),
                  cell: (token) => <LastUsed at={token.lastUsedAt} />,
                  sort: (token) => token.lastUsedAt ?? "",
                },
              ]}
              actions={(token) => (
                <Button kind="quiet" onClick={() => setRemoving(token)}>
                  {t("delete")}
                </Button>
              )}
            />
          </>
        )}
      </Loaded>
      {adding && <AddToken onMade={tokens.reload} onClose={() => setAdding(false)} />}
      {removing && (
        <Confirm
          title={t("tokens.remove", { name: removing.name })}
          verb={t("delete")}
          onClose={() => setRemoving(null)}
          onConfirm={() => post("/api/admin/accesstokens/delete", { token: removing.id }).then(tokens.reload, complain)}
        >
          <p>{t("tokens.removeHelp")}</p>
        </Confirm>
      )}
    </>
  );
}

function AddToken({ onMade, onClose }: { onMade: () => Promise<void>; onClose: () => void }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly string[]>(["CAN_SEND_MESSAGES"]);
  const [made, setMade] = useState("");

  async function make() {
    setMade((await post("/api/admin/accesstokens/create", { name, scopes: [...scopes] })).token ?? "");
    await onMade();
  }

  if (made) {
    return (
      <Dialog
        title={name}
        onClose={onClose}
        actions={
          <Button kind="primary" onClick={onClose}>
            {t("tokens.done")}
          </Button>
        }
      >
        <p>{t("tokens.once")}</p>
        <Copyable label={t("tokens.token")} value={made} />
      </Dialog>
    );
  }
  return (
    <FormDialog
      title={t("tokens.add")}
      verb={t("add")}
      ready={name.trim() !== "" && scopes.length > 0}
      onSave={make}
      onSaved={() => undefined}
      onClose={onClose}
    >
      {(problem) => (
        <>
          <TextField label={t("tokens.name")} help={t("tokens.nameHelp")} value={name} onChange={setName} maxLength={100} error={problem} />
          <fieldset class="choices">
            <legend class="field-label">{t("tokens.scopes")}</legend>
            {Object.keys(SCOPES).map((scope) => (
              <label key={scope} class="choice">
                <input
                  type="checkbox"
                  checked={scopes.includes(scope)}
                  onChange={(event) =>
                    setScopes(event.currentTarget.checked ? [...scopes, scope] : scopes.filter((each) => each !== scope))
                  }
                />
                {nameOf(scope)}
              </label>
            ))}
          </fieldset>
        </>
      )}
    </FormDialog>
  );
}

function nameOf(scope: string): string {
  const known = SCOPES[scope];
  return known ? t(known) : scope;
}
