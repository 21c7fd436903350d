// Where the chat is on the page. It is fetched after the page has been drawn; its shape stands in its place until then.
import { useEffect, useState } from "preact/hooks";
import { lazy } from "../kit/lazy";
import { t } from "../words";
import type { Config } from "./documents";

export const Chat = lazy(async () => (await import("../chat/chat")).Chat, Skeleton);

const ROWS = [62, 84, 48, 90, 70, 36, 78];

interface Props {
  config: Config;
  online: boolean;
  closed: boolean;
  shown: boolean;
  /** The tab that it belongs to, where there are tabs. */
  label?: string;
}

export function ChatPanel({ config, online, closed, shown, label }: Props) {
  const [wanted, setWanted] = useState(shown);
  useEffect(() => {
    if (shown) setWanted(true);
  }, [shown]);
  // Hidden it stays connected: whoever comes back to it has missed nothing.
  return (
    <div class="chat-panel" hidden={!shown} {...(label ? { id: "panel-chat", role: "tabpanel", "aria-labelledby": label } : {})}>
      {wanted && <Chat host={config.socketHost} online={online} closed={closed} slowModeSeconds={config.slowModeSeconds} popOut={Boolean(label)} />}
    </div>
  );
}

/** The shape of a chat. */
function Skeleton() {
  return (
    <div class="skeleton" role="progressbar" aria-label={t("loading")}>
      {ROWS.map((width, at) => (
        <span key={at} style={{ width: `${width}%` }} />
      ))}
    </div>
  );
}
