// A button that opens a short list of things to do. Arrows move in it, Escape closes it, and so does a press elsewhere.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

export interface MenuItem {
  label: string;
  /** What it means, in a second line. */
  hint?: string;
  onSelect: () => void;
  danger?: boolean;
  /** For one of several choices: whether it is the one that is chosen. */
  checked?: boolean;
}

interface Props {
  /** What the button is for; read aloud, and shown on hover. */
  label: string;
  /** What stands on the button. */
  children: ComponentChildren;
  items: readonly MenuItem[];
  class?: string;
  /** Told when it opens and closes, for what must not disappear meanwhile. */
  onOpen?: (open: boolean) => void;
}

const MOVES: Readonly<Record<string, (at: number, count: number) => number>> = {
  ArrowDown: (at, count) => (at + 1) % count,
  ArrowUp: (at, count) => (at - 1 + count) % count,
  Home: () => 0,
  End: (_at, count) => count - 1,
};

export function Menu({ label, children, items, class: name = "icon-button", onOpen }: Props) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const list = useId();

  function change(to: boolean) {
    setOpen(to);
    onOpen?.(to);
  }

  function entries(): HTMLButtonElement[] {
    return Array.from(root.current?.querySelectorAll<HTMLButtonElement>("[role^=menuitem]") ?? []);
  }

  useEffect(() => {
    if (!open) return undefined;
    (entries().find((entry) => entry.ariaChecked === "true") ?? entries()[0])?.focus();
    const onPress = (event: Event) => {
      if (!root.current?.contains(event.target as Node)) change(false);
    };
    document.addEventListener("pointerdown", onPress);
    return () => document.removeEventListener("pointerdown", onPress);
  }, [open]);

  function onKey(event: KeyboardEvent) {
    const all = entries();
    const move = MOVES[event.key];
    if (event.key === "Escape" || event.key === "Tab") {
      change(false);
      if (event.key === "Escape") {
        event.stopPropagation();
        button.current?.focus();
      }
    } else if (open && move) {
      event.preventDefault();
      all[move(all.indexOf(document.activeElement as HTMLButtonElement), all.length)]?.focus();
    }
  }

  return (
    <div class="menu" ref={root} onKeyDown={onKey}>
      <button
        ref={button}
        type="button"
        class={name}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? list : undefined}
        onClick={() => change(!open)}
      >
        {children}
      </button>
      {open && (
        <div class="menu-list" role="menu" id={list} aria-label={label}>
          {items.map((item) => (
            <button
              key={item.label}
              type="button"
              class="menu-item"
              role={item.checked === undefined ? "menuitem" : "menuitemradio"}
              aria-checked={item.checked}
              data-danger={item.danger}
              tabIndex={-1}
              onClick={() => {
                change(false);
                button.current?.focus();
                item.onSelect();
              }}
            >
              {item.label}
              {item.hint && <span class="menu-hint">{item.hint}</span>}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
