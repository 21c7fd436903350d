// What was said, oldest first. Follows the newest while the reader is at the end; otherwise nothing moves, and a button
// says how much is new.
import { memo } from "preact/compat";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Body } from "./body";
import { type Entry, crowdLine } from "./state";
import type { ChatMessage, User } from "./wire";

const SAME_AUTHOR_MS = 2 * 60_000;
/** Pixels from the end that still count as the end. */
const AT_END = 40;

export interface Acts {
  reply: (message: ChatMessage) => void;
  hide: (message: ChatMessage) => void;
  pause: (user: User) => void;
  ban: (user: User) => void;
}

export function List({ entries, me, acts }: { entries: readonly Entry[]; me: User | null; acts: Acts }) {
  const box = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const read = useRef("");
  const [unread, setUnread] = useState(0);
  const shown = entries.filter((entry) => entry.kind !== "message" || entry.visible);
  const newest = shown.at(-1)?.id ?? "";

  useLayoutEffect(() => {
    if (following.current) toEnd();
    else setUnread(shown.length - 1 - shown.findIndex((entry) => entry.id === read.current));
  }, [newest, shown.length]);

  function toEnd() {
    const element = box.current;
    if (element) element.scrollTop = element.scrollHeight;
    read.current = newest;
    setUnread(0);
  }

  function scrolled() {
    const element = box.current;
    if (!element) return;
    following.current = element.scrollHeight - element.scrollTop - element.clientHeight < AT_END;
    if (following.current) {
      read.current = newest;
      setUnread(0);
    }
  }

  return (
    <div class="chat-history">
      <div class="chat-scroll" ref={box} onScroll={scrolled} role="log" aria-label="Chat messages" tabIndex={0}>
        {shown.length === 0 && <p class="chat-empty">Nobody has said anything yet. Say hello.</p>}
        {shown.map((entry, index) => (
          <Row key={entry.id} entry={entry} follows={followsSameAuthor(shown[index - 1], entry)} me={me} acts={acts} />
        ))}
      </div>
      {unread > 0 && (
        <button type="button" class="chat-unread" onClick={toEnd}>
          {unread} new
        </button>
      )}
    </div>
  );
}

function followsSameAuthor(before: Entry | undefined, entry: Entry): boolean {
  return (
    before?.kind === "message" &&
    entry.kind === "message" &&
    before.user.id === entry.user.id &&
    before.user.name === entry.user.name &&
    entry.quote === null &&
    entry.at - before.at < SAME_AUTHOR_MS
  );
}

const Row = memo(function Row(props: { entry: Entry; follows: boolean; me: User | null; acts: Acts }) {
  const { entry, follows, me, acts } = props;
  if (entry.kind === "crowd") return <p class="chat-line">{crowdLine(entry)}</p>;
  if (entry.kind !== "message") {
    return (
      <div class="chat-line" data-kind={entry.kind}>
        <Body html={entry.body} />
      </div>
    );
  }
  const { user, quote } = entry;
  return (
    <article class="chat-message" data-follows={follows} data-mentions={mentions(entry.body, me)}>
      {quote && (
        <p class="chat-quote">
          <b>{quote.name}</b> {quote.text}
        </p>
      )}
      {!follows && (
        <span class="chat-name" data-color={user.color} title={new Date(entry.at).toLocaleTimeString()}>
          {user.name}
          {user.moderator && <span class="chat-badge">{user.bot ? "bot" : "mod"}</span>}
        </span>
      )}{" "}
      <div class="chat-body">
        <Body html={entry.body} />
      </div>
      <Tools message={entry} me={me} acts={acts} />
    </article>
  );
});

function Tools({ message, me, acts }: { message: ChatMessage; me: User | null; acts: Acts }) {
  const moderate = me?.moderator && message.user.id !== me.id;
  const name = message.user.name;
  return (
    <div class="chat-tools">
      <button type="button" onClick={() => acts.reply(message)} aria-label={`Reply to ${name}`}>
        Reply
      </button>
      {me?.moderator && (
        <button type="button" onClick={() => acts.hide(message)} aria-label={`Hide this message of ${name}`}>
          Hide
        </button>
      )}
      {moderate && (
        <>
          <button type="button" onClick={() => acts.pause(message.user)} aria-label={`Pause ${name} for 10 minutes`}>
            Pause
          </button>
          <button type="button" onClick={() => acts.ban(message.user)} aria-label={`Ban ${name}`}>
            Ban
          </button>
        </>
      )}
    </div>
  );
}

function mentions(body: string, me: User | null): boolean {
  return me !== null && me.name !== "" && body.toLowerCase().includes(`@${me.name.toLowerCase()}`);
}
