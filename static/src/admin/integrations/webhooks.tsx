// Webhooks: which addresses are told what happens here.
import { useState } from "preact/hooks";
import { get, post, type Schemas } from "../../api/client";
import { Button } from "../../kit/button";
import { Confirm } from "../../kit/dialog";
import { TextField } from "../../kit/field";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { Table } from "../../kit/table";
import { complain } from "../../kit/toast";
import { t } from "../../words";
import { FormDialog } from "../form-dialog";
import { LastUsed } from "./last-used";

type Webhook = Schemas["WebhookView"];

const EVENTS = [
  "STREAM_STARTED",
  "STREAM_STOPPED",
  "STREAM_TITLE_UPDATED",
  "CHAT",
  "USER_JOINED",
  "USER_PARTED",
  "NAME_CHANGE",
  "VISIBILITY-UPDATE",
] as const;

export default function Webhooks() {
  const webhooks = useResource(() => get("/api/admin/webhooks"), []);
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Webhook | null>(null);
  const add = (
    <Button kind="primary" onClick={() => setAdding(true)}>
      {t("webhooks.add")}
    </Button>
  );
  return (
    <>
      <p class="lead">{t("webhooks.lead")}</p>
      <Loaded resource={webhooks}>
        {(found) => (
          <>
            {found.length > 0 && <p>{add}</p>}
            <Table
              caption={t("nav.webhooks")}
              rows={found}
              keyOf={(webhook) => webhook.id}
              text={(webhook) => webhook.url}
              empty={
                <Empty title={t("webhooks.none")} action={add}>
                  {t("webhooks.noneHelp")}
                </Empty>
              }
              columns={[
                {
                  label: t("webhooks.url"),
                  cell: (webhook) => (
                    <span>
                      {webhook.url} {!webhook.active && <span class="badge">{t("webhooks.gone")}</span>}
                    </span>
                  ),
                  sort: (webhook) => webhook.url,
                },
                { label: t("webhooks.events"), cell: (webhook) => webhook.events.map(nameOf).join(", ") },
                { label: t("lastUsed"), cell: (webhook) => <LastUsed at={webhook.lastUsed} />, sort: (webhook) => webhook.lastUsed ?? "" },
              ]}
              actions={(webhook) => (
                <Button kind="quiet" onClick={() => setRemoving(webhook)}>
                  {t("delete")}
                </Button>
              )}
            />
          </>
        )}
      </Loaded>
      {adding && <AddWebhook onMade={webhooks.reload} onClose={() => setAdding(false)} />}
      {removing && (
        <Confirm
          title={t("webhooks.remove")}
          verb={t("delete")}
          onClose={() => setRemoving(null)}
          onConfirm={() => post("/api/admin/webhooks/delete", { id: removing.id }).then(webhooks.reload, complain)}
        >
          <p>{t("webhooks.removeHelp", { url: removing.url })}</p>
        </Confirm>
      )}
    </>
  );
}

function AddWebhook({ onMade, onClose }: { onMade: () => Promise<void>; onClose: () => void }) {
  const [url, setUrl] = useState("");
  const [events, setEvents] = useState<readonly string[]>(["STREAM_STARTED", "STREAM_STOPPED"]);

  async function make() {
    await post("/api/admin/webhooks/create", { url, events: [...events] });
    await onMade();
  }

  return (
    <FormDialog
      title={t("webhooks.add")}
      verb={t("add")}
      ready={url.trim() !== "" && events.length > 0}
      onSave={make}
      onClose={onClose}
    >
      {(problem) => (
        <>
          <TextField label={t("webhooks.url")} help={t("webhooks.urlHelp")} type="url" placeholder="https://example.org/hook" value={url} onChange={setUrl} error={problem} />
          <fieldset class="choices">
            <legend class="field-label">{t("webhooks.events")}</legend>
            {EVENTS.map((event) => (
              <label key={event} class="choice">
                <input
                  type="checkbox"
                  checked={events.includes(event)}
                  onChange={({ currentTarget }) => setEvents(currentTarget.checked ? [...events, event] : events.filter((each) => each !== event))}
                />
                <span>
                  {nameOf(event)} <code class="quiet">{event}</code>
                </span>
              </label>
            ))}
          </fieldset>
        </>
      )}
    </FormDialog>
  );
}

function nameOf(event: string): string {
  return (EVENTS as readonly string[]).includes(event) ? t(`event.${event as (typeof EVENTS)[number]}`) : event;
}
