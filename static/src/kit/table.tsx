// Rows with columns: sorted by a press on a head, searched, and shown in pages. On a narrow screen each row is a card.
import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { t } from "../words";
import { Button } from "./button";
import { Icon } from "./icon";

const PAGE = 25;

export interface Column<Row> {
  /** The head, and on a narrow screen the word before the value. */
  label: string;
  cell: (row: Row) => ComponentChildren;
  /** What rows are sorted by here; without it they are not. */
  sort?: (row: Row) => number | string;
  align?: "end";
}

interface Props<Row> {
  /** What the table shows, for those who hear it. */
  caption: string;
  columns: ReadonlyArray<Column<Row>>;
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  /** What a search looks in; without it there is none. */
  text?: (row: Row) => string;
  /** What is shown in place of no rows at all. */
  empty: ComponentChildren;
  /** The buttons of a row. */
  actions?: (row: Row) => ComponentChildren;
  /** How many rows are drawn at first. */
  pageSize?: number;
}

export function Table<Row>({ caption, columns, rows, keyOf, text, empty, actions, pageSize = PAGE }: Props<Row>) {
  const [sorting, setSorting] = useState<{ column: number; down: boolean } | null>(null);
  const [wanted, setWanted] = useState("");
  const [shown, setShown] = useState(pageSize);

  const found = useMemo(() => {
    const words = wanted.trim().toLowerCase();
    const kept = words && text ? rows.filter((row) => text(row).toLowerCase().includes(words)) : [...rows];
    const by = sorting && columns[sorting.column]?.sort;
    if (by) kept.sort((one, other) => compare(by(one), by(other)) * (sorting.down ? -1 : 1));
    return kept;
  }, [rows, wanted, sorting, columns, text]);

  if (rows.length === 0) return <>{empty}</>;
  return (
    <div class="table-frame">
      {text && rows.length > 5 && (
        <div class="table-search">
          <Icon name="search" />
          <input class="input" type="search" aria-label={t("search")} placeholder={t("search")} value={wanted} onInput={(event) => setWanted(event.currentTarget.value)} />
        </div>
      )}
      <table class="table">
        <caption class="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column, at) => (
              <th key={column.label} scope="col" data-align={column.align} aria-sort={sorting?.column === at ? (sorting.down ? "descending" : "ascending") : undefined}>
                {column.sort ? (
                  <button
                    type="button"
                    class="table-sort"
                    onClick={() => setSorting({ column: at, down: sorting?.column === at && !sorting.down })}
                  >
                    {column.label}
                    {sorting?.column === at && <Icon name={sorting.down ? "down" : "up"} />}
                  </button>
                ) : (
                  column.label
                )}
              </th>
            ))}
            {actions && (
              <th scope="col">
                <span class="visually-hidden">{t("actions")}</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {found.slice(0, shown).map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column) => (
                <td key={column.label} data-label={column.label} data-align={column.align}>
                  {column.cell(row)}
                </td>
              ))}
              {actions && <td class="table-actions">{actions(row)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
      {found.length === 0 && <p class="table-none">{t("nothingFound", { wanted })}</p>}
      {found.length > shown && (
        <p class="table-more">
          <Button onClick={() => setShown(shown + PAGE * 4)}>{t("showMore", { count: found.length - shown })}</Button>
        </p>
      )}
    </div>
  );
}

function compare(one: number | string, other: number | string): number {
  return typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other));
}
