// The card of a person: since when they are here, their former names, their windows, and what they wrote last.
import { Dialog } from "../../kit/dialog";
import { Moment } from "../../kit/moment";
import { Loaded, useResource } from "../../kit/resource";
import { language, number, plural, t } from "../../words";
import { card, isBanned, isModerator, isPaused, type Card, type User } from "./act";

export function CardDialog({ id, name, onClose }: { id: string; name: string; onClose: () => void }) {
  const found = useResource(() => card(id), [id]);
  return (
    <Dialog title={name} onClose={onClose}>
      <Loaded resource={found}>{(shown) => <Facts card={shown} />}</Loaded>
    </Dialog>
  );
}

function Facts({ card: { user, connectedClients, messages } }: { card: Card }) {
  const former = formerNames(user);
  return (
    <>
      <Badges user={user} />
      <dl class="facts">
        <div>
          <dt>{t("person.since")}</dt>
          <dd>
            <Moment at={user.createdAt} />
          </dd>
        </div>
        <div>
          <dt>{t("person.former")}</dt>
          <dd>{former.length ? new Intl.ListFormat(language, { type: "unit" }).format(former) : t("person.noFormer")}</dd>
        </div>
        {user.timedOutUntil && isPaused(user) && (
          <div>
            <dt>{t("person.pausedUntil")}</dt>
            <dd>
              <Moment at={user.timedOutUntil} exact />
            </dd>
          </div>
        )}
      </dl>
      <h3>{plural("person.windows", connectedClients.length)}</h3>
      <ul class="stack">
        {connectedClients.map((client) => (
          <li key={client.id}>
            <b>{client.ipAddress}</b>
            {client.geo && ` · ${client.geo.countryCode}`} · <Moment at={client.connectedAt} /> · {t("people.wrote", { count: number(client.messageCount) })}
            <span class="quiet agent">{client.userAgent}</span>
          </li>
        ))}
      </ul>
      <h3>{plural("person.messages", messages.length)}</h3>
      {messages.length > 0 && (
        <ul class="said" tabIndex={0} aria-label={plural("person.messages", messages.length)}>
          {messages.map((message) => (
            <li key={message.id}>
              <Moment at={message.timestamp} exact /> {message.visible ? <bdi>{message.rawBody}</bdi> : <s>{message.rawBody}</s>}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

/** What somebody is beside a chatter. */
export function Badges({ user }: { user: User }) {
  return (
    <>
      {isModerator(user) && <span class="badge">{t("people.moderator")}</span>}
      {user.isBot && <span class="badge">{t("people.bot")}</span>}
      {isPaused(user) && <span class="badge">{t("people.paused")}</span>}
      {isBanned(user) && (
        <span class="badge" data-kind="bad">
          {t("people.banned")}
        </span>
      )}
    </>
  );
}

/** The names that somebody had before, the latest first. */
export function formerNames(user: User): string[] {
  return [...new Set(user.previousNames)].filter((name) => name !== user.displayName).reverse();
}

/** A name that opens the card, with what somebody is. */
export function Name({ user, onOpen }: { user: User; onOpen: (user: User) => void }) {
  return (
    <span class="person">
      <button type="button" class="person-name" onClick={() => onOpen(user)}>
        <bdi>{user.displayName}</bdi>
      </button>
      <Badges user={user} />
    </span>
  );
}
