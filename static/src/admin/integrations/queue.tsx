// Deliveries: how everything that is delivered to does, and what was given up.
import { useState } from "preact/hooks";
import { get } from "../../api/client";
import { Button } from "../../kit/button";
import { Confirm } from "../../kit/dialog";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { Table } from "../../kit/table";
import { complain, tell } from "../../kit/toast";
import { number, plural, t } from "../../words";
import { channelName } from "./channels";
import { forgetFailed, type Lane } from "./deliveries";
import { DeliveryList } from "./delivery-list";
import { nameOf } from "./events";
import { AgainDialog } from "./subscription-tools";

const LOOK_MS = 5_000;
/** From what needs the owner to what does not. */
const STATES = ["off", "probing", "resting", "slow", "well"] as const;
type State = (typeof STATES)[number];
const KINDS: Readonly<Record<State, string>> = { off: "bad", probing: "bad", resting: "warning", slow: "warning", well: "well" };

export default function Queue() {
  const lanes = useResource(async () => (await get("/notifications/lanes"))._embedded.items, [], { everyMs: LOOK_MS });
  return (
    <>
      <p class="lead">{t("queue.lead")}</p>
      <Loaded resource={lanes}>
        {(found) => (
          <>
            <Totals lanes={found} />
            <Lanes lanes={found} />
          </>
        )}
      </Loaded>
      <Every />
    </>
  );
}

function Totals({ lanes }: { lanes: readonly Lane[] }) {
  const sum = (field: "pending" | "failed" | "leftOut") => lanes.reduce((all, lane) => all + lane[field], 0);
  const [waiting, failed, leftOut] = [sum("pending"), sum("failed"), sum("leftOut")];
  return (
    <dl class="tiles">
      <Tile label={t("deliveries.waiting")} value={waiting} note={t("queue.waitingHelp")} />
      <Tile label={t("deliveries.failed")} value={failed} note={t("queue.failedHelp")} bad={failed > 0} />
      <Tile label={t("queue.leftOut")} value={leftOut} note={t("queue.leftOutHelp")} bad={leftOut > 0} />
    </dl>
  );
}

function Tile({ label, value, note, bad = false }: { label: string; value: number; note: string; bad?: boolean }) {
  return (
    <div class="card tile" data-kind={bad && "bad"}>
      <dt>{label}</dt>
      <dd class="tile-value">{number(value)}</dd>
      <dd class="tile-note">{note}</dd>
    </div>
  );
}

function Lanes({ lanes }: { lanes: readonly Lane[] }) {
  const sorted = [...lanes].sort((one, other) => rank(one) - rank(other));
  return (
    <section class="section">
      <h2>{t("queue.lanes")}</h2>
      <Table
        caption={t("queue.lanes")}
        rows={sorted}
        keyOf={(lane) => lane._id}
        text={(lane) => `${lane.host} ${channelName(lane)} ${lane.topics.join(" ")}`}
        empty={<Empty title={t("queue.none")}>{t("queue.noneHelp")}</Empty>}
        columns={[
          {
            label: t("queue.where"),
            cell: (lane) => (
              <span class="lane">
                <span class="lane-host">{lane.host || channelName(lane)}</span>
                <span class="quiet">{[lane.host && channelName(lane), ...lane.topics.map(nameOf)].filter(Boolean).join(" · ")}</span>
              </span>
            ),
            sort: (lane) => lane.host,
          },
          { label: t("queue.state"), cell: (lane) => <How lane={lane} />, sort: rank },
          { label: t("deliveries.waiting"), align: "end", cell: (lane) => number(lane.pending), sort: (lane) => lane.pending },
          { label: t("deliveries.failed"), align: "end", cell: (lane) => number(lane.failed), sort: (lane) => lane.failed },
          { label: t("queue.leftOut"), align: "end", cell: (lane) => number(lane.leftOut), sort: (lane) => lane.leftOut },
        ]}
      />
    </section>
  );
}

function How({ lane: { state, error } }: { lane: Lane }) {
  const known = STATES.find((each) => each === state);
  return (
    <span class="lane">
      <span>
        <span class="badge" data-kind={known && KINDS[known]} title={known && t(`lane.${known}Help`)}>
          {known ? t(`lane.${known}`) : state}
        </span>
      </span>
      {error && <span class="quiet">{error}</span>}
    </span>
  );
}

function rank({ state }: Lane): number {
  return STATES.findIndex((each) => each === state);
}

/** What was given up first, and everything else beside it. */
function Every() {
  const [failed, setFailed] = useState(0);
  const [asking, setAsking] = useState<"again" | "delete" | null>(null);
  const [round, setRound] = useState(0);
  const anew = () => setRound(round + 1);
  return (
    <section class="section">
      <div class="section-head">
        <h2>{t("queue.every")}</h2>
        {failed > 0 && (
          <span class="buttons">
            <Button kind="quiet" onClick={() => setAsking("delete")}>
              {t("queue.forget")}
            </Button>
            <Button onClick={() => setAsking("again")}>{t("deliveries.againMany")}</Button>
          </span>
        )}
      </div>
      <DeliveryList key={round} subscriptions={null} first="failed" onFailed={setFailed} />
      {asking === "again" && <AgainDialog subscriptions={null} onDone={anew} onClose={() => setAsking(null)} />}
      {asking === "delete" && (
        <Confirm
          title={t("queue.forgetAsk")}
          verb={t("delete")}
          onClose={() => setAsking(null)}
          onConfirm={() =>
            forgetFailed().then((count) => {
              tell(plural("queue.forgotten", count));
              anew();
            }, complain)
          }
        >
          <p>{t("queue.forgetHelp")}</p>
        </Confirm>
      )}
    </section>
  );
}
