// Messages: everything that was written, the newest first, hidden or not. What is new waits above the list until it is
// asked for, so that nothing moves under a hand.
import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../../api/client";
import { Body } from "../../chat/body";
import { Button } from "../../kit/button";
import { TextField } from "../../kit/field";
import { Moment } from "../../kit/moment";
import { Empty, Failure, Loading } from "../../kit/resource";
import { complain, tell } from "../../kit/toast";
import { useDebounced } from "../../kit/use-debounced";
import { plural, t } from "../../words";
import { setVisible, type ChatMessage, type User } from "./act";
import { usePerson } from "./person";
import "../../styles/admin-content.css";

const LOOK_MS = 3_000;
const STILL_MS = 300;
const PAGE = 100;

export default function Messages() {
  const [search, setSearch] = useState("");
  const wanted = useDebounced(search.trim().slice(0, 200), STILL_MS);
  return (
    <>
      <p class="lead">{t("messages.lead")}</p>
      <div class="filters">
        <TextField label={t("messages.search")} type="search" value={search} onChange={setSearch} />
      </div>
      <List key={wanted} wanted={wanted} />
    </>
  );
}

/** A page of them, the newest first; `before` is the id of the last one that is there. */
async function ask(wanted: string, before = ""): Promise<ChatMessage[]> {
  return (await get("/api/admin/chat/messages", { limit: PAGE, ...(wanted && { q: wanted }), ...(before && { before }) })).reverse();
}

function useMessages(wanted: string) {
  const [shown, setShown] = useState<readonly ChatMessage[] | null>(null);
  const [waiting, setWaiting] = useState<readonly ChatMessage[]>([]);
  const [more, setMore] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const known = useRef<readonly ChatMessage[] | null>(null);
  known.current = shown;

  async function look() {
    try {
      const newest = await ask(wanted);
      const before = known.current;
      setError(null);
      if (before === null) {
        setShown(newest);
        setMore(newest.length === PAGE);
        return;
      }
      const fresh = new Map(newest.map((message) => [message.id, message]));
      const there = new Set(before.map((message) => message.id));
      // What was hidden or shown elsewhere changes where it stands.
      setShown(before.map((message) => fresh.get(message.id) ?? message));
      setWaiting(newest.filter((message) => !there.has(message.id)));
    } catch (failed) {
      setError(failed as Error);
    }
  }

  useEffect(() => {
    void look();
    const timer = setInterval(() => !document.hidden && void look(), LOOK_MS);
    return () => clearInterval(timer);
  }, []);

  return {
    shown,
    waiting,
    more,
    error,
    look,
    letIn: () => {
      // Of a whole page of new ones nobody knows how many lie below: the list begins anew, so that it has no gap.
      const gap = waiting.length === PAGE;
      setShown((before) => (gap ? waiting : [...waiting, ...(before ?? [])]));
      if (gap) setMore(true);
      setWaiting([]);
    },
    older: async () => {
      try {
        const page = await ask(wanted, shown?.at(-1)?.id);
        setShown((before) => [...(before ?? []), ...page]);
        setMore(page.length === PAGE);
      } catch (failed) {
        complain(failed);
      }
    },
    mark: (ids: ReadonlySet<string>, visible: boolean) => setShown((before) => before?.map((each) => (ids.has(each.id) ? { ...each, visible } : each)) ?? null),
  };
}

function List({ wanted }: { wanted: string }) {
  const { shown, waiting, more, error, look, letIn, older, mark } = useMessages(wanted);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const person = usePerson(look);

  async function set(ids: readonly string[], visible: boolean, undoable = true) {
    try {
      await setVisible(ids, visible);
      mark(new Set(ids), visible);
      setChosen(new Set());
      tell(plural(visible ? "messages.shown" : "messages.hidden", ids.length), undoable ? () => void set(ids, !visible, false) : null);
    } catch (failed) {
      complain(failed);
    }
  }

  if (shown === null) return error ? <Failure error={error} onRetry={look} /> : <Loading />;
  if (shown.length === 0 && waiting.length === 0) {
    return wanted ? <p class="quiet">{t("nothingFound", { wanted })}</p> : <Empty title={t("messages.none")}>{t("messages.noneHelp")}</Empty>;
  }
  const picked = shown.filter((message) => chosen.has(message.id));
  const all = picked.length === shown.length;
  return (
    <div class="messages">
      <div class="messages-bar">
        <label class="choice">
          <input type="checkbox" checked={all} onChange={() => setChosen(all ? new Set() : new Set(shown.map((message) => message.id)))} />
          {t("messages.all")}
        </label>
        <Bulk messages={picked} onSet={set} />
        <span class="gap" />
        <span role="status">{waiting.length > 0 && <Button onClick={letIn}>{waiting.length < PAGE ? plural("messages.new", waiting.length) : t("messages.flood")}</Button>}</span>
      </div>
      {error && <Failure error={error} onRetry={look} />}
      <ul class="message-list">
        {shown.map((message) => (
          <Message
            key={message.id}
            message={message}
            chosen={chosen.has(message.id)}
            onChoose={(on) => setChosen((before) => new Set(on ? [...before, message.id] : [...before].filter((id) => id !== message.id)))}
            onSet={(visible) => set([message.id], visible)}
            onOpen={person.open}
          />
        ))}
      </ul>
      {more && (
        <p>
          <Button onClick={older}>{t("messages.older")}</Button>
        </p>
      )}
      {person.dialogs}
    </div>
  );
}

function Bulk({ messages, onSet }: { messages: readonly ChatMessage[]; onSet: (ids: readonly string[], visible: boolean) => Promise<void> }) {
  const ids = (visible: boolean) => messages.filter((message) => message.visible === visible).map((message) => message.id);
  const [toHide, toShow] = [ids(true), ids(false)];
  return (
    <>
      {toHide.length > 0 && (
        <Button kind="danger" onClick={() => onSet(toHide, false)}>
          {plural("messages.hide", toHide.length)}
        </Button>
      )}
      {toShow.length > 0 && <Button onClick={() => onSet(toShow, true)}>{plural("messages.show", toShow.length)}</Button>}
    </>
  );
}

interface MessageProps {
  message: ChatMessage;
  chosen: boolean;
  onChoose: (on: boolean) => void;
  onSet: (visible: boolean) => Promise<void>;
  onOpen: (user: User) => void;
}

function Message({ message, chosen, onChoose, onSet, onOpen }: MessageProps) {
  const user = message.user && typeof message.user.id === "string" ? (message.user as unknown as User) : null;
  const author = message.author ?? "";
  return (
    <li class="message" data-hidden={!message.visible}>
      <input type="checkbox" checked={chosen} aria-label={t("messages.choose", { name: author || t("messages.server") })} onChange={(event) => onChoose(event.currentTarget.checked)} />
      <div class="message-main">
        <p class="message-head">
          {user ? (
            <button type="button" class="person-name" onClick={() => onOpen(user)}>
              <bdi>{author}</bdi>
            </button>
          ) : (
            <b>{author || t("messages.server")}</b>
          )}
          <span class="quiet">
            <Moment at={message.timestamp} />
          </span>
          {!message.visible && <span class="badge">{t("messages.isHidden")}</span>}
        </p>
        <div class="message-body">
          <Body html={message.body ?? ""} />
        </div>
      </div>
      <Button kind="quiet" onClick={() => onSet(!message.visible)}>
        {t(message.visible ? "hide" : "show")}
      </Button>
    </li>
  );
}
