// The list above the field that completes names and emoji. The focus stays in the field, which tells of the chosen one
// by aria-activedescendant; so this owns the list and its keys, and the field hands them on.
import { useEffect, useId, useState } from "preact/hooks";
import { t } from "../words";
import { findEmoji, type Suggestion } from "./emoji";
import { completed, findPeople, type Query, queryAt } from "./suggest";
import type { User } from "./wire";

const SHOWN = 6;

export interface Suggestions {
  open: boolean;
  /** What ties the field to the list. */
  ties: Readonly<Record<string, string>>;
  /** What the field is told of: its words, and where the caret is. */
  look: (words: string, caret: number) => void;
  close: () => void;
  /** Whether the key was for the list. */
  onKey: (event: KeyboardEvent) => boolean;
  list: preact.JSX.Element | null;
}

interface Props {
  people: ReadonlyMap<string, User>;
  me: User | null;
  /** Puts words into the field, and the caret at a place. */
  write: (words: string, caret: number) => void;
}

export function useSuggestions({ people, me, write }: Props): Suggestions {
  const id = useId();
  const [asked, setAsked] = useState<{ words: string; query: Query } | null>(null);
  const [found, setFound] = useState<readonly Suggestion[]>([]);
  const [chosen, setChosen] = useState(0);
  const query = asked?.query;

  useEffect(() => {
    let current = true;
    setChosen(0);
    if (!query) setFound([]);
    else if (query.sign === "@") {
      setFound(findPeople(people, query.typed, me, SHOWN).map(({ name }) => ({ text: `@${name}`, picture: "@", label: name })));
    } else void findEmoji(query.typed, SHOWN).then((emoji) => current && setFound(emoji));
    return () => void (current = false);
  }, [query?.sign, query?.typed, query?.from]);

  const open = asked !== null && found.length > 0;

  function close() {
    setAsked(null);
  }

  function take(suggestion: Suggestion | undefined) {
    if (!asked || !suggestion) return;
    const { words, caret } = completed(asked.words, asked.query, suggestion.text);
    close();
    write(words, caret);
  }

  function onKey(event: KeyboardEvent): boolean {
    if (!open || event.isComposing) return false;
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step) setChosen((chosen + step + found.length) % found.length);
    else if (event.key === "Enter" || event.key === "Tab") take(found[chosen]);
    else if (event.key === "Escape") close();
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  return {
    open,
    ties: open ? { "aria-controls": id, "aria-activedescendant": `${id}-${chosen}` } : {},
    look(words, caret) {
      const next = queryAt(words, caret);
      setAsked(next && { words, query: next });
    },
    close,
    onKey,
    list: open ? (
      <ul class="chat-suggestions" role="listbox" id={id} aria-label={t("chat.suggestions")}>
        {found.map((each, index) => (
          <li
            key={each.text}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === chosen}
            // The focus stays in the field.
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => take(each)}
          >
            {each.picture.startsWith("/") ? <img class="emoji" src={each.picture} alt="" /> : <span aria-hidden="true">{each.picture}</span>}
            <bdi>{each.label}</bdi>
          </li>
        ))}
      </ul>
    ) : null,
  };
}
