// The header: whose page this is, whether the show is on, and what a reader can set.
import { clock, fullTime } from "../format";
import { Icon } from "../kit/icon";
import { Menu } from "../kit/menu";
import { tasteItems } from "../kit/taste";
import { useNow } from "../kit/use-now";
import type { Toggle } from "../player/controls";
import { plural, t } from "../words";
import { Picture } from "./picture";
import type { StatusView } from "./use-status";

interface Props {
  name: string;
  logo: string;
  view: StatusView;
  chat: Toggle | undefined;
  onShare: () => void;
}

export function Header({ name, logo, view, chat, onShare }: Props) {
  return (
    <header class="header">
      <Brand name={name} logo={logo} />
      <Now view={view} />
      <span class="header-tools">
        {chat && (
          <button
            type="button"
            class="icon-button"
            aria-pressed={chat.on}
            aria-keyshortcuts="c"
            aria-label={t("chat")}
            title={`${t(chat.on ? "page.hideChat" : "page.showChat")} (c)`}
            onClick={chat.toggle}
          >
            <Icon name="chat" />
          </button>
        )}
        <PageMenu onShare={onShare} />
      </span>
    </header>
  );
}

export function Brand({ name, logo }: { name: string; logo: string }) {
  return (
    <a class="brand" href="/">
      <Picture class="logo" address={logo} />
      <span class="name">{name}</span>
    </a>
  );
}

/** Whether the show is on, since when, and how many watch. */
export function Now({ view }: { view: StatusView }) {
  const { status, silent } = view;
  return (
    <div class="now">
      {silent ? (
        <span class="badge" data-kind="warning">
          {t("page.silent")}
        </span>
      ) : status?.online ? (
        <>
          <span class="badge" data-kind="live">
            {t("live")}
          </span>
          {status.viewerCount !== null && <span class="count">{plural("viewers", status.viewerCount)}</span>}
          {status.lastConnectTime !== null && <Uptime since={status.lastConnectTime} clockOffset={view.clockOffset} />}
        </>
      ) : (
        status && <span class="badge">{t("offline")}</span>
      )}
    </div>
  );
}

function Uptime({ since, clockOffset }: { since: number; clockOffset: number }) {
  const now = useNow(true);
  return (
    <time class="uptime" dateTime={new Date(since).toISOString()} title={t("page.liveSince", { time: fullTime(since) })}>
      {clock((now + clockOffset - since) / 1000)}
    </time>
  );
}

/** Appearance, language, and what else a reader may want of the page. */
export function PageMenu({ onShare }: { onShare: () => void }) {
  return (
    <Menu label={t("page.menu")} items={[{ label: t("share"), onSelect: onShare }, ...tasteItems()]}>
      <Icon name="menu" />
    </Menu>
  );
}
