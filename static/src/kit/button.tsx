// Buttons. While what one does is under way it cannot be pressed again, and says so after a moment.
import type { ComponentChildren, TargetedMouseEvent } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../words";

/** What takes longer than this is shown to be under way. */
const BUSY_AFTER_MS = 400;

interface Props {
  /** primary: what the reader most likely wants; danger: what cannot be undone; quiet: beside others. */
  kind?: "primary" | "plain" | "quiet" | "danger";
  type?: "button" | "submit";
  /** The id of the form that it sends, where it stands outside. */
  form?: string;
  disabled?: boolean;
  title?: string;
  /** What it is called where the words on it would not tell it from its neighbours. */
  label?: string;
  /** May return a promise; the button is busy until that is settled. */
  onClick?: (event: TargetedMouseEvent<HTMLButtonElement>) => unknown;
  /** Busy for a reason of the caller's, such as a form that is being sent. */
  busy?: boolean;
  children: ComponentChildren;
}

export function Button({ kind = "plain", type = "button", form, disabled = false, title, label, onClick, busy = false, children }: Props) {
  const [running, setRunning] = useState(false);
  const mounted = useRef(true);
  useEffect(() => () => void (mounted.current = false), []);
  const shown = useLater(running || busy, BUSY_AFTER_MS);

  function press(event: TargetedMouseEvent<HTMLButtonElement>) {
    const result = onClick?.(event);
    if (!(result instanceof Promise)) return;
    setRunning(true);
    void result.finally(() => mounted.current && setRunning(false));
  }

  return (
    <button
      type={type}
      {...(form && { form })}
      class="button"
      data-kind={kind}
      disabled={disabled || running || busy}
      aria-busy={shown}
      {...(title && { title })}
      {...(label && { "aria-label": label })}
      {...(onClick && { onClick: press })}
    >
      {shown && <span class="spinner-small" role="progressbar" aria-label={t("busy")} />}
      {children}
    </button>
  );
}

/** `on`, but true only after it has been for so long. */
export function useLater(on: boolean, ms: number): boolean {
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (!on) {
      setLate(false);
      return undefined;
    }
    const timer = setTimeout(() => setLate(true), ms);
    return () => clearTimeout(timer);
  }, [on, ms]);
  return on && late;
}
