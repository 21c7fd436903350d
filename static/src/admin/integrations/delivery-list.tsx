// Deliveries, the newest first: each opens to its tries and to what was sent, and can be delivered again or deleted.
import { useId, useRef, useState } from "preact/hooks";
import { fullTime } from "../../format";
import { Button } from "../../kit/button";
import { Icon } from "../../kit/icon";
import { Moment } from "../../kit/moment";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { Table } from "../../kit/table";
import { complain, tell } from "../../kit/toast";
import { number, plural, t } from "../../words";
import { channelName } from "./channels";
import { again, type Attempt, type Delivery, detail, forget, idIn, type Shelf, SHELVES, type Shelves, shelfOf, shelves, topics } from "./deliveries";
import { nameOf } from "./events";
import "../../styles/admin-content.css";

const PAGE = 25;
const LOOK_MS = 5_000;
const NO_NAMES: ReadonlyMap<string, string> = new Map();

type Choice = Shelf | "all";

interface Props {
  /** Those of these subscriptions; null for everybody's. */
  subscriptions: readonly string[] | null;
  /** What is shown at first. */
  first: Choice;
  /** Told how many were given up, each time that is known anew. */
  onFailed?: (count: number) => void;
}

export function DeliveryList({ subscriptions, first, onFailed }: Props) {
  const [choice, setChoice] = useState<Choice>(first);
  // How many are asked for: what is there stays while more come.
  const limit = useRef(PAGE);
  const named = useResource(topics, []);
  const found = useResource(
    async () => {
      const all = await shelves(subscriptions, limit.current);
      onFailed?.(all.failed.count);
      return all;
    },
    [subscriptions?.join()],
    { everyMs: LOOK_MS },
  );
  const names = named.state === "ready" ? new Map(named.data.map((topic) => [topic._id, nameOf(topic.name)])) : NO_NAMES;

  async function more() {
    limit.current += PAGE;
    await found.reload();
  }

  return (
    <Loaded resource={found}>
      {(all) => {
        const shown = choose(all, choice, limit.current);
        const count = choice === "all" ? SHELVES.reduce((sum, shelf) => sum + all[shelf].count, 0) : all[choice].count;
        return (
          <>
            <Chooser all={all} chosen={choice} onChoose={setChoice} />
            {shown.length === 0 ? (
              <Empty title={t(`deliveries.none.${choice}`)}>{t(`deliveries.noneHelp.${choice}`)}</Empty>
            ) : (
              <ul class="deliveries">
                {shown.map((delivery) => (
                  <Row key={delivery._id} delivery={delivery} name={names.get(idIn(delivery._links, "apiture:topic")) ?? ""} withChannel={!subscriptions} onChanged={found.reload} />
                ))}
              </ul>
            )}
            {count > shown.length && (
              <p>
                <Button onClick={more}>{t("showMore", { count: count - shown.length })}</Button>
              </p>
            )}
          </>
        );
      }}
    </Loaded>
  );
}

/** Ids sort by age. */
function choose(all: Shelves, choice: Choice, limit: number): readonly Delivery[] {
  if (choice !== "all") return all[choice].items;
  const mixed = SHELVES.flatMap((shelf) => all[shelf].items);
  return mixed.sort((one, other) => (one._id < other._id ? 1 : -1)).slice(0, limit);
}

function Chooser({ all, chosen, onChoose }: { all: Shelves; chosen: Choice; onChoose: (choice: Choice) => void }) {
  const name = useId();
  return (
    <fieldset class="segments segments-many">
      <legend class="visually-hidden">{t("deliveries.which")}</legend>
      {(["all", ...SHELVES] as const).map((each) => (
        <label key={each} class="segment">
          <input class="visually-hidden" type="radio" name={name} checked={each === chosen} onChange={() => onChoose(each)} />
          <span>{each === "all" ? t("deliveries.all") : `${t(`deliveries.${each}`)} ${number(all[each].count)}`}</span>
        </label>
      ))}
    </fieldset>
  );
}

