// One row of the list: a message with its name, or a line about what happened. Drawn once and again only when something
// of it changed, since a flood brings hundreds a second.
import { Component } from "preact";
import { fullTime, shortTime, timeOfDay } from "../format";
import { Icon } from "../kit/icon";
import { plural, t } from "../words";
import { Body } from "./body";
import { mentions, wordsOf } from "./plain";
import type { Row as RowData } from "./rows";
import type { Crowd, Entry } from "./state";
import { type Acts, Tools } from "./tools";
import type { ChatMessage, User } from "./wire";

/** What is longer is folded until somebody asks for it. */
const MAX_LENGTH = 700;
const MAX_LINES = 12;

/** What rows need of the chat around them; the same object for the life of the page. */
export interface Room {
  acts: Acts;
  /** Whether somebody here has that name (in small letters). */
  isName: (name: string) => boolean;
  readOnly: boolean;
}

interface Props {
  row: RowData;
  me: User | null;
  /** Whether the reader points at it, or the focus is there. */
  active: boolean;
  room: Room;
}

export class Row extends Component<Props, { whole: boolean }> {
  override state = { whole: false };

  override shouldComponentUpdate({ row, me, active }: Props, state: { whole: boolean }): boolean {
    const before = this.props;
    return (
      row.entry !== before.row.entry ||
      row.follows !== before.row.follows ||
      row.divider !== before.row.divider ||
      row.fresh !== before.row.fresh ||
      me !== before.me ||
      active !== before.active ||
      state.whole !== this.state.whole
    );
  }

  override render({ row: { entry, divider, fresh, follows }, me, active, room }: Props) {
    return (
      <>
        {divider > 0 && (
          <p class="chat-divider">
            <time title={fullTime(divider)}>{isToday(divider) ? timeOfDay(divider) : shortTime(divider)}</time>
          </p>
        )}
        {fresh && (
          <p class="chat-divider" data-fresh>
            {t("chat.fresh")}
          </p>
        )}
        {entry.kind === "message" ? this.message(entry, follows, me, active, room) : <Event entry={entry} />}
      </>
    );
  }

  private message(message: ChatMessage, follows: boolean, me: User | null, active: boolean, room: Room) {
    const { user, quote, visible } = message;
    const folded = !this.state.whole && isLong(message.body);
    return (
      <article
        class="chat-message"
        data-id={message.id}
        data-follows={follows}
        data-mentions={visible && speaksTo(message, me)}
        data-hidden={!visible}
        tabIndex={-1}
      >
        {quote && visible && (
          <p class="chat-quote">
            <Icon name="reply" />
            <b dir="auto">{quote.name}</b>
            <span dir="auto">{quote.text}</span>
          </p>
        )}
        <div class="chat-words" data-folded={folded}>
          <span class={follows ? "visually-hidden" : "chat-name"} data-color={user.color} title={fullTime(message.at)}>
            <bdi>{user.name}</bdi>
          </span>{" "}
          {!follows && (user.bot || user.moderator) && <span class="chat-badge">{t(user.bot ? "chat.bot" : "chat.moderator")}</span>}{" "}
          {visible ? (
            <div class="chat-body" dir="auto">
              <Body html={message.body} isName={room.isName} />
            </div>
          ) : (
            <span class="chat-trace">
              {t("chat.hidden")} <s>{wordsOf(message.body)}</s>
            </span>
          )}
        </div>
        {folded && (
          <button type="button" class="chat-more" onClick={() => this.setState({ whole: true })}>
            {t("chat.showAll")}
          </button>
        )}
        {active && !room.readOnly && <Tools message={message} me={me} acts={room.acts} />}
      </article>
    );
  }
}

function Event({ entry }: { entry: Exclude<Entry, ChatMessage> }) {
  switch (entry.kind) {
    case "crowd":
      return <p class="chat-line">{crowdLine(entry)}</p>;
    case "renamed":
      return <p class="chat-line">{t("chat.renamed", { before: entry.before, name: entry.name })}</p>;
    case "gap":
      return <p class="chat-line">{plural("chat.gap", entry.count)}</p>;
    default:
      return (
        <div class="chat-line" data-kind={entry.kind}>
          <Body html={entry.body} />
        </div>
      );
  }
}

/** "Ana joined", "Ana and Ben joined", "Ana and 3 others joined". */
export function crowdLine({ names, others, verb }: Crowd): string {
  const joined = verb === "joined";
  const [name, second] = names;
  if (name === undefined) return plural(joined ? "chat.joinedNameless" : "chat.leftNameless", others);
  if (second !== undefined && others === 0) return t(joined ? "chat.joinedBoth" : "chat.leftBoth", { name, other: second });
  if (others === 0) return t(joined ? "chat.joined" : "chat.left", { name });
  return plural(joined ? "chat.joinedWith" : "chat.leftWith", others + names.length - 1, { name });
}

function speaksTo(message: ChatMessage, me: User | null): boolean {
  if (!me || message.user.id === me.id) return false;
  if (message.quote?.name === me.name) return true;
  return message.body.includes("@") && mentions(wordsOf(message.body), me.name);
}

function isLong(body: string): boolean {
  return (body.length > MAX_LENGTH && wordsOf(body).length > MAX_LENGTH) || (body.match(/<(?:br|p|pre)\b|\n/g)?.length ?? 0) > 2 * MAX_LINES;
}

function isToday(at: number): boolean {
  return new Date(at).toDateString() === new Date().toDateString();
}
