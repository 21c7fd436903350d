// The dialog to share the stream: its link, and the lines that put it into other pages.
import { Button } from "../kit/button";
import { Copyable } from "../kit/copy";
import { Dialog } from "../kit/dialog";
import { t } from "../words";

interface Props {
  title: string;
  chat: boolean;
  onClose: () => void;
}

export function ShareDialog({ title, chat, onClose }: Props) {
  const link = `${location.origin}/`;
  return (
    <Dialog title={t("share.title")} onClose={onClose}>
      <Line label={t("share.link")} value={link} />
      {"share" in navigator && (
        // The viewer may think better of it, which is no failure.
        <Button kind="primary" onClick={() => navigator.share({ title, url: link }).catch(() => undefined)}>
          {t("share.apps")}
        </Button>
      )}
      <Line label={t("share.video")} help={t("share.videoHelp")} value={frame("/embed/video", 'width="1280" height="720" allow="autoplay; fullscreen" allowfullscreen')} />
      {chat && <Line label={t("share.chat")} help={t("share.chatHelp")} value={frame("/embed/chat/readwrite", 'width="400" height="600"')} />}
    </Dialog>
  );
}

function Line({ label, help, value }: { label: string; help?: string; value: string }) {
  return (
    <div class="field">
      <span class="field-label">{label}</span>
      <Copyable label={label} value={value} />
      {help && <p class="field-help">{help}</p>}
    </div>
  );
}

function frame(path: string, attributes: string): string {
  return `<iframe src="${location.origin}${path}" ${attributes}></iframe>`;
}
