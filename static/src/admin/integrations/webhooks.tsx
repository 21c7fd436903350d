// Webhooks: which addresses are told what happens here. Each has a page of its own, which the address names.
import { useState } from "preact/hooks";
import { get, post, type Schemas } from "../../api/client";
import { Button } from "../../kit/button";
import { TextField } from "../../kit/field";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { Table } from "../../kit/table";
import { t } from "../../words";
import { FormDialog } from "../form-dialog";
import { Link, useQuery } from "../router";
import { EVENTS, nameOf } from "./events";
import { LastUsed } from "./last-used";
import { SecretDialog } from "./subscription-tools";
import { WebhookPage } from "./webhook";

type Webhook = Schemas["WebhookView"];

export default function Webhooks() {
  const webhooks = useResource(() => get("/api/admin/webhooks"), []);
  const opened = useQuery("webhook");
  return (
    <Loaded resource={webhooks}>
      {(found) =>
        opened ? (
          <WebhookPage key={opened} webhook={found.find(({ id }) => id === opened) ?? null} reload={webhooks.reload} />
        ) : (
          <List webhooks={found} reload={webhooks.reload} />
        )
      }
    </Loaded>
  );
}

function List({ webhooks, reload }: { webhooks: readonly Webhook[]; reload: () => Promise<void> }) {
  const [adding, setAdding] = useState(false);
  const add = (
    <Button kind="primary" onClick={() => setAdding(true)}>
      {t("webhooks.add")}
    </Button>
  );
  return (
    <>
      <p class="lead">{t("webhooks.lead")}</p>
      {webhooks.length > 0 && <p>{add}</p>}
      <Table
        caption={t("nav.webhooks")}
        rows={webhooks}
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
                <Link to={`/webhooks?webhook=${encodeURIComponent(webhook.id)}`} class="link-address">
                  {webhook.url}
                </Link>{" "}
                {!webhook.active && <span class="badge">{t("webhooks.gone")}</span>}
              </span>
            ),
            sort: (webhook) => webhook.url,
          },
          { label: t("webhooks.events"), cell: (webhook) => webhook.events.map(nameOf).join(", ") },
          { label: t("lastUsed"), cell: (webhook) => <LastUsed at={webhook.lastUsed} />, sort: (webhook) => webhook.lastUsed ?? "" },
        ]}
      />
      {adding && <AddWebhook onMade={reload} onClose={() => setAdding(false)} />}
    </>
  );
}

function AddWebhook({ onMade, onClose }: { onMade: () => Promise<void>; onClose: () => void }) {
  const [url, setUrl] = useState("");
  const [events, setEvents] = useState<readonly string[]>(["STREAM_STARTED", "STREAM_STOPPED"]);
  const [secret, setSecret] = useState("");

  async function make() {
    setSecret((await post("/api/admin/webhooks/create", { url, events: [...events] })).secret ?? "");
    await onMade();
  }

  if (secret) return <SecretDialog title={t("webhooks.made")} secret={secret} onClose={onClose} />;
  return (
    <FormDialog title={t("webhooks.add")} verb={t("add")} ready={url.trim() !== "" && events.length > 0} onSave={make} onSaved={() => undefined} onClose={onClose}>
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
