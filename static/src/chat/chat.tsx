// The chat beside the player: puts history, composer and identity together, and says why it is closed when it is.
import type { ComponentType } from "preact";
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import "../styles/kit.css";
import "../styles/chat.css";
import { Button } from "../kit/button";
import { Icon } from "../kit/icon";
import { lazy } from "../kit/lazy";
import { t } from "../words";
import { Announcer } from "./announcer";
import { Body } from "./body";
import { useReadableColors } from "./colors";
import { Composer } from "./composer";
import { askAsMe, type Connection, connectTo } from "./connection";
import { Identity } from "./identity";
import { List } from "./list";
import type { Moderation, Question } from "./moderation";
import { denialOf } from "./refusals";
import type { Room } from "./row";
import { initialState, reduce } from "./state";
import type { ChatMessage } from "./wire";

const Account = lazy(async () => (await import("./account")).Account);

const NOTICE_MS = 10_000;
const POP_OUT = "popup,width=400,height=680";

interface Props {
  /** Where the socket is; "" means here. */
  host: string;
  /** Whether a show is on. */
  online: boolean;
  /** Whether nobody but moderators may write now, as the status says. */
  closed: boolean;
  /** Whether there is nothing to write in. */
  readOnly?: boolean;
  /** Seconds between two messages of one person; 0 for none. */
  slowModeSeconds: number;
  /** Whether this is the window that was opened for the chat alone. */
  popOut?: boolean;
}

/** Something that was done, or was not. */
interface Notice {
  text: string;
  undo: (() => Promise<unknown>) | null;
  bad: boolean;
}

export function Chat({ host, online, closed, readOnly = false, slowModeSeconds, popOut = false }: Props) {
  const [state, tell] = useReducer(reduce, initialState);
  const [replyTo, setReplyTo] = useState<ChatMessage | null>(null);
  const [question, setQuestion] = useState<Question | null>(null);
  const [naming, setNaming] = useState(false);
  const [account, setAccount] = useState(false);
  const [notice, setNotice] = useState<Notice | null>(null);
  const [folded, setFolded] = useState<string | null>(null);
  const [Asking, setAsking] = useState<ComponentType<Parameters<typeof Moderation>[0]> | null>(null);
  const root = useRef<HTMLElement>(null);
  const connection = useRef<Connection | null>(null);
  const latest = useRef(state);
  latest.current = state;
  useReadableColors(root);

  useEffect(() => {
    const opened = connectTo(host, tell);
    connection.current = opened;
    return () => opened.close();
  }, [host]);

  const signedOut = state.denied?.reason === "signedOut";
  const renew = () => connection.current?.renew();
  useEffect(() => {
    if (signedOut && readOnly) renew();
  }, [signedOut]);

  useEffect(() => {
    if (online) tell([{ type: "opened" }]);
  }, [online]);

  useEffect(() => {
    if (!notice) return undefined;
    const timer = setTimeout(() => setNotice(null), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [notice]);

  const send = (object: Readonly<Record<string, unknown>>) => connection.current?.send(object) ?? false;

  function run(act: Promise<unknown>) {
    setNotice(null);
    act.catch((error: Error) => setNotice({ text: error.message, undo: null, bad: true }));
  }

  // One object for the chat's life, so that rows are drawn once.
  const [room] = useState<Room>(() => {
    const ask = (kind: Question["kind"]) => (user: Question["user"]) => {
      setQuestion({ kind, user });
      run(import("./moderation").then((loaded) => setAsking(() => loaded.Moderation)));
    };
    return {
      readOnly,
      isName: (name) => latest.current.people.has(name) || latest.current.me?.name.toLowerCase() === name,
      acts: {
        reply: setReplyTo,
        show: (message, visible) => run(askAsMe("POST", "/api/chat/messagevisibility", { visible, idArray: [message.id] })),
        pin: (message) => run(askAsMe("POST", "/api/chat/pin", { id: message.id })),
        timeOut: ask("time-out"),
        ban: ask("ban"),
        card: ask("card"),
      },
    };
  });

  const shut = (closed || state.closed) && !readOnly && !state.me?.moderator;
  const apart = state.denied ? denialOf(state.denied) : state.link === "lost" ? t("chat.reconnecting") : shut ? t("chat.closed") : "";
  const { pinned } = state;
  return (
    <section class="chat" aria-label={t("chat")} ref={root} data-read-only={readOnly}>
      {!readOnly && (
        <header class="chat-header">
          <h2>{t("chat")}</h2>
          {state.me && !signedOut && (
            <Identity
              me={state.me}
              linked={state.link === "open"}
              refusal={state.refusal}
              send={send}
              open={naming}
              setOpen={setNaming}
              onAccount={() => setAccount(true)}
            />
          )}
          {!popOut && (
            <button type="button" class="icon-button" aria-label={t("chat.popOut")} title={t("chat.popOut")} onClick={() => open("/embed/chat/readwrite", "chat", POP_OUT)}>
              <Icon name="popOut" />
            </button>
          )}
        </header>
      )}
      {pinned && pinned.id !== folded && (
        <div class="chat-pinned" role="note" aria-label={t("chat.pinned")}>
          <Icon name="pin" />
          <div class="chat-pinned-words" tabIndex={0}>
            <span class="chat-name" data-color={pinned.user.color}>
              <bdi>{pinned.user.name}</bdi>
            </span>{" "}
            <div class="chat-body" dir="auto">
              <Body html={pinned.body} />
            </div>
          </div>
          {!readOnly && (
            <button
              type="button"
              class="chat-tool"
              aria-label={t(state.me?.moderator ? "chat.unpin" : "chat.foldPinned")}
              title={t(state.me?.moderator ? "chat.unpin" : "chat.foldPinned")}
              onClick={() => (state.me?.moderator ? run(askAsMe("POST", "/api/chat/pin", { id: null })) : setFolded(pinned.id))}
            >
              <Icon name="close" />
            </button>
          )}
        </div>
      )}
      <List state={state} room={room} tell={tell} busy={question !== null} />
      {!readOnly && <Announcer state={state} />}
      {apart && (
        <p class="chat-closed" role="status">
          {apart}
          {signedOut && (
            <span class="chat-ways">
              <Button onClick={renew}>{t("account.goOn")}</Button>
              <Button kind="primary" onClick={() => setAccount(true)}>
                {t("account.signIn")}
              </Button>
            </span>
          )}
        </p>
      )}
      <div role="status">
        {notice && (
          <p class="chat-notice" data-bad={notice.bad}>
            <span>{notice.text}</span>
            {notice.undo && (
              <button type="button" class="button" data-kind="quiet" onClick={() => run(notice.undo?.() ?? Promise.resolve())}>
                {t("undo")}
              </button>
            )}
            <button type="button" class="chat-tool" aria-label={t("close")} onClick={() => setNotice(null)}>
              <Icon name="close" />
            </button>
          </p>
        )}
      </div>
      {!state.denied && !readOnly && (
        <Composer state={state} slowModeSeconds={slowModeSeconds} replyTo={replyTo} onReplyDone={() => setReplyTo(null)} send={send} busy={naming} />
      )}
      {account && <Account name={state.me?.name ?? ""} signedOut={signedOut} onSwitch={renew} onClose={() => setAccount(false)} />}
      {question && Asking && (
        <Asking question={question} onClose={() => setQuestion(null)} onDone={(text, undo) => setNotice({ text, undo, bad: false })} />
      )}
    </section>
  );
}
