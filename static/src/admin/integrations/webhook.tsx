// One webhook: what was delivered there, and what can be done about it.
import { useState } from "preact/hooks";
import { post, type Schemas } from "../../api/client";
import { Button } from "../../kit/button";
import { Confirm } from "../../kit/dialog";
import { Switch } from "../../kit/field";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { complain, tell } from "../../kit/toast";
import { t } from "../../words";
import { go, Link } from "../router";
import { activate, change, type Subscription, subscriptionsOf, test, type Tested } from "./deliveries";
import { DeliveryList } from "./delivery-list";
import { nameOf } from "./events";
import { LastUsed } from "./last-used";
import { AgainDialog, SecretDialog, TestDialog } from "./subscription-tools";

type Webhook = Schemas["WebhookView"];

/** `webhook` is null where there is none of that id. */
export function WebhookPage({ webhook, reload }: { webhook: Webhook | null; reload: () => Promise<void> }) {
  return (
    <>
      <p>
        <Link to="/webhooks">{t("webhooks.all")}</Link>
      </p>
      {webhook ? <Known webhook={webhook} reload={reload} /> : <Empty title={t("webhooks.unknown")}>{t("webhooks.unknownHelp")}</Empty>}
    </>
  );
}

function Known({ webhook, reload }: { webhook: Webhook; reload: () => Promise<void> }) {
  const { id, url, events, active, lastUsed, signed } = webhook;
  const subscriptions = useResource(() => subscriptionsOf(id), [id]);
  const [asking, setAsking] = useState<"delete" | "secret" | null>(null);
  const [secret, setSecret] = useState("");

  async function remove() {
    try {
      await post("/api/admin/webhooks/delete", { id });
      go("/webhooks");
      await reload();
    } catch (error) {
      complain(error);
    }
  }

  async function renew() {
    try {
      const renewed = await post("/api/admin/webhooks/secret", { id });
      // The question makes room at once: no dialog over another.
      setAsking(null);
      setSecret(renewed.secret ?? "");
      await reload();
    } catch (error) {
      complain(error);
    }
  }

  return (
    <>
      <section class="section">
        <h2 class="webhook-url">{url}</h2>
        <dl class="facts">
          <div>
            <dt>{t("webhooks.events")}</dt>
            <dd>{events.map(nameOf).join(", ")}</dd>
          </div>
          <div>
            <dt>{t("lastUsed")}</dt>
            <dd>
              <LastUsed at={lastUsed} />
            </dd>
          </div>
          <div>
            <dt>{t("webhooks.signed")}</dt>
            <dd>{t(signed ? "webhooks.isSigned" : "webhooks.isNotSigned")}</dd>
          </div>
        </dl>
      </section>
      <Loaded resource={subscriptions}>
        {(found) => (
          <>
            {!active && found[0] && <Off first={found[0]} reload={reload} />}
            <p class="buttons">
              {found[0] && <TestButton subscription={found[0]._id} />}
              <Button onClick={() => setAsking("secret")}>{t("secret.new")}</Button>
              <Button kind="quiet" onClick={() => setAsking("delete")}>
                {t("delete")}
              </Button>
            </p>
            {found[0] && <InOrder subscription={found[0]} reload={subscriptions.reload} />}
            <Deliveries subscriptions={found.map((each) => each._id)} />
          </>
        )}
      </Loaded>
      {asking === "delete" && (
        <Confirm title={t("webhooks.remove")} verb={t("delete")} onClose={() => setAsking(null)} onConfirm={remove}>
          <p>{t("webhooks.removeHelp", { url })}</p>
        </Confirm>
      )}
      {asking === "secret" && (
        <Confirm title={t("secret.ask")} verb={t("secret.new")} onClose={() => setAsking(null)} onConfirm={renew}>
          <p>{t(signed ? "secret.former" : "secret.first")}</p>
        </Confirm>
      )}
      {secret && <SecretDialog title={t("secret.new")} secret={secret} renewed={signed} onClose={() => setSecret("")} />}
    </>
  );
}

/** It answered that it wants nothing any more. */
function Off({ first, reload }: { first: Subscription; reload: () => Promise<void> }) {
  const on = () => activate(first._id, true).then(reload).then(() => tell(t("webhooks.isOn")), complain);
  return (
    <div class="notice" data-kind="warning">
      <p>{t("webhooks.goneHelp")}</p>
      <Button onClick={on}>{t("webhooks.switchOn")}</Button>
    </div>
  );
}

function TestButton({ subscription }: { subscription: string }) {
  const [tested, setTested] = useState<Tested | null>(null);
  return (
    <>
      <Button onClick={() => test(subscription).then(setTested, complain)}>{t("test.send")}</Button>
      {tested && <TestDialog tested={tested} onClose={() => setTested(null)} />}
    </>
  );
}

function InOrder({ subscription: { _id, ordered }, reload }: { subscription: Subscription; reload: () => Promise<void> }) {
  const turn = (on: boolean) => change(_id, { ordered: on }).then(reload).then(() => tell(t("admin.saved")), complain);
  return (
    <div class="narrow">
      <Switch label={t("webhooks.ordered")} help={t("webhooks.orderedHelp")} checked={ordered} onChange={(on) => void turn(on)} />
    </div>
  );
}

function Deliveries({ subscriptions }: { subscriptions: readonly string[] }) {
  const [failed, setFailed] = useState(0);
  const [asking, setAsking] = useState(false);
  const [round, setRound] = useState(0);
  return (
    <section class="section">
      <div class="section-head">
        <h2>{t("nav.deliveries")}</h2>
        {failed > 0 && <Button onClick={() => setAsking(true)}>{t("deliveries.againMany")}</Button>}
      </div>
      <DeliveryList key={round} subscriptions={subscriptions} first="all" onFailed={setFailed} />
      {asking && <AgainDialog subscriptions={subscriptions} onDone={() => setRound(round + 1)} onClose={() => setAsking(false)} />}
    </section>
  );
}
