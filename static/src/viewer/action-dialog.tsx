// What a button of the owner's opens over the page: the owner's words, or a page in a frame that may do little.
import { Dialog } from "../kit/dialog";
import { Icon } from "../kit/icon";
import { t } from "../words";
import type { Action } from "./documents";
import { SafeHtml } from "./safe-html";

interface Props {
  action: Action;
  address: string;
  onClose: () => void;
}

export function ActionDialog({ action, address, onClose }: Props) {
  return (
    <Dialog title={action.title} onClose={onClose}>
      {action.description && <p class="quiet">{action.description}</p>}
      {action.html ? <SafeHtml html={action.html} class="prose" /> : <Framed title={action.title} address={address} />}
    </Dialog>
  );
}

function Framed({ title, address }: { title: string; address: string }) {
  // A page of another site keeps its own storage. One of this server would have the viewer's, so it gets none.
  const own = new URL(address).origin === location.origin ? "" : " allow-same-origin";
  return (
    <>
      <iframe
        class="action-frame"
        src={address}
        title={title}
        sandbox={`allow-scripts allow-forms allow-popups allow-popups-to-escape-sandbox${own}`}
        referrerpolicy="strict-origin-when-cross-origin"
        allow="fullscreen"
      />
      {/* Many pages refuse to be in a frame, and no page is told when one does. */}
      <p>
        <a href={address} target="_blank" rel="noopener">
          {t("action.newTab")} <Icon name="external" />
        </a>
      </p>
    </>
  );
}
