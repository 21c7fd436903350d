// Short words about what has just been done, at the edge of the page. They leave by themselves; one with a way back
// stays longer.
import { useEffect, useState } from "preact/hooks";
import { t } from "../words";
import { Icon } from "./icon";

const SHOWN_MS = 5_000;
const SHOWN_WITH_UNDO_MS = 10_000;
const MAX_SHOWN = 3;

interface Toast {
  id: number;
  text: string;
  bad: boolean;
  undo: (() => void) | null;
}

let toasts: readonly Toast[] = [];
let last = 0;
const listeners = new Set<(toasts: readonly Toast[]) => void>();

function show(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener(toasts);
}

function add(text: string, bad: boolean, undo: (() => void) | null): void {
  last += 1;
  const id = last;
  show([...toasts, { id, text, bad, undo }].slice(-MAX_SHOWN));
  setTimeout(() => dismiss(id), undo || bad ? SHOWN_WITH_UNDO_MS : SHOWN_MS);
}

function dismiss(id: number): void {
  if (toasts.some((toast) => toast.id === id)) show(toasts.filter((toast) => toast.id !== id));
}

/** Says that something went well; `undo` takes it back. */
export function tell(text: string, undo: (() => void) | null = null): void {
  add(text, false, undo);
}

/** Says what went wrong. */
export function complain(error: unknown): void {
  add(error instanceof Error ? error.message : String(error), true, null);
}

export function Toasts() {
  const [shown, setShown] = useState(toasts);
  useEffect(() => {
    listeners.add(setShown);
    return () => void listeners.delete(setShown);
  }, []);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {shown.map((toast) => (
        <div key={toast.id} class="toast" data-bad={toast.bad}>
          <span>{toast.text}</span>
          {toast.undo && (
            <button
              type="button"
              class="button"
              data-kind="quiet"
              onClick={() => {
                toast.undo?.();
                dismiss(toast.id);
              }}
            >
              {t("undo")}
            </button>
          )}
          <button type="button" class="icon-button" aria-label={t("close")} onClick={() => dismiss(toast.id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
