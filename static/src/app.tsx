// The viewer page: header, player, what is to say about the stream, and the chat beside it.
import { useEffect, useState } from "preact/hooks";
import type { Config, Status } from "./api";
import { Chat } from "./chat/chat";
import { ago, clock, fullTime, viewers } from "./format";
import { Player } from "./player/player";
import { type StatusView, useConfig, useHeartbeat, useNow, useStatus } from "./use-status";

const DEFAULT_NAME = "Live stream";

/** Which part of the page is shown: all of it, or one that another site has put into a frame of its own. */
type Frame = "page" | "video" | "chat" | "chat-readonly";

function frameOf(path: string): Frame {
  if (path === "/embed/video") return "video";
  if (path === "/embed/chat/readonly") return "chat-readonly";
  return path === "/embed/chat/readwrite" ? "chat" : "page";
}

export function App() {
  const [frame] = useState(() => frameOf(location.pathname));
  const [view, refreshStatus] = useStatus();
  const config = useConfig();
  const { status } = view;
  const online = status?.online ?? false;
  const name = config?.name || DEFAULT_NAME;
  const title = status?.streamTitle || name;
  const chatting = config !== null && !config.chatDisabled;
  useHeartbeat(online && !frame.startsWith("chat"));

  useEffect(() => {
    document.title = online && title !== name ? `${title} · ${name}` : name;
  }, [online, title, name]);

  const player = (
    <Player
      show={status ? showOf(status) : undefined}
      title={title}
      poster={status && posterOf(status)}
      offline={<Offline name={name} view={view} />}
      onEnded={refreshStatus}
    />
  );
  if (frame === "video") return <main class="embedded">{player}</main>;
  if (frame !== "page") {
    return (
      <main class="embedded">
        {chatting ? (
          <Chat host={config.socketHost} readOnly={frame === "chat-readonly"} />
        ) : (
          config && <p class="chat-closed">Chat is switched off.</p>
        )}
      </main>
    );
  }
  return (
    <div class="page">
      <Header name={name} logo={config?.logo ?? ""} view={view} />
      <main class="layout" data-chat={chatting}>
        <div class="stage">
          {player}
          <Details title={title} name={name} config={config} />
        </div>
        {chatting && <Chat host={config.socketHost} />}
      </main>
      <p class="visually-hidden" role="status">
        {status && (online ? "The stream is live." : "The stream is offline.")}
      </p>
    </div>
  );
}

/** A show lasts as long as its connect time: an encoder that comes back within the grace does not change it. */
function showOf(status: Status): string | null {
  return status.online ? String(status.lastConnectTime ?? "live") : null;
}

function posterOf(status: Status): string | null {
  const when = status.online ? status.lastConnectTime : status.lastDisconnectTime;
  return when === null ? null : `/thumbnail.jpg?of=${when}`;
}

function Header({ name, logo, view }: { name: string; logo: string; view: StatusView }) {
  const { status, silent } = view;
  return (
    <header class="header">
      <a class="brand" href="/">
        {logo.startsWith("/") && <img class="logo" src={logo} alt="" />}
        <span class="name">{name}</span>
      </a>
      <div class="now">
        {silent ? (
          <span class="badge" data-kind="warning">Server not answering</span>
        ) : status?.online ? (
          <>
            <span class="badge" data-kind="live">Live</span>
            {status.viewerCount !== null && <span>{viewers(status.viewerCount)}</span>}
            {status.lastConnectTime !== null && <Uptime since={status.lastConnectTime} clockOffset={view.clockOffset} />}
          </>
        ) : (
          status && <span class="badge">Offline</span>
        )}
      </div>
    </header>
  );
}

function Uptime({ since, clockOffset }: { since: number; clockOffset: number }) {
  const now = useNow(true);
  return (
    <time class="uptime" dateTime={new Date(since).toISOString()} title={`Live since ${fullTime(since)}`}>
      {clock((now + clockOffset - since) / 1000)}
    </time>
  );
}

function Offline({ name, view }: { name: string; view: StatusView }) {
  const now = useNow(true) + view.clockOffset;
  const last = view.status?.lastDisconnectTime ?? null;
  return (
    <>
      <p class="offline-name">{name}</p>
      <p>
        Offline
        {last !== null && (
          <>
            {" · last live "}
            <time dateTime={new Date(last).toISOString()} title={fullTime(last)}>
              {ago(last, now)}
            </time>
          </>
        )}
      </p>
      <p class="quiet">Leave this page open: the stream starts here by itself.</p>
    </>
  );
}

function Details({ title, name, config }: { title: string; name: string; config: Config | null }) {
  const summary = config?.summary ?? "";
  const tags = config?.tags ?? [];
  return (
    <div class="details">
      <h1>{title}</h1>
      {title !== name && <p class="by">{name}</p>}
      {summary && <p class="summary">{summary}</p>}
      {tags.length > 0 && (
        <ul class="tags" aria-label="Tags">
          {tags.map((tag) => (
            <li key={tag}>{tag}</li>
          ))}
        </ul>
      )}
    </div>
  );
}
