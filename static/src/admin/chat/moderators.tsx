// Moderators: who may hide messages and ban people, chosen among those who came.
import { useState } from "preact/hooks";
import { get } from "../../api/client";
import { Button } from "../../kit/button";
import { Dialog } from "../../kit/dialog";
import { TextField } from "../../kit/field";
import { Moment } from "../../kit/moment";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { Table } from "../../kit/table";
import { complain, tell } from "../../kit/toast";
import { useDebounced } from "../../kit/use-debounced";
import { t } from "../../words";
import { isModerator, moderate, type User } from "./act";
import { Name } from "./card";
import { usePerson } from "./person";
import "../../styles/admin-content.css";

const STILL_MS = 300;
const FOUND = 20;

export default function Moderators() {
  const moderators = useResource(() => get("/api/admin/chat/users/moderators"), []);
  const [adding, setAdding] = useState(false);
  const person = usePerson(moderators.reload);

  async function set(user: User, on: boolean, undoable = true) {
    try {
      await moderate(user, on);
      await moderators.reload();
      tell(t(on ? "person.made" : "person.unmade", { name: user.displayName }), undoable ? () => void set(user, !on, false) : null);
    } catch (error) {
      complain(error);
    }
  }

  const add = (
    <Button kind="primary" onClick={() => setAdding(true)}>
      {t("moderators.add")}
    </Button>
  );
  return (
    <>
      <p class="lead">{t("moderators.lead")}</p>
      <Loaded resource={moderators}>
        {(found) => (
          <>
            {found.length > 0 && <p>{add}</p>}
            <Table
              caption={t("nav.moderators")}
              rows={found}
              keyOf={(user) => user.id}
              text={(user) => user.displayName}
              empty={
                <Empty title={t("moderators.none")} action={add}>
                  {t("moderators.noneHelp")}
                </Empty>
              }
              columns={[
                { label: t("people.name"), cell: (user) => <Name user={user} onOpen={person.open} />, sort: (user) => user.displayName },
                { label: t("people.first"), cell: (user) => <Moment at={user.createdAt} />, sort: (user) => user.createdAt },
              ]}
              actions={(user) => <Button onClick={() => set(user, false)}>{t("moderators.remove")}</Button>}
            />
          </>
        )}
      </Loaded>
      {adding && <AddModerator onMake={(user) => set(user, true)} onClose={() => setAdding(false)} />}
      {person.dialogs}
    </>
  );
}

function AddModerator({ onMake, onClose }: { onMake: (user: User) => Promise<void>; onClose: () => void }) {
  const [search, setSearch] = useState("");
  const wanted = useDebounced(search.trim().slice(0, 100), STILL_MS);
  const users = useResource(() => get("/api/admin/users", { offset: 0, limit: FOUND, search: wanted, status: "active" }), [wanted]);
  return (
    <Dialog title={t("moderators.add")} onClose={onClose}>
      <TextField label={t("people.search")} help={t("moderators.searchHelp")} type="search" value={search} onChange={setSearch} />
      <Loaded resource={users}>
        {({ results, total }) => {
          const candidates = results.filter((user) => !user.isBot && !isModerator(user));
          if (candidates.length === 0) return <p class="quiet">{t("people.notFound")}</p>;
          return (
            <>
              <ul class="rows">
                {candidates.map((user) => (
                  <li key={user.id} class="row">
                    <div class="row-main">
                      <bdi>{user.displayName}</bdi>
                      <span class="quiet">
                        {t("people.first")}: <Moment at={user.createdAt} />
                      </span>
                    </div>
                    <Button
                      onClick={async () => {
                        await onMake(user);
                        await users.reload();
                      }}
                    >
                      {t("moderators.make")}
                    </Button>
                  </li>
                ))}
              </ul>
              {total > FOUND && <p class="quiet">{t("moderators.more")}</p>}
            </>
          );
        }}
      </Loaded>
    </Dialog>
  );
}
