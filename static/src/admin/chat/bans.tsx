// Bans: people who may not chat, and addresses from which nobody may.
import { useState } from "preact/hooks";
import { get } from "../../api/client";
import { Button } from "../../kit/button";
import { TextField } from "../../kit/field";
import { Moment } from "../../kit/moment";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { Table } from "../../kit/table";
import { complain, tell } from "../../kit/toast";
import { t } from "../../words";
import { banAddress, enable, unbanAddress, type User } from "./act";
import { Name } from "./card";
import { usePerson } from "./person";
import "../../styles/admin-content.css";
import { FormDialog } from "../form-dialog";

export default function Bans() {
  return (
    <>
      <BannedPeople />
      <Addresses />
    </>
  );
}

function BannedPeople() {
  const users = useResource(() => get("/api/admin/chat/users/disabled"), []);
  const person = usePerson(users.reload);

  async function set(user: User, enabled: boolean, undoable: boolean) {
    try {
      await enable(user, enabled);
      await users.reload();
      tell(t(enabled ? "person.unbanned" : "person.banned", { name: user.displayName }), undoable ? () => void set(user, !enabled, false) : null);
    } catch (error) {
      complain(error);
    }
  }

  return (
    <section class="section" aria-label={t("bans.people")}>
      <h2>{t("bans.people")}</h2>
      <p class="lead">{t("bans.peopleHelp")}</p>
      <Loaded resource={users}>
        {(found) => (
          <Table
            caption={t("bans.people")}
            rows={found}
            keyOf={(user) => user.id}
            text={(user) => user.displayName}
            empty={<Empty title={t("bans.nobody")}>{t("bans.nobodyHelp")}</Empty>}
            columns={[
              { label: t("people.name"), cell: (user) => <Name user={user} onOpen={person.open} />, sort: (user) => user.displayName },
              { label: t("bans.since"), cell: (user) => user.disabledAt && <Moment at={user.disabledAt} />, sort: (user) => user.disabledAt ?? "" },
            ]}
            actions={(user) => <Button onClick={() => set(user, true, true)}>{t("person.unban")}</Button>}
          />
        )}
      </Loaded>
      {person.dialogs}
    </section>
  );
}

function Addresses() {
  const bans = useResource(() => get("/api/admin/chat/users/ipbans"), []);
  const [adding, setAdding] = useState(false);

  async function lift(address: string, notes: string) {
    try {
      await unbanAddress(address);
      await bans.reload();
      tell(t("bans.lifted", { address }), () => void banAddress(address, notes).then(bans.reload, complain));
    } catch (error) {
      complain(error);
    }
  }

  const add = (
    <Button kind="primary" onClick={() => setAdding(true)}>
      {t("bans.add")}
    </Button>
  );
  return (
    <section class="section" aria-label={t("bans.addresses")}>
      <h2>{t("bans.addresses")}</h2>
      <p class="lead">{t("bans.addressesHelp")}</p>
      <Loaded resource={bans}>
        {(found) => (
          <>
            {found.length > 0 && <p>{add}</p>}
            <Table
              caption={t("bans.addresses")}
              rows={found}
              keyOf={(ban) => ban.ipAddress}
              text={(ban) => `${ban.ipAddress} ${ban.notes}`}
              empty={
                <Empty title={t("bans.noAddresses")} action={add}>
                  {t("bans.noAddressesHelp")}
                </Empty>
              }
              columns={[
                { label: t("people.address"), cell: (ban) => <span class="address">{ban.ipAddress}</span>, sort: (ban) => ban.ipAddress },
                { label: t("bans.notes"), cell: (ban) => ban.notes },
                { label: t("bans.since"), cell: (ban) => <Moment at={ban.createdAt} />, sort: (ban) => ban.createdAt },
              ]}
              actions={(ban) => <Button onClick={() => lift(ban.ipAddress, ban.notes)}>{t("bans.lift")}</Button>}
            />
          </>
        )}
      </Loaded>
      {adding && <AddBan onDone={bans.reload} onClose={() => setAdding(false)} />}
    </section>
  );
}

function AddBan({ onDone, onClose }: { onDone: () => Promise<void>; onClose: () => void }) {
  const [address, setAddress] = useState("");
  const [notes, setNotes] = useState("");

  async function add() {
    await banAddress(address.trim(), notes.trim());
    await onDone();
    tell(t("person.addressBanned", { address: address.trim() }));
  }

  return (
    <FormDialog
      title={t("bans.add")}
      verb={t("bans.ban")}
      danger
      ready={address.trim() !== ""}
      unsaved={address !== "" || notes !== ""}
      onSave={add}
      onClose={onClose}
    >
      {(problem) => (
        <>
          <TextField label={t("people.address")} help={t("bans.addressHelp")} placeholder="203.0.113.7" code value={address} onChange={setAddress} error={/'notes'/.test(problem) ? "" : problem} />
          <TextField label={t("bans.notes")} help={t("bans.notesHelp")} value={notes} onChange={setNotes} error={/'notes'/.test(problem) ? problem : ""} />
        </>
      )}
    </FormDialog>
  );
}
