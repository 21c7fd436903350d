// The viewer page: header, player, what is to say about the stream, and the chat. Owns where each of them is, in each of
// the three layouts, and what is hidden.
import { useMemo, useState } from "preact/hooks";
import { lazy } from "../kit/lazy";
import { Player } from "../player/player";
import { recall, remember } from "../player/preferences";
import { t } from "../words";
import { Actions } from "./actions";
import type { Scene } from "./app";
import { ChatPanel } from "./chat-panel";
import { About, ShareButton, TitleRow } from "./details";
import { Brand, Header, Now, PageMenu } from "./header";
import { useLayout } from "./layout";
import { Nsfw } from "./nsfw";
import { Offline } from "./offline";
import { posterOf, showOf } from "./show";
import { tabId, Tabs } from "./tabs";

const FOLDED = "owncast.chatFolded";

const Notify = lazy(async () => (await import("./notify")).Notify);
const ShareDialog = lazy(async () => (await import("./share-dialog")).ShareDialog);

/** Browsers offer it on secure pages only, and some of them never. */
const NOTIFIABLE = "PushManager" in window && "Notification" in window && "serviceWorker" in navigator;

export function Page({ name, title, config, view, refreshStatus, allowed, allow }: Scene) {
  const layout = useLayout();
  const online = view.status?.online ?? false;
  const closed = view.status?.chatOpen === false;
  const [folded, setFolded] = useState(() => recall(FOLDED) === true);
  const [tab, setTab] = useState<"chat" | "about">(online ? "chat" : "about");
  const [overPicture, setOverPicture] = useState(false);
  const [theatre, setTheatre] = useState(false);
  const [sharing, setSharing] = useState(false);

  const chatting = config !== null && !config.chatDisabled;
  const wide = layout === "wide";
  const tabbed = layout === "tall" && chatting;
  const chatShown = chatting && { wide: !folded, tall: tab === "chat", flat: overPicture }[layout];
  const chat = chatting
    ? {
        on: chatShown,
        toggle() {
          if (layout === "tall") return setTab(chatShown ? "about" : "chat");
          if (layout === "flat") return setOverPicture(!chatShown);
          remember(FOLDED, chatShown);
          setFolded(chatShown);
        },
      }
    : undefined;

  const share = () => setSharing(true);
  const menu = <PageMenu onShare={share} />;
  const notify = config?.pushKey && NOTIFIABLE ? <Notify publicKey={config.pushKey} /> : null;
  const overPoster = allowed && !online;
  const buttons = (
    <>
      <Actions actions={config?.actions ?? []} />
      {!overPoster && notify}
      <ShareButton onShare={share} />
    </>
  );
  // Drawn anew only when something changes that it shows: a chat is large, and the status comes every few seconds.
  const chatPanel = useMemo(
    () => config && chatting && <ChatPanel config={config} online={online} closed={closed} shown={chatShown} {...(tabbed && { label: tabId("chat") })} />,
    [config, online, closed, chatting, chatShown, tabbed],
  );

  return (
    <div class="page" data-layout={layout} data-theatre={wide && theatre} data-chat={chatShown}>
      <p class="visually-hidden" role="status">
        {view.status && t(online ? "page.isLive" : "page.isOffline")}
      </p>
      {wide && !theatre && <Header name={name} logo={config?.logo ?? ""} view={view} chat={chat} onShare={share} />}
      <main class="layout">
        <div class="stage">
          {allowed ? (
            <Player
              show={config && view.status ? showOf(view.status) : undefined}
              title={title}
              poster={view.status && posterOf(view.status)}
              offline={
                <Offline name={name} config={config} view={view}>
                  {overPoster && notify}
                </Offline>
              }
              onEnded={refreshStatus}
              theatre={wide ? { on: theatre, toggle: () => setTheatre(!theatre) } : undefined}
              chat={chat}
              chatAmongControls={layout === "flat" || (wide && theatre)}
            />
          ) : (
            <Nsfw name={name} onShow={allow} />
          )}
          <TitleRow title={title}>
            {!wide && <Now view={view} />}
            {wide ? <div class="title-actions">{buttons}</div> : !tabbed && menu}
          </TitleRow>
        </div>
        {tabbed && (
          <div class="tab-bar">
            <Tabs
              label={t("page.parts")}
              tabs={[
                { name: "chat", label: t("chat") },
                { name: "about", label: t("page.aboutTab") },
              ]}
              chosen={tab}
              onChoose={setTab}
            />
            {menu}
          </div>
        )}
        <div
          class="about-panel"
          hidden={tabbed && tab !== "about"}
          {...(tabbed && { id: "panel-about", role: "tabpanel", "aria-labelledby": tabId("about") })}
        >
          <About config={config} online={online}>
            {!wide && (
              <>
                <Brand name={name} logo={config?.logo ?? ""} />
                <div class="title-actions">{buttons}</div>
              </>
            )}
          </About>
        </div>
        {chatPanel}
      </main>
      {sharing && <ShareDialog title={title} chat={chatting} onClose={() => setSharing(false)} />}
    </div>
  );
}
