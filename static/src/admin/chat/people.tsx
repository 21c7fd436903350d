// People: who is in chat now, and everybody who ever came.
import { useState } from "preact/hooks";
import { get } from "../../api/client";
import { Button } from "../../kit/button";
import { SelectField, TextField } from "../../kit/field";
import { Moment } from "../../kit/moment";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { Table } from "../../kit/table";
import { useDebounced } from "../../kit/use-debounced";
import { language, number, plural, t } from "../../words";
import type { Client, User } from "./act";
import { formerNames, Name } from "./card";
import { usePerson } from "./person";
import "../../styles/admin-content.css";

const LOOK_MS = 5_000;
const STILL_MS = 300;
const PAGE = 50;
const WHICH = ["all", "active", "moderator", "bot", "disabled"] as const;
type Which = (typeof WHICH)[number];

export default function People() {
  const clients = useResource(() => get("/api/admin/chat/clients"), [], { everyMs: LOOK_MS });
  const [changes, setChanges] = useState(0);
  const here = clients.state === "ready" ? clients.data : [];
  const person = usePerson(async () => {
    setChanges((count) => count + 1);
    await clients.reload();
  }, here);
  return (
    <>
      <section class="section" aria-label={t("people.now")}>
        <h2>{t("people.now")}</h2>
        <Loaded resource={clients}>{(found) => <Present clients={found} person={person} />}</Loaded>
      </section>
      <Known changes={changes} person={person} />
      {person.dialogs}
    </>
  );
}

type Person = ReturnType<typeof usePerson>;

function Present({ clients, person }: { clients: readonly Client[]; person: Person }) {
  return (
    <Table
      caption={t("people.now")}
      rows={clients}
      keyOf={(client) => client.id}
      text={(client) => `${client.username ?? ""} ${client.ipAddress} ${client.userAgent}`}
      empty={<Empty title={t("people.nobody")}>{t("people.nobodyHelp")}</Empty>}
      columns={[
        {
          label: t("people.name"),
          cell: (client) => (client.user ? <Name user={client.user as User} onOpen={person.open} /> : <span class="quiet">{t("people.nameless")}</span>),
          sort: (client) => client.username ?? "",
        },
        { label: t("people.since"), cell: (client) => <Moment at={client.connectedAt} />, sort: (client) => client.connectedAt },
        { label: t("people.written"), align: "end", cell: (client) => number(client.messageCount), sort: (client) => client.messageCount },
        { label: t("people.address"), cell: (client) => <span class="address">{client.ipAddress}</span>, sort: (client) => client.ipAddress },
        // Without a database of places nobody's is known, and a column of nothing says nothing.
        ...(clients.some((client) => client.geo)
          ? [{ label: t("people.from"), cell: (client: Client) => (client.geo ? countryOf(client.geo.countryCode) : <span class="quiet">{t("people.unknown")}</span>) }]
          : []),
        {
          label: t("people.agent"),
          cell: (client) => (
            <span class="quiet agent" title={client.userAgent}>
              {client.userAgent}
            </span>
          ),
        },
      ]}
      actions={(client) => client.user && person.menu(client.user as User)}
    />
  );
}

function Known({ changes, person }: { changes: number; person: Person }) {
  const [search, setSearch] = useState("");
  const [status, setStatus] = useState<Which>("all");
  const [page, setPage] = useState(0);
  const wanted = useDebounced(search.trim().slice(0, 100), STILL_MS);
  const users = useResource(() => get("/api/admin/users", { offset: page * PAGE, limit: PAGE, search: wanted, status }), [page, wanted, status, changes]);
  return (
    <section class="section" aria-label={t("people.known")}>
      <h2>{t("people.known")}</h2>
      <p class="lead">{t("people.knownHelp")}</p>
      <div class="filters">
        <TextField
          label={t("people.search")}
          type="search"
          value={search}
          onChange={(words) => {
            setSearch(words);
            setPage(0);
          }}
        />
        <SelectField
          label={t("people.which")}
          value={status}
          options={WHICH.map((each) => [each, t(`people.which.${each}`)] as const)}
          onChange={(each) => {
            setStatus(each);
            setPage(0);
          }}
        />
      </div>
      <Loaded resource={users}>
        {({ results, total }) => (
          <>
            <Table
              caption={t("people.known")}
              rows={results}
              pageSize={PAGE}
              keyOf={(user) => user.id}
              empty={wanted || status !== "all" ? <p class="quiet">{t("people.notFound")}</p> : <Empty title={t("people.none")}>{t("people.noneHelp")}</Empty>}
              columns={[
                { label: t("people.name"), cell: (user) => <Name user={user} onOpen={person.open} />, sort: (user) => user.displayName },
                { label: t("people.first"), cell: (user) => <Moment at={user.createdAt} />, sort: (user) => user.createdAt },
                { label: t("people.former"), cell: (user) => <span class="quiet">{new Intl.ListFormat(language, { type: "unit" }).format(formerNames(user)) || "–"}</span> },
              ]}
              actions={(user) => person.menu(user)}
            />
            {total > PAGE && (
              <p class="buttons pager">
                <Button disabled={page === 0} onClick={() => setPage(page - 1)}>
                  {t("people.newer")}
                </Button>
                <span class="quiet">{t("people.page", { from: page * PAGE + 1, to: page * PAGE + results.length, total })}</span>
                <Button disabled={(page + 1) * PAGE >= total} onClick={() => setPage(page + 1)}>
                  {t("people.older")}
                </Button>
              </p>
            )}
            {total > 0 && total <= PAGE && <p class="quiet">{plural("people.count", total)}</p>}
          </>
        )}
      </Loaded>
    </section>
  );
}

function countryOf(code: string): string {
  try {
    return new Intl.DisplayNames(language, { type: "region" }).of(code) ?? code;
  } catch {
    return code;
  }
}
