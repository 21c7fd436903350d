// Links: where else the owner can be found, and the buttons below the video.
import { useState } from "preact/hooks";
import { Button } from "../../kit/button";
import { Empty } from "../../kit/resource";
import { complain, tell } from "../../kit/toast";
import { get, type Schemas } from "../../api/client";
import { Loaded, useResource } from "../../kit/resource";
import { t } from "../../words";
import { saveSetting } from "../form";
import { useServerConfig } from "../server-config";
import { type Action, ActionDialog } from "./action";
import { Movable } from "./movable";
import { type Handle, SocialDialog } from "./social";
import "../../styles/admin-content.css";

export default function Links() {
  const platforms = useResource(() => get("/api/socialplatforms"), []);
  return (
    <>
      <Loaded resource={platforms}>{(found) => <Social platforms={found} />}</Loaded>
      <Buttons />
    </>
  );
}

/** A list that is a setting: sent as a whole, and taken back from the toast. */
function useList<Item>(path: string, items: readonly Item[]) {
  const { reload } = useServerConfig();
  const [editing, setEditing] = useState<number | "new" | null>(null);

  async function save(next: readonly Item[]) {
    await saveSetting(path, next);
    await reload();
    tell(t("admin.saved"), () => void saveSetting(path, items).then(reload, complain));
  }

  return {
    editing,
    edit: setEditing,
    edited: typeof editing === "number" ? (items[editing] ?? null) : null,
    change: (next: readonly Item[]) => void save(next).catch(complain),
    put: (item: Item) => save(editing === "new" ? [...items, item] : items.map((each, at) => (at === editing ? item : each))),
  };
}

function Social({ platforms }: { platforms: Record<string, Schemas["PlatformView"]> }) {
  const { config } = useServerConfig();
  const handles = config.instanceDetails.socialHandles;
  const list = useList<Handle>("socialhandles", handles);
  const nameOf = ({ platform }: Handle) => platforms[platform.toLowerCase()]?.platform ?? platform;
  const add = (
    <Button kind="primary" onClick={() => list.edit("new")}>
      {t("links.add")}
    </Button>
  );
  return (
    <section class="section" aria-label={t("links.social")}>
      <h2>{t("links.social")}</h2>
      <p class="lead">{t("links.socialHelp")}</p>
      {handles.length === 0 ? (
        <Empty title={t("links.none")} action={add}>
          {t("links.noneHelp")}
        </Empty>
      ) : (
        <>
          <Movable
            items={handles}
            nameOf={nameOf}
            onEdit={list.edit}
            onChange={list.change}
            draw={(handle) => (
              <span class="link-row">
                <img src={handle.icon} alt="" width={32} height={32} />
                <span>
                  <b>{nameOf(handle)}</b>
                  <span class="quiet link-address">{handle.url}</span>
                </span>
              </span>
            )}
          />
          <p>{add}</p>
        </>
      )}
      {list.editing !== null && <SocialDialog handle={list.edited} platforms={platforms} onSave={list.put} onClose={() => list.edit(null)} />}
    </section>
  );
}

function Buttons() {
  const { config } = useServerConfig();
  const actions = config.externalActions;
  const list = useList<Action>("externalactions", actions);
  const add = (
    <Button kind="primary" onClick={() => list.edit("new")}>
      {t("links.addButton")}
    </Button>
  );
  return (
    <section class="section" aria-label={t("links.buttons")}>
      <h2>{t("links.buttons")}</h2>
      <p class="lead">{t("links.buttonsHelp")}</p>
      {actions.length === 0 ? (
        <Empty title={t("links.noButtons")} action={add}>
          {t("links.noButtonsHelp")}
        </Empty>
      ) : (
        <>
          <Movable
            items={actions}
            nameOf={(action) => action.title}
            onEdit={list.edit}
            onChange={list.change}
            draw={(action) => (
              <span class="link-row">
                {/^(https:\/\/|\/(?!\/))/.test(action.icon) ? (
                  <img src={action.icon} alt="" width={32} height={32} referrerpolicy="no-referrer" />
                ) : (
                  <span class="link-color" style={action.color ? { backgroundColor: action.color } : {}} />
                )}
                <span>
                  <b>{action.title}</b>
                  <span class="quiet">{t(action.html ? "links.opensHtml" : action.openExternally ? "links.opensTab" : "links.opensDialog")}</span>
                  {!action.html && <span class="quiet link-address">{action.url}</span>}
                </span>
              </span>
            )}
          />
          <p>{add}</p>
        </>
      )}
      {list.editing !== null && <ActionDialog action={list.edited} onSave={list.put} onClose={() => list.edit(null)} />}
    </section>
  );
}
