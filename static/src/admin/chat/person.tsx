// What can be done with one person, wherever the admin shows them: the menu, the questions before what weighs, and the
// card with all that is known.
import { useState } from "preact/hooks";
import { get } from "../../api/client";
import { Confirm, Dialog } from "../../kit/dialog";
import { Icon } from "../../kit/icon";
import { Menu, type MenuItem } from "../../kit/menu";
import { useResource } from "../../kit/resource";
import { complain, tell } from "../../kit/toast";
import { Button } from "../../kit/button";
import { language, plural, t } from "../../words";
import { banAddress, enable, forget, isBanned, isModerator, isPaused, moderate, pause, PAUSES, unbanAddress, type Client, type User } from "./act";
import { CardDialog } from "./card";
import { SignedInDialog } from "./signed-in";

type Question = { kind: "card" | "devices" | "pause" | "ban" | "delete"; user: User } | { kind: "address"; user: User; address: string };

/** `menu` draws the menu of a person, `open` shows their card, and `dialogs` stands once on the page. */
export function usePerson(onDone: () => unknown, clients: readonly Client[] = []) {
  const [question, setQuestion] = useState<Question | null>(null);

  async function act(done: () => Promise<unknown>, words: string, undo: (() => Promise<unknown>) | null = null) {
    const again = async (what: () => Promise<unknown>) => {
      await what();
      await onDone();
    };
    try {
      await again(done);
      tell(words, undo && (() => void again(undo).catch(complain)));
    } catch (error) {
      complain(error);
    }
  }

  function itemsOf(user: User): MenuItem[] {
    const name = user.displayName;
    const addresses = addressesOf(user, clients);
    const moderates = isModerator(user);
    return [
      { label: t("person.card"), onSelect: () => setQuestion({ kind: "card", user }) },
      { label: t("person.devices"), onSelect: () => setQuestion({ kind: "devices", user }) },
      isPaused(user)
        ? { label: t("person.unpause"), onSelect: () => void act(() => pause(user, 0), t("person.unpaused", { name })) }
        : { label: t("person.pause"), onSelect: () => setQuestion({ kind: "pause", user }) },
      ...(user.isBot
        ? []
        : [
            {
              label: t(moderates ? "person.unmake" : "person.make"),
              hint: t(moderates ? "person.unmakeHint" : "person.makeHint"),
              onSelect: () => void act(() => moderate(user, !moderates), t(moderates ? "person.unmade" : "person.made", { name }), () => moderate(user, moderates)),
            },
          ]),
      isBanned(user)
        ? { label: t("person.unban"), onSelect: () => void act(() => enable(user, true), t("person.unbanned", { name }), () => enable(user, false)) }
        : { label: t("person.ban"), danger: true, onSelect: () => setQuestion({ kind: "ban", user }) },
      ...addresses.map((address) => ({
        label: t("person.banAddress", { address }),
        danger: true,
        onSelect: () => setQuestion({ kind: "address", user, address }),
      })),
      { label: t("person.delete"), danger: true, onSelect: () => setQuestion({ kind: "delete", user }) },
    ];
  }

  return {
    open: (user: User) => setQuestion({ kind: "card", user }),
    menu: (user: User) => (
      <Menu label={`${t("actions")}: ${user.displayName}`} items={itemsOf(user)}>
        <Icon name="more" />
      </Menu>
    ),
    dialogs: question && <Dialogs question={question} clients={clients} act={act} onClose={() => setQuestion(null)} />,
  };
}

interface DialogsProps {
  question: Question;
  clients: readonly Client[];
  act: (done: () => Promise<unknown>, words: string, undo?: (() => Promise<unknown>) | null) => Promise<void>;
  onClose: () => void;
}

function Dialogs({ question, clients, act, onClose }: DialogsProps) {
  const { kind, user } = question;
  const name = user.displayName;
  switch (kind) {
    case "card":
      return <CardDialog id={user.id} name={name} onClose={onClose} />;
    case "devices":
      return <SignedInDialog user={user} onClose={onClose} />;
    case "pause":
      return (
        <Dialog title={t("person.pauseTitle", { name })} onClose={onClose}>
          <p>{t("person.pauseHelp")}</p>
          <div class="buttons">
            {PAUSES.map(([unit, amount, seconds]) => {
              const time = new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(amount);
              return (
                <Button
                  key={time}
                  onClick={async () => {
                    await act(() => pause(user, seconds), t("person.paused", { name, time }), () => pause(user, 0));
                    onClose();
                  }}
                >
                  {time}
                </Button>
              );
            })}
          </div>
        </Dialog>
      );
    case "ban":
      return (
        <Confirm title={t("person.banTitle", { name })} verb={t("person.ban")} onClose={onClose} onConfirm={() => act(() => enable(user, false), t("person.banned", { name }), () => enable(user, true))}>
          <p>{t("person.banHelp")}</p>
          <p class="quiet">{t("person.banOnly")}</p>
        </Confirm>
      );
    case "address":
      return <AddressDialog user={user} address={question.address} clients={clients} act={act} onClose={onClose} />;
    case "delete":
      return (
        <Confirm title={t("person.deleteTitle", { name })} verb={t("delete")} onClose={onClose} onConfirm={() => act(() => forget(user), t("person.deleted", { name }))}>
          <p>{t("person.deleteHelp")}</p>
        </Confirm>
      );
  }
}

function AddressDialog({ user, address, clients, act, onClose }: Omit<DialogsProps, "question"> & { user: User; address: string }) {
  // Who is there may have changed since the page was drawn.
  const now = useResource(() => get("/api/admin/chat/clients"), []);
  const present = now.state === "ready" ? now.data : clients;
  const others = new Set(present.filter((client) => client.ipAddress === address && client.user && client.user.id !== user.id).map((client) => client.user?.id));
  return (
    <Confirm
      title={t("person.addressTitle", { name: user.displayName, address })}
      verb={t("person.banAddress", { address })}
      onClose={onClose}
      onConfirm={() => act(() => banAddress(address, user.displayName.slice(0, 200)), t("person.addressBanned", { address }), () => unbanAddress(address))}
    >
      <p>{others.size === 0 ? t("person.nobodyElse") : plural("person.others", others.size)}</p>
      <p>{t("person.addressHelp")}</p>
    </Confirm>
  );
}

function addressesOf(user: User, clients: readonly Client[]): string[] {
  return [...new Set(clients.filter((client) => client.user?.id === user.id).map((client) => client.ipAddress))].filter(Boolean);
}
