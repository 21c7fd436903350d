// What was said, oldest first, as a log: its rows, how the keyboard moves among them, and the button that leads to the
// newest.
//
// The list stands still while the focus is in a message, the pointer is at its tools or a dialog about it is open:
// nobody is to hide or ban another than the one they meant.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../kit/icon";
import { Loading } from "../kit/resource";
import { plural, t } from "../words";
import { type Room, Row } from "./row";
import { rowsOf, shownTo } from "./rows";
import type { ChatEvent, ChatState } from "./state";
import { useFollowing } from "./use-following";

const LONG_PRESS_MS = 500;
const ROW = "[data-id]";

interface Props {
  state: ChatState;
  room: Room;
  tell: (events: readonly ChatEvent[]) => void;
  /** Whether a dialog about a message is open. */
  busy: boolean;
}

export function List({ state, room, tell, busy }: Props) {
  const { me, unread } = state;
  const shown = shownTo(me, state.entries);
  const { box, content, span, following, held, onScroll, follow, hold } = useFollowing(shown, state.entries, tell);
  const rows = rowsOf(shown, span, state.firstUnread);
  const newest = rows.at(-1)?.entry.id;
  const [active, setActive] = useState<string | null>(null);
  const overTools = useRef(false);
  const focusInside = useRef(false);
  /** The element that had the focus last, and its row. */
  const lastFocus = useRef<readonly HTMLElement[]>([]);
  const pointer = useRef("");
  const press = useRef(0);

  useEffect(() => {
    // Under a dialog the pointer is somewhere else by the end.
    overTools.current = false;
    if (!busy && !focusInside.current) setActive(null);
    hold(busy || focusInside.current);
  }, [busy]);

  useLayoutEffect(() => {
    // Whoever closed a dialog, or pressed a button that is gone with what it did, goes on where they were.
    if (!focusInside.current || busy || document.activeElement !== document.body) return;
    [...lastFocus.current, box.current].find((element) => element?.isConnected)?.focus({ preventScroll: true });
  });

  useEffect(() => {
    // What moved under a resting pointer is not what it points at.
    if (following) setActive(null);
  }, [newest]);

  function point(target: EventTarget | null) {
    const row = target instanceof Element ? target.closest<HTMLElement>(ROW) : null;
    setActive(row?.dataset.id ?? null);
  }

  function onKey(event: KeyboardEvent) {
    const element = box.current;
    if (!element) return;
    const focused = (event.target as Element).closest<HTMLElement>(ROW);
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === "Escape" && focused) {
      event.stopPropagation();
      element.focus();
    } else if (event.key === "End" && !focused) follow();
    else if (step) {
      const all = Array.from(element.querySelectorAll<HTMLElement>(ROW));
      const edge = element.getBoundingClientRect().bottom;
      const next = focused ? all[all.indexOf(focused) + step] : all.findLast((row) => row.getBoundingClientRect().top < edge);
      if (!next) return;
      event.preventDefault();
      next.focus();
    }
  }

  return (
    <div class="chat-history">
      <div
        class="chat-scroll"
        ref={box}
        role="log"
        // Said by the announcer, which does not speak of every line of a flood.
        aria-live="off"
        aria-label={t("chat.messages")}
        tabIndex={0}
        onScroll={onScroll}
        onKeyDown={onKey}
        onFocusIn={({ target }) => {
          const row = (target as Element).closest<HTMLElement>(ROW);
          if (!row) return;
          // A click with the mouse is no reading; a tap is, and shows the tools.
          focusInside.current ||= (target as Element).matches(":focus-visible") || press.current > 0;
          lastFocus.current = [target as HTMLElement, row];
          point(target);
          hold(focusInside.current || overTools.current);
        }}
        onFocusOut={({ relatedTarget }) => {
          if (busy || (relatedTarget instanceof Element && box.current?.contains(relatedTarget.closest(ROW)))) return;
          focusInside.current = false;
          if (relatedTarget) overTools.current = false;
          if (!overTools.current) setActive(null);
          hold(overTools.current);
        }}
        onPointerMove={(event) => {
          const where = `${event.clientX} ${event.clientY}`;
          // Browsers tell of a move also when it is the page that moved.
          if (event.pointerType === "touch" || busy || where === pointer.current) return;
          pointer.current = where;
          point(event.target);
          overTools.current = (event.target as Element).closest(".chat-tools") !== null;
          hold(overTools.current || focusInside.current);
        }}
        onPointerLeave={(event) => {
          if (event.pointerType === "touch" || busy) return;
          overTools.current = false;
          point(focusInside.current ? document.activeElement : null);
          hold(focusInside.current);
        }}
        onPointerDown={({ target, pointerType }) => {
          const row = (target as Element).closest<HTMLElement>(ROW);
          clearTimeout(press.current);
          press.current = pointerType === "touch" && row ? window.setTimeout(() => row.focus({ preventScroll: true }), LONG_PRESS_MS) : 0;
        }}
        onPointerUp={() => clearTimeout(press.current)}
        onPointerCancel={() => clearTimeout(press.current)}
      >
        <div ref={content} class="chat-content">
          {rows.length === 0 &&
            (state.loaded ? <p class="chat-empty">{t(room.readOnly ? "chat.emptyReadOnly" : "chat.empty")}</p> : !state.denied && <Loading />)}
          {rows.map((row) => (
            <Row key={row.entry.id} row={row} me={me} active={row.entry.id === active} room={room} />
          ))}
        </div>
      </div>
      {!following && (unread > 0 || !held) && (
        <button
          type="button"
          class="chat-unread"
          onClick={() => {
            follow();
            box.current?.focus({ preventScroll: true });
          }}
          {...(unread === 0 && { "aria-label": t("chat.toNewest") })}
        >
          {unread > 0 && plural("chat.new", unread)}
          <Icon name="down" />
        </button>
      )}
    </div>
  );
}
