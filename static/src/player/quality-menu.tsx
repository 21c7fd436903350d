// The quality button and its menu: automatic, or one variant. Follows the ARIA pattern of a menu button.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { AUTOMATIC, type Quality } from "./engine";
import { Icon } from "./icons";

interface Props {
  qualities: readonly Quality[];
  playing: number;
  selected: number;
  onSelect(id: number): void;
}

export function QualityMenu({ qualities, playing, selected, onSelect }: Props) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);

  useLayoutEffect(() => {
    if (open) root.current?.querySelector<HTMLElement>("[aria-checked=true]")?.focus();
  }, [open]);

  useEffect(() => {
    if (!open) return undefined;
    const onPointer = (event: PointerEvent) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", onPointer);
    return () => document.removeEventListener("pointerdown", onPointer);
  }, [open]);

  function close(): void {
    setOpen(false);
    button.current?.focus();
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (!open) return;
    const items = Array.from(root.current?.querySelectorAll<HTMLElement>("[role=menuitemradio]") ?? []);
    const here = items.indexOf(document.activeElement as HTMLElement);
    const moves: Record<string, number> = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: items.length - 1 };
    const to = moves[event.key];
    if (to !== undefined) items[(to + items.length) % items.length]?.focus();
    else if (event.key === "Escape") close();
    else if (event.key === "Tab") setOpen(false);
    else return;
    if (event.key !== "Tab") event.preventDefault();
    event.stopPropagation();
  }

  const current = qualities.find((quality) => quality.id === playing)?.label;
  const choices = [
    { id: AUTOMATIC, label: "Auto", note: selected === AUTOMATIC ? current : undefined },
    ...[...qualities].sort((a, b) => b.height - a.height).map(({ id, label }) => ({ id, label, note: undefined })),
  ];

  return (
    <div class="quality" ref={root} onKeyDown={onKeyDown}>
      <button
        ref={button}
        type="button"
        class="control"
        aria-haspopup="menu"
        aria-expanded={open}
        aria-label={current ? `Quality: ${current}` : "Quality"}
        title="Quality"
        onClick={() => setOpen(!open)}
      >
        <Icon name="quality" />
      </button>
      {open && (
        <div class="menu" role="menu" aria-label="Quality">
          {choices.map(({ id, label, note }) => (
            <button
              key={id}
              type="button"
              role="menuitemradio"
              aria-checked={id === selected}
              tabIndex={-1}
              onClick={() => {
                onSelect(id);
                close();
              }}
            >
              <Icon name="check" />
              <span>{label}</span>
              {note && <span class="note">{note}</span>}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
