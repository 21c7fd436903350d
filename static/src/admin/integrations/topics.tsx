// Topics: what can be subscribed to, the server's own and the owner's, and who is subscribed.
import { useRef, useState } from "preact/hooks";
import { ask, get, post } from "../../api/client";
import { Button } from "../../kit/button";
import { Confirm } from "../../kit/dialog";
import { TextField } from "../../kit/field";
import { Icon } from "../../kit/icon";
import { Menu, type MenuItem } from "../../kit/menu";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { Table } from "../../kit/table";
import { complain, tell } from "../../kit/toast";
import { t } from "../../words";
import { FormDialog } from "../form-dialog";
import { channelName } from "./channels";
import { activate, idIn, renewSecret, type Subscription, test, type Tested, type Topic, topics } from "./deliveries";
import { nameOf } from "./events";
import { Subscribe } from "./subscribe";
import { SecretDialog, TestDialog } from "./subscription-tools";

const PAGE = 100;
/** The domain of the server's own. */
const OURS = "owncast";

export default function Topics() {
  const found = useResource(topics, []);
  // How many are asked for: what is there stays while more come.
  const limit = useRef(PAGE);
  const subscriptions = useResource(() => get("/notifications/subscriptions", { limit: limit.current, sortBy: "-id" }), []);
  const [subscribing, setSubscribing] = useState<Topic | null>(null);
  return (
    <>
      <p class="lead">{t("topics.lead")}</p>
      <Loaded resource={found}>
        {(all) => (
          <>
            <AllTopics topics={all} reload={found.reload} onSubscribe={setSubscribing} />
            <section class="section">
              <h2>{t("topics.subscriptions")}</h2>
              <Loaded resource={subscriptions}>
                {({ count, _embedded: { items } }) => (
                  <>
                    <Subscriptions subscriptions={items} topics={all} reload={subscriptions.reload} />
                    {count > items.length && (
                      <p>
                        <Button
                          onClick={() => {
                            limit.current += PAGE;
                            return subscriptions.reload();
                          }}
                        >
                          {t("showMore", { count: count - items.length })}
                        </Button>
                      </p>
                    )}
                  </>
                )}
              </Loaded>
            </section>
          </>
        )}
      </Loaded>
      {subscribing && <Subscribe topic={subscribing} onMade={subscriptions.reload} onClose={() => setSubscribing(null)} />}
    </>
  );
}

interface AllProps {
  topics: readonly Topic[];
  reload: () => Promise<void>;
  onSubscribe: (topic: Topic) => void;
}

function AllTopics({ topics: all, reload, onSubscribe }: AllProps) {
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Topic | null>(null);
  const add = (
    <Button kind="primary" onClick={() => setAdding(true)}>
      {t("topics.add")}
    </Button>
  );
  return (
    <section class="section">
      <p>{add}</p>
      <Table
        caption={t("nav.topics")}
        rows={all}
        keyOf={(topic) => topic._id}
        text={(topic) => `${topic.domain} ${topic.name}`}
        empty={<Empty title={t("topics.none")} action={add} />}
        columns={[
          { label: t("topics.name"), cell: (topic) => titleOf(topic), sort: titleOf },
          { label: t("topics.domain"), cell: (topic) => (topic.domain === OURS ? t("topics.ours") : topic.domain), sort: (topic) => topic.domain },
        ]}
        actions={(topic) => (
          <span class="buttons">
            {topic.domain !== OURS && (
              <Button kind="quiet" onClick={() => setRemoving(topic)}>
                {t("delete")}
              </Button>
            )}
            <Button onClick={() => onSubscribe(topic)}>{t("topics.subscribe")}</Button>
          </span>
        )}
      />
      {adding && <AddTopic onMade={reload} onClose={() => setAdding(false)} />}
      {removing && (
        <Confirm
          title={t("topics.remove", { name: removing.name })}
          verb={t("delete")}
          onClose={() => setRemoving(null)}
          onConfirm={() => ask("DELETE", `/notifications/topics/${removing._id}`).then(reload, complain)}
        >
          <p>{t("topics.removeHelp")}</p>
        </Confirm>
      )}
    </section>
  );
}

function titleOf({ domain, name }: Topic): string {
  return domain === OURS ? nameOf(name) : name;
}

function AddTopic({ onMade, onClose }: { onMade: () => Promise<void>; onClose: () => void }) {
  const [name, setName] = useState("");
  const [domain, setDomain] = useState("");

  async function make() {
    await post("/notifications/topics", { name: name.trim(), domain: domain.trim() });
    await onMade();
  }

  return (
    <FormDialog title={t("topics.add")} verb={t("add")} ready={name.trim() !== "" && domain.trim() !== ""} onSave={make} onClose={onClose}>
      {(problem) => (
        <>
          <TextField label={t("topics.name")} help={t("topics.nameHelp")} value={name} onChange={setName} maxLength={200} error={problem} />
          <TextField label={t("topics.domain")} help={t("topics.domainHelp")} value={domain} onChange={setDomain} maxLength={200} />
        </>
      )}
    </FormDialog>
  );
}

