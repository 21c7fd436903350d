// What was done: every change of a setting and every act of moderation, by whom, to whom, and when.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, type Schemas } from "../../api/client";
import { Button } from "../../kit/button";
import { TextField } from "../../kit/field";
import { Moment } from "../../kit/moment";
import { Empty, Failure, Loading } from "../../kit/resource";
import { Table } from "../../kit/table";
import { complain } from "../../kit/toast";
import { useDebounced } from "../../kit/use-debounced";
import { t, type Key } from "../../words";
import "../../styles/admin-content.css";

type Act = Schemas["AuditView"];

const STILL_MS = 300;
/** As many as a table shows at first. */
const PAGE = 25;
const ACTS = [
  "ban address",
  "cancel show",
  "change secret",
  "change setting",
  "create access token",
  "create backup",
  "create channel key",
  "create webhook",
  "delete access token",
  "delete backup",
  "delete emoji",
  "delete push device",
  "delete show",
  "delete user",
  "delete webhook",
  "disable user",
  "disconnect",
  "enable user",
  "hide messages",
  "make moderator",
  "pin message",
  "plan show",
  "reset registration",
  "restore backup",
  "revoke channel key",
  "show messages",
  "sign out devices",
  "time out",
  "unban address",
  "unmake moderator",
  "unpin message",
  "upload emoji",
] as const;

export default function Audit() {
  const [search, setSearch] = useState("");
  const wanted = useDebounced(search.trim().slice(0, 100), STILL_MS);
  return (
    <>
      <p class="lead">{t("audit.lead")}</p>
      <div class="filters">
        <TextField label={t("audit.search")} help={t("audit.searchHelp")} type="search" value={search} onChange={setSearch} />
      </div>
      <Acts key={wanted} wanted={wanted} />
    </>
  );
}

function Acts({ wanted }: { wanted: string }) {
  const [acts, setActs] = useState<readonly Act[] | null>(null);
  const [more, setMore] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const gone = useRef(false);

  async function ask(before: number) {
    const page = await get("/api/admin/chat/audit", { limit: PAGE, before, ...(wanted && { q: wanted }) });
    if (gone.current) return;
    setActs((all) => [...(before ? (all ?? []) : []), ...page]);
    setMore(page.length === PAGE);
  }
  const begin = () => {
    setError(null);
    return ask(0).catch((failed: Error) => setError(failed));
  };
  useEffect(() => {
    void begin();
    return () => void (gone.current = true);
  }, []);

  if (error) return <Failure error={error} onRetry={begin} />;
  if (acts === null) return <Loading />;
  return (
    <>
      <Table
        caption={t("nav.audit")}
        rows={acts}
        pageSize={Number.POSITIVE_INFINITY}
        keyOf={(act) => String(act.id)}
        empty={wanted ? <p class="quiet">{t("nothingFound", { wanted })}</p> : <Empty title={t("audit.none")}>{t("audit.noneHelp")}</Empty>}
        columns={[
          { label: t("audit.when"), cell: (act) => <Moment at={act.timestamp} /> },
          { label: t("audit.who"), cell: (act) => <bdi>{act.actor.displayName}</bdi> },
          { label: t("audit.what"), cell: (act) => wordsOf(act.action) },
          { label: t("audit.whom"), cell: (act) => <span title={act.target}>{whomOf(act)}</span> },
        ]}
      />
      {more && (
        <p>
          <Button onClick={() => ask(acts.at(-1)?.id ?? 0).catch(complain)}>{t("audit.older")}</Button>
        </p>
      )}
    </>
  );
}

/** The detail names people by their names; the target of most acts is an id. */
function whomOf({ action, target, detail }: Act): string {
  return action.endsWith("address") && detail ? `${target} · ${detail}` : detail || target;
}

function wordsOf(action: string): string {
  const known = ACTS.find((each) => each === action);
  return known ? t(`audit.did.${known}` satisfies Key) : action;
}
