// The owner's buttons below the video: a page elsewhere in a tab of its own, or, over this page, a page in a frame or
// words of the owner's. Both dialogs are fetched when one is opened.
import { useState } from "preact/hooks";
import { Icon } from "../kit/icon";
import { lazy } from "../kit/lazy";
import type { Action } from "./documents";
import { Picture } from "./picture";

const ActionDialog = lazy(async () => (await import("./action-dialog")).ActionDialog);

export function Actions({ actions }: { actions: readonly Action[] }) {
  const [opened, setOpened] = useState<Action | null>(null);
  return (
    <>
      {actions.map((action, at) =>
        action.openExternally && !action.html ? (
          <a key={at} class="button action" href={addressOf(action)} target="_blank" rel="noopener" title={action.description}>
            <Face action={action} />
            <Icon name="external" />
          </a>
        ) : (
          <button key={at} type="button" class="button action" aria-haspopup="dialog" title={action.description} onClick={() => setOpened(action)}>
            <Face action={action} />
          </button>
        ),
      )}
      {opened && <ActionDialog action={opened} address={addressOf(opened)} onClose={() => setOpened(null)} />}
    </>
  );
}

function Face({ action: { icon, color, title } }: { action: Action }) {
  return (
    <>
      {icon ? <Picture class="action-icon" address={icon} /> : color && <span class="action-color" style={{ backgroundColor: color }} />}
      <span class="action-title">{title}</span>
    </>
  );
}

/** What is opened is told where it was opened, by the name that Owncast has for it. */
function addressOf({ url }: Action): string {
  if (!url) return "";
  const address = new URL(url, location.href);
  address.searchParams.append("instance", location.origin + location.pathname);
  return address.href;
}
