// A list whose order is the owner's: each entry can go up and down, be edited, and be taken away.
import type { ComponentChildren } from "preact";
import { Icon } from "../../kit/icon";
import { Menu } from "../../kit/menu";
import { t } from "../../words";

interface Props<Item> {
  items: readonly Item[];
  nameOf: (item: Item) => string;
  draw: (item: Item) => ComponentChildren;
  onEdit: (at: number) => void;
  onChange: (items: readonly Item[]) => void;
}

export function Movable<Item>({ items, nameOf, draw, onEdit, onChange }: Props<Item>) {
  const keys = keysOf(items);
  return (
    <ol class="rows">
      {items.map((item, at) => (
        <li key={keys[at]} class="row movable">
          <div class="row-main">{draw(item)}</div>
          <div class="movable-tools">
            <Move name="up" label={t("links.up", { name: nameOf(item) })} disabled={at === 0} onPress={() => onChange(moved(items, at, at - 1))} />
            <Move name="down" label={t("links.down", { name: nameOf(item) })} disabled={at === items.length - 1} onPress={() => onChange(moved(items, at, at + 1))} />
            <Menu
              label={`${t("actions")}: ${nameOf(item)}`}
              items={[
                { label: t("edit"), onSelect: () => onEdit(at) },
                { label: t("delete"), danger: true, onSelect: () => onChange(items.filter((_, other) => other !== at)) },
              ]}
            >
              <Icon name="more" />
            </Menu>
          </div>
        </li>
      ))}
    </ol>
  );
}

function Move({ name, label, disabled, onPress }: { name: "up" | "down"; label: string; disabled: boolean; onPress: () => void }) {
  // Not `disabled`: whoever moves an entry to the end keeps the focus on it.
  return (
    <button type="button" class="icon-button" aria-label={label} title={label} aria-disabled={disabled} onClick={() => !disabled && onPress()}>
      <Icon name={name} />
    </button>
  );
}

export function moved<Item>(items: readonly Item[], from: number, to: number): readonly Item[] {
  const rest = items.filter((_, at) => at !== from);
  return [...rest.slice(0, to), ...items.slice(from, from + 1), ...rest.slice(to)];
}

/** One key for each that goes along with it: its content, and its number among those that are the same. */
function keysOf(items: readonly unknown[]): string[] {
  const seen = new Map<string, number>();
  return items.map((item) => {
    const content = JSON.stringify(item);
    const count = seen.get(content) ?? 0;
    seen.set(content, count + 1);
    return `${count} ${content}`;
  });
}