interface SubscriptionsProps {
  subscriptions: readonly Subscription[];
  topics: readonly Topic[];
  reload: () => Promise<void>;
}

function Subscriptions({ subscriptions, topics: all, reload }: SubscriptionsProps) {
  const [removing, setRemoving] = useState<Subscription | null>(null);
  const [tested, setTested] = useState<Tested | null>(null);
  const [renewing, setRenewing] = useState<Subscription | null>(null);
  const [secret, setSecret] = useState("");
  const names = new Map(all.map((topic) => [topic._id, titleOf(topic)]));
  const nameOfTopic = (subscription: Subscription) => names.get(idIn(subscription._links, "apiture:topic")) ?? "";

  function items(subscription: Subscription): MenuItem[] {
    const { _id, state, deliveryMethod, deliveryChannel } = subscription;
    const on = state === "active";
    const pushed = deliveryMethod === "push";
    const turn = { label: t(on ? "subscription.off" : "subscription.on"), onSelect: () => void activate(_id, !on).then(reload, complain) };
    const sample = { label: t("test.send"), onSelect: () => void test(_id).then(setTested, complain) };
    const fresh = { label: t("secret.new"), onSelect: () => setRenewing(subscription) };
    return [
      turn,
      ...(pushed ? [sample] : []),
      ...(pushed && deliveryChannel === "webhook" ? [fresh] : []),
      { label: t("delete"), danger: true, onSelect: () => setRemoving(subscription) },
    ];
  }

  async function renew({ _id }: Subscription) {
    try {
      const made = await renewSecret(_id);
      // The question makes room at once: no dialog over another.
      setRenewing(null);
      setSecret(made);
    } catch (error) {
      complain(error);
    }
  }

  async function remove({ _id }: Subscription) {
    try {
      await ask("DELETE", `/notifications/subscriptions/${_id}`);
      await reload();
      tell(t("subscription.removed"));
    } catch (error) {
      complain(error);
    }
  }

  return (
    <>
      <Table
        caption={t("topics.subscriptions")}
        rows={subscriptions}
        pageSize={Number.POSITIVE_INFINITY}
        keyOf={(subscription) => subscription._id}
        text={(subscription) => `${nameOfTopic(subscription)} ${whereOf(subscription)} ${channelName(subscription)}`}
        empty={<Empty title={t("subscription.none")}>{t("subscription.noneHelp")}</Empty>}
        columns={[
          { label: t("topics.name"), cell: nameOfTopic, sort: nameOfTopic },
          {
            label: t("queue.where"),
            cell: (subscription) => (
              <span class="lane">
                <span class="lane-host">{whereOf(subscription) || channelName(subscription)}</span>
                <span class="quiet">{whereOf(subscription) ? channelName(subscription) : <code>{subscription._id}</code>}</span>
              </span>
            ),
            sort: whereOf,
          },
          {
            label: t("queue.state"),
            cell: ({ state, authenticationState }) => (
              <span class="badge" data-kind={state === "active" ? "well" : "warning"}>
                {t(state === "active" ? "subscription.active" : authenticationState === "authenticated" ? "subscription.inactive" : "subscription.unmet")}
              </span>
            ),
            sort: (subscription) => subscription.state,
          },
        ]}
        actions={(subscription) => (
          <Menu label={`${t("actions")}: ${nameOfTopic(subscription)}, ${whereOf(subscription) || channelName(subscription)}`} items={items(subscription)}>
            <Icon name="more" />
          </Menu>
        )}
      />
      {removing && (
        <Confirm title={t("subscription.remove")} verb={t("delete")} onClose={() => setRemoving(null)} onConfirm={() => remove(removing)}>
          <p>{t("subscription.removeHelp")}</p>
        </Confirm>
      )}
      {renewing && (
        <Confirm title={t("secret.ask")} verb={t("secret.new")} onClose={() => setRenewing(null)} onConfirm={() => renew(renewing)}>
          <p>{t("secret.former")}</p>
        </Confirm>
      )}
      {tested && <TestDialog tested={tested} onClose={() => setTested(null)} />}
      {secret && <SecretDialog title={t("secret.new")} secret={secret} renewed onClose={() => setSecret("")} />}
    </>
  );
}

/** What comes after the host is a secret with some services. */
function whereOf({ endpoint, subscriberContent, deliveryChannel }: Subscription): string {
  const email = subscriberContent?.email;
  if (typeof email === "string") return email;
  const url = endpoint?.recipientUrl ?? "";
  return deliveryChannel === "webhook" || !URL.canParse(url) ? url : new URL(url).host;
}
