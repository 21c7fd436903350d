// The tabs of a phone's page: the chat, or what the stream is about. Arrows move between them.
import type { TargetedKeyboardEvent } from "preact";

export interface Tab<Name extends string> {
  name: Name;
  label: string;
}

interface Props<Name extends string> {
  label: string;
  tabs: ReadonlyArray<Tab<Name>>;
  chosen: Name;
  onChoose: (name: Name) => void;
}

export const tabId = (name: string) => `tab-${name}`;

export function Tabs<Name extends string>({ label, tabs, chosen, onChoose }: Props<Name>) {
  function onKey(event: TargetedKeyboardEvent<HTMLElement>) {
    const at = tabs.findIndex(({ name }) => name === chosen);
    const forward = getComputedStyle(event.currentTarget).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
    const backward = forward === "ArrowRight" ? "ArrowLeft" : "ArrowRight";
    if (event.key !== forward && event.key !== backward) return;
    event.preventDefault();
    const to = tabs[(at + (event.key === forward ? 1 : tabs.length - 1)) % tabs.length];
    if (!to) return;
    onChoose(to.name);
    document.getElementById(tabId(to.name))?.focus();
  }

  return (
    <div class="tabs" role="tablist" aria-label={label} onKeyDown={onKey}>
      {tabs.map(({ name, label: words }) => (
        <button
          key={name}
          type="button"
          id={tabId(name)}
          class="tab"
          role="tab"
          aria-selected={name === chosen}
          aria-controls={`panel-${name}`}
          tabIndex={name === chosen ? 0 : -1}
          onClick={() => onChoose(name)}
        >
          {words}
        </button>
      ))}
    </div>
  );
}
