// The chat beside the player: puts history, composer and identity together, and says why it is closed when it is.
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { Body } from "./body";
import { Composer } from "./composer";
import { Connection } from "./connection";
import { Identity } from "./identity";
import { type Acts, List } from "./list";
import { type ChatState, initialState, reduce } from "./state";
import type { ChatMessage } from "./wire";

const PAUSE_SECONDS = 600;

const DENIED = {
  disabled: "Chat is switched off.",
  unregistered: "Chat does not let you in; reload the page to try again.",
  banned: "A moderator has removed you from this chat.",
  full: "Chat is full; reload the page to try again.",
};

interface Props {
  /** Where the socket is; "" means here. */
  host: string;
  /** Whether there is nothing to write in. */
  readOnly?: boolean;
}

export function Chat({ host, readOnly = false }: Props) {
  const [state, tell] = useReducer(reduce, initialState);
  const [replyTo, setReplyTo] = useState<ChatMessage | null>(null);
  const [problem, setProblem] = useState("");
  const connection = useRef<Connection | null>(null);

  useEffect(() => {
    const opened = new Connection(tell, host);
    connection.current = opened;
    return () => opened.close();
  }, [host]);

  const send = (object: Record<string, unknown>) => connection.current?.send(object) ?? false;

  // One object for the page's life, so that rows are drawn once.
  const [acts] = useState<Acts>(() => {
    const act = (path: string, document: unknown) => {
      setProblem("");
      connection.current?.act(path, document).catch((error: Error) => setProblem(error.message));
    };
    return {
      reply: setReplyTo,
      hide: (message) => act("/api/chat/messagevisibility", { visible: false, idArray: [message.id] }),
      pause: (user) => act("/api/chat/users/timeout", { userId: user.id, seconds: PAUSE_SECONDS }),
      ban: (user) => {
        if (confirm(`Ban ${user.name}? All their messages are hidden.`)) {
          act("/api/chat/users/setenabled", { userId: user.id, enabled: false });
        }
      },
    };
  });

  return (
    <section class="chat" aria-label="Chat">
      <header class="chat-header">
        <h2>Chat</h2>
        {state.me && !readOnly && <Identity me={state.me} send={send} />}
      </header>
      {state.pinned && (
        <div class="chat-pinned">
          <b>{state.pinned.user.name}</b> <Body html={state.pinned.body} />
        </div>
      )}
      <List entries={state.entries} me={state.me} acts={acts} />
      {problem && (
        <p class="chat-problem" role="alert">
          {problem}
        </p>
      )}
      <Closed state={state} />
      {!state.denied && !readOnly && (
        <Composer
          state={state}
          replyTo={replyTo}
          onReplyDone={() => setReplyTo(null)}
          send={(body, inReplyTo) => send({ type: "CHAT", body, ...(inReplyTo && { inReplyTo }) })}
        />
      )}
    </section>
  );
}

function Closed({ state }: { state: ChatState }) {
  const sentence = state.denied ? state.denied.text || DENIED[state.denied.reason] : state.link === "lost" && "Reconnecting…";
  return sentence ? (
    <p class="chat-closed" role="status">
      {sentence}
    </p>
  ) : null;
}
