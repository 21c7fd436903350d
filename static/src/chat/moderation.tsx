// What moderators decide in a dialog: for how long somebody may not write, whether to ban them, and the card on which
// both can be decided. Loaded with the first of them.
import { useState } from "preact/hooks";
import type { Schemas } from "../api/client";
import { ago, fullTime, shortTime } from "../format";
import { Button } from "../kit/button";
import { Dialog } from "../kit/dialog";
import { Loaded, useResource } from "../kit/resource";
import { language, plural, t } from "../words";
import { askAsMe } from "./connection";
import type { User } from "./wire";

type Card = Schemas["UserCard"];

const TIMES: ReadonlyArray<readonly [unit: string, amount: number, seconds: number]> = [
  ["minute", 1, 60],
  ["minute", 10, 600],
  ["hour", 1, 3_600],
  ["day", 1, 86_400],
];

export type Question = { kind: "time-out" | "ban" | "card"; user: User };

interface Props {
  question: Question;
  onClose: () => void;
  /** Tells what was done, with a way back where there is one. */
  onDone: (text: string, undo: (() => Promise<unknown>) | null) => void;
}

export function Moderation({ question, onClose, onDone }: Props) {
  const { user } = question;
  const [kind, setKind] = useState(question.kind);
  const [problem, setProblem] = useState("");

  async function act(path: string, document: object, text: string, undo: object | null) {
    try {
      await askAsMe("POST", path, { userId: user.id, ...document });
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      return;
    }
    onDone(text, undo && (() => askAsMe("POST", path, { userId: user.id, ...undo })));
    onClose();
  }
  const timeOut = (seconds: number, time: string) =>
    seconds > 0
      ? act("/api/chat/users/timeout", { seconds }, t("chat.timedOut", { name: user.name, time }), { seconds: 0 })
      : act("/api/chat/users/timeout", { seconds }, t("chat.timeOutEnded", { name: user.name }), null);
  const enable = (enabled: boolean) =>
    act("/api/chat/users/setenabled", { enabled }, t(enabled ? "chat.unbanned" : "chat.banned", { name: user.name }), enabled ? null : { enabled: true });

  const card = useResource(async () => (await askAsMe("GET", `/api/moderation/chat/user/${encodeURIComponent(user.id)}`)) as Card, [user.id]);
  const failure = problem && (
    <p class="field-error" role="alert">
      {problem}
    </p>
  );

  if (kind === "time-out") {
    return (
      <Dialog title={t("chat.timeOut", { name: user.name })} onClose={onClose}>
        {failure}
        <p>{t("chat.timeOutHelp")}</p>
        <div class="chat-times">
          {TIMES.map(([unit, amount, seconds]) => {
            const time = new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(amount);
            return (
              <Button key={time} onClick={() => timeOut(seconds, time)}>
                {time}
              </Button>
            );
          })}
        </div>
      </Dialog>
    );
  }
  if (kind === "ban") {
    const addresses = card.state === "ready" ? addressesOf(card.data) : [];
    const place = { name: user.name, addresses: new Intl.ListFormat(language).format(addresses) };
    return (
      <Dialog
        title={addresses.length ? t("chat.banFrom", place) : t("chat.banAsk", { name: user.name })}
        onClose={onClose}
        actions={
          <>
            <Button onClick={onClose}>{t("cancel")}</Button>
            <Button kind="danger" onClick={() => enable(false)}>
              {t("chat.ban", { name: user.name })}
            </Button>
          </>
        }
      >
        {failure}
        <p>{t("chat.banHelp")}</p>
        <p class="quiet">{t("chat.banAddress")}</p>
      </Dialog>
    );
  }
  const known = card.state === "ready" ? card.data.user : null;
  const mayAct = !user.moderator && known !== null;
  return (
    <Dialog
      title={user.name}
      onClose={onClose}
      actions={
        mayAct && (
          <>
            {known.timedOutUntil && Date.parse(known.timedOutUntil) > Date.now() && (
              <Button onClick={() => timeOut(0, "")}>{t("chat.endTimeOut")}</Button>
            )}
            <Button onClick={() => setKind("time-out")}>{t("chat.timeOutButton")}</Button>
            {known.disabledAt ? (
              <Button onClick={() => enable(true)}>{t("chat.unban")}</Button>
            ) : (
              <Button kind="danger" onClick={() => setKind("ban")}>
                {t("chat.banButton")}
              </Button>
            )}
          </>
        )
      }
    >
      {failure}
      <Loaded resource={card}>{(found) => <UserCard card={found} />}</Loaded>
    </Dialog>
  );
}

function UserCard({ card: { user, connectedClients, messages } }: { card: Card }) {
  const now = Date.now();
  const since = Date.parse(user.createdAt);
  const names = user.previousNames.slice(0, -1);
  return (
    <div class="chat-card">
      <dl>
        <dt>{t("chat.since")}</dt>
        <dd>
          <time title={fullTime(since)}>{ago(since, now)}</time>
          {user.disabledAt && <b> · {t("chat.isBanned")}</b>}
          {user.timedOutUntil && Date.parse(user.timedOutUntil) > now && (
            <b> · {t("chat.timedOutUntil", { time: shortTime(Date.parse(user.timedOutUntil)) })}</b>
          )}
        </dd>
        <dt>{t("chat.formerNames")}</dt>
        <dd>{names.length ? new Intl.ListFormat(language, { type: "unit" }).format(names) : t("chat.none")}</dd>
      </dl>
      <h3>{plural("chat.connections", connectedClients.length)}</h3>
      <ul>
        {connectedClients.map((client) => (
          <li key={client.id}>
            <b>{client.ipAddress}</b>
            {client.geo && ` · ${client.geo.countryCode}`} · <time title={fullTime(Date.parse(client.connectedAt))}>{ago(Date.parse(client.connectedAt), now)}</time>
            <span class="quiet chat-agent">{client.userAgent}</span>
          </li>
        ))}
      </ul>
      <h3>{plural("chat.newest", messages.length)}</h3>
      <ul class="chat-said" tabIndex={messages.length ? 0 : -1}>
        {messages.map((message) => (
          <li key={message.id}>
            <time class="quiet" title={fullTime(Date.parse(message.timestamp))}>
              {shortTime(Date.parse(message.timestamp))}
            </time>{" "}
            {message.visible ? <bdi>{message.rawBody}</bdi> : <s>{message.rawBody}</s>}
          </li>
        ))}
      </ul>
    </div>
  );
}

function addressesOf({ connectedClients }: Card): string[] {
  return [...new Set(connectedClients.map((client) => client.ipAddress))];
}
