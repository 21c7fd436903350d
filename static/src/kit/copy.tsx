// Something to be put into another program: shown, and copied with one press.
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../words";
import { Icon } from "./icon";

const THANKS_MS = 2_000;

interface Props {
  value: string;
  label: string;
  /** A secret is hidden until somebody asks to see it. */
  secret?: boolean;
}

export function Copyable({ value, label, secret = false }: Props) {
  const [shown, setShown] = useState(!secret);
  const [copied, setCopied] = useState(false);
  const field = useRef<HTMLInputElement>(null);

  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), THANKS_MS);
    return () => clearTimeout(timer);
  }, [copied]);

  async function copy() {
    try {
      await navigator.clipboard.writeText(value);
    } catch {
      // Browsers give the clipboard to secure origins only; there the old way still works.
      setShown(true);
      field.current?.focus();
      field.current?.select();
      document.execCommand("copy");
    }
    setCopied(true);
  }

  return (
    <div class="copyable">
      <input ref={field} class="input" readOnly aria-label={label} type={(shown ? "text" : "password") as "text"} value={value} />
      {secret && (
        <button type="button" class="icon-button" aria-pressed={shown} aria-label={t(shown ? "hide" : "show")} title={t(shown ? "hide" : "show")} onClick={() => setShown(!shown)}>
          <Icon name={shown ? "hide" : "show"} />
        </button>
      )}
      <button type="button" class="icon-button" aria-label={`${t("copy")}: ${label}`} title={t("copy")} onClick={() => void copy()}>
        <Icon name={copied ? "check" : "copy"} />
      </button>
      <span class="visually-hidden" role="status">
        {copied && t("copied")}
      </span>
    </div>
  );
}
