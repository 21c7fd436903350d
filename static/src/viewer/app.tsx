// Which part of the page is shown: all of it, or one that another site has put into a frame of its own. Owns what all of
// them share: the state that the server keeps, the title of the document, the heartbeat.
import { useEffect, useState } from "preact/hooks";
import { Player } from "../player/player";
import { t } from "../words";
import { Chat } from "./chat-panel";
import type { Config } from "./documents";
import { Nsfw, useConsent } from "./nsfw";
import { Offline } from "./offline";
import { Page } from "./page";
import { posterOf, showOf } from "./show";
import { type StatusView, useConfig, useHeartbeat, useStatus } from "./use-status";

type Frame = "page" | "video" | "chat" | "chat-readonly";

/** What every frame shows something of. */
export interface Scene {
  name: string;
  title: string;
  config: Config | null;
  view: StatusView;
  refreshStatus: () => void;
  /** Whether the stream may be shown yet, and a function that says that it may. */
  allowed: boolean;
  allow: () => void;
}

function frameOf(path: string): Frame {
  if (path === "/embed/video") return "video";
  if (path === "/embed/chat/readonly") return "chat-readonly";
  return path === "/embed/chat/readwrite" ? "chat" : "page";
}

export function App() {
  const [frame] = useState(() => frameOf(location.pathname));
  const [view, refreshStatus] = useStatus();
  const config = useConfig();
  const [allowed, allow] = useConsent(config?.nsfw ?? false);
  const online = view.status?.online ?? false;
  const name = config?.name || t("page.name");
  const title = view.status?.streamTitle || name;
  const forVideo = !frame.startsWith("chat");
  useHeartbeat(online && allowed && forVideo);

  useEffect(() => {
    document.title = online && title !== name ? `${title} · ${name}` : name;
  }, [online, title, name]);

  const scene: Scene = { name, title, config, view, refreshStatus, allowed, allow };
  if (frame === "page") return <Page {...scene} />;
  return <main class="embedded">{forVideo ? <EmbeddedVideo {...scene} /> : <EmbeddedChat config={config} view={view} readOnly={frame === "chat-readonly"} />}</main>;
}

function EmbeddedVideo({ name, title, config, view, refreshStatus, allowed, allow }: Scene) {
  if (!allowed) return <Nsfw name={name} onShow={allow} />;
  return (
    <>
      <h1 class="visually-hidden">{title}</h1>
      <Player
        show={config && view.status ? showOf(view.status) : undefined}
        title={title}
        poster={view.status && posterOf(view.status)}
        offline={<Offline name={name} config={config} view={view} />}
        onEnded={refreshStatus}
      />
    </>
  );
}

function EmbeddedChat({ config, view, readOnly }: { config: Config | null; view: StatusView; readOnly: boolean }) {
  if (!config) return null;
  if (config.chatDisabled) return <p class="chat-off">{t("page.chatOff")}</p>;
  const { online = false, chatOpen = true } = view.status ?? {};
  return <Chat host={config.socketHost} online={online} closed={!chatOpen} slowModeSeconds={config.slowModeSeconds} readOnly={readOnly} popOut />;
}
