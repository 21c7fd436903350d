// The button that opens the emoji picker above the field. The picker itself is loaded when it is first wanted.
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../kit/icon";
import { t } from "../words";

export function EmojiButton({ insert }: { insert: (text: string) => void }) {
  const [open, setOpen] = useState(false);
  const [failed, setFailed] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const pick = useRef(insert);
  pick.current = insert;

  useEffect(() => {
    const parent = panel.current;
    if (!open || !parent) return undefined;
    setFailed(false);
    import("./picker").then(({ openPicker }) => openPicker(parent, (text) => pick.current(text))).catch(() => setFailed(true));
    const onPress = (event: Event) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", onPress);
    return () => document.removeEventListener("pointerdown", onPress);
  }, [open]);

  return (
    <div
      ref={root}
      class="chat-emoji"
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !open) return;
        event.stopPropagation();
        setOpen(false);
        button.current?.focus();
      }}
    >
      <button
        ref={button}
        type="button"
        class="chat-tool"
        aria-label={t("chat.emoji")}
        title={t("chat.emoji")}
        aria-expanded={open}
        aria-haspopup="dialog"
        onClick={() => setOpen(!open)}
      >
        <Icon name="smile" />
      </button>
      {open && (
        <div ref={panel} class="chat-picker" role="dialog" aria-label={t("chat.emoji")}>
          {failed && <p>{t("noAnswer")}</p>}
        </div>
      )}
    </div>
  );
}