interface RowProps {
  delivery: Delivery;
  name: string;
  withChannel: boolean;
  onChanged: () => Promise<void>;
}

function Row({ delivery, name, withChannel, onChanged }: RowProps) {
  const [open, setOpen] = useState(false);
  return (
    <li>
      <details class="delivery" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
        <summary>
          <Icon name="down" />
          <State state={delivery.state} />
          <span class="delivery-name">{name}</span>
          {withChannel && <span class="quiet">{channelName(delivery)}</span>}
          <span class="gap" />
          <span class="quiet">
            <Moment at={delivery.publishedAt} />
          </span>
        </summary>
        {open && <Opened delivery={delivery} onChanged={onChanged} />}
      </details>
    </li>
  );
}

function State({ state }: { state: Delivery["state"] }) {
  const kind = { pending: "warning", received: "well", failed: "bad", expired: "bad" }[state];
  return (
    <span class="badge" data-kind={kind}>
      {t(`delivery.${state}`)}
    </span>
  );
}

function Opened({ delivery, onChanged }: { delivery: Delivery; onChanged: () => Promise<void> }) {
  // A new try changes it.
  const found = useResource(() => detail(delivery), [delivery._id, delivery.state, delivery.updatedAt]);
  const shelf = shelfOf(delivery);
  const act = (doing: Promise<unknown>, done: string) => doing.then(() => tell(done)).then(onChanged, complain);
  return (
    <div class="delivery-body">
      {delivery.state !== "received" && <p>{t(`delivery.${delivery.state}Help`)}</p>}
      <Loaded resource={found}>{({ _embedded: { attempts } }) => <Attempts attempts={attempts} />}</Loaded>
      <dl class="facts">
        <div>
          <dt>{t("delivery.happened")}</dt>
          <dd>{fullTime(Date.parse(delivery.publishedAt))}</dd>
        </div>
        {delivery.nextAttemptAt && (
          <div>
            <dt>{t("delivery.next")}</dt>
            <dd>{fullTime(Date.parse(delivery.nextAttemptAt))}</dd>
          </div>
        )}
        <div>
          <dt>{t("delivery.id")}</dt>
          <dd>
            <code>{delivery._id}</code>
          </dd>
        </div>
      </dl>
      <details class="details">
        <summary>{t("delivery.body")}</summary>
        <pre class="delivery-sent" tabIndex={0}>
          {JSON.stringify(delivery.body, null, 2)}
        </pre>
      </details>
      <p class="buttons">
        {shelf !== "waiting" && (
          <Button onClick={() => act(again({ notification: delivery._id }), plural("deliveries.queued", 1))}>{t("delivery.again")}</Button>
        )}
        {shelf !== "arrived" && (
          <Button kind="quiet" onClick={() => act(forget(delivery), t("delivery.deleted"))}>
            {t("delete")}
          </Button>
        )}
      </p>
    </div>
  );
}

function Attempts({ attempts }: { attempts: readonly Attempt[] }) {
  return (
    <Table
      caption={t("delivery.attempts")}
      rows={attempts}
      keyOf={(attempt) => attempt.attemptedAt}
      empty={<p class="quiet">{t("delivery.notTried")}</p>}
      columns={[
        { label: t("delivery.tried"), cell: (attempt) => <Moment at={attempt.attemptedAt} /> },
        { label: t("delivery.status"), cell: (attempt) => attempt.status ?? t("delivery.noStatus") },
        { label: t("delivery.took"), align: "end", cell: (attempt) => t("delivery.ms", { ms: attempt.milliseconds }) },
        { label: t("delivery.said"), cell: (attempt) => <Said attempt={attempt} /> },
      ]}
    />
  );
}

/** What went wrong, and how the answer began. */
export function Said({ attempt: { error, answer } }: { attempt: Pick<Attempt, "error" | "answer"> }) {
  return (
    <span class="delivery-said">
      {error && <span>{error}</span>}
      {answer && <code>{answer}</code>}
    </span>
  );
}
