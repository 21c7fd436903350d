// Which part of the list is drawn and where it stands: at the newest while the reader is there, else exactly where they
// read, whatever comes, goes or changes its height. The drawn part grows towards where they scroll.
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { grown, placeOf, type Span, WINDOW } from "./rows";
import type { ChatEvent, Entry } from "./state";

/** Pixels from the end that still count as the end. */
const AT_END = 24;
/** Elements that stay in place: rows that can be found again. */
const ROW = "[data-id]";

export interface Following {
  /** The element that scrolls, and the one in it that grows. */
  box: RefObject<HTMLDivElement | null>;
  content: RefObject<HTMLDivElement | null>;
  span: Span;
  /** Whether the newest is shown and will be. */
  following: boolean;
  /** Whether it would be, if nothing held the list. */
  held: boolean;
  onScroll: () => void;
  /** Goes to the newest and stays there. */
  follow: () => void;
  /** Stops following for as long as it is held. */
  hold: (on: boolean) => void;
}

/** The drawn part of a reader who does not follow, by its first and last entry. */
interface Place {
  first: string;
  last: string;
  held: boolean;
}

export function useFollowing(shown: readonly Entry[], entries: readonly Entry[], tell: (events: readonly ChatEvent[]) => void): Following {
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState<Place | null>(null);
  /** The row at the upper edge, and how far below the edge it is. */
  const anchor = useRef<{ row: Element; below: number } | null>(null);
  const lastTop = useRef(0);
  const span = place
    ? { from: placeOf(place.first, shown, entries), to: placeOf(place.last, shown, entries) + 1 }
    : { from: Math.max(0, shown.length - WINDOW), to: shown.length };

  // Where it stood before this drawing: a list that gets shorter is moved by the browser, which is no scrolling.
  const stood = place ? (box.current?.scrollTop ?? 0) : 0;

  /** `scrolled` is what the reader has scrolled since the last event of that, which is theirs to keep. */
  function settle(scrolled: number) {
    const element = box.current;
    if (!element) return;
    if (!place) {
      element.scrollTop = element.scrollHeight;
      lastTop.current = element.scrollTop;
    } else if (anchor.current?.row.isConnected) {
      const moved = topOf(anchor.current.row) - topOf(element) - anchor.current.below + scrolled;
      if (Math.abs(moved) < 1) return;
      element.scrollTop += moved;
      lastTop.current = element.scrollTop - scrolled;
    }
  }

  useLayoutEffect(() => settle(stood - lastTop.current));

  // Pictures that arrive, and a phone's keyboard that opens, change heights without a drawing of ours.
  const settled = useRef(settle);
  settled.current = settle;
  useEffect(() => {
    const observer = new ResizeObserver(() => settled.current(0));
    if (box.current) observer.observe(box.current);
    if (content.current) observer.observe(content.current);
    return () => observer.disconnect();
  }, []);

  // A page in the background is not read either.
  const newest = useRef("");
  newest.current = shown.at(-1)?.id ?? "";
  useEffect(() => {
    const changed = () => tell([{ type: "reading", from: place?.first ?? (document.hidden ? newest.current : null), held: place?.held ?? false }]);
    changed();
    document.addEventListener("visibilitychange", changed);
    return () => document.removeEventListener("visibilitychange", changed);
  }, [place?.first, place?.held]);

  function draw({ from, to }: Span, held: boolean) {
    const first = shown[from];
    const last = shown[to - 1];
    if (first && last) setPlace({ first: first.id, last: last.id, held });
  }

  function onScroll() {
    const element = box.current;
    if (!element) return;
    const { scrollTop: top, clientHeight: height, scrollHeight: whole } = element;
    const up = top < lastTop.current - 1;
    const down = top > lastTop.current + 1;
    const rest = whole - top - height;
    lastTop.current = top;
    // A list that follows is moved at every drawing; only its reader's way up needs to know what stands where.
    if (!place && !up) return;
    anchor.current = anchorOf(element);
    if (!place) {
      if (rest > 1) draw(span, false);
    } else if (up && top < height && span.from > 0) draw(grown(span, true, shown.length), false);
    else if (up && place.held) setPlace({ ...place, held: false });
    else if (down && rest < height && span.to < shown.length) draw(grown(span, false, shown.length), place.held);
    else if (down && rest < AT_END && !place.held) setPlace(null);
  }

  function hold(on: boolean) {
    if (on && !place) {
      anchor.current = box.current && anchorOf(box.current);
      draw(span, true);
    } else if (!on && place?.held) setPlace(null);
  }

  return { box, content, span, following: place === null, held: place?.held ?? false, onScroll, follow: () => setPlace(null), hold };
}

function topOf(element: Element): number {
  return element.getBoundingClientRect().top;
}

function anchorOf(box: HTMLElement): { row: Element; below: number } | null {
  const edge = topOf(box);
  const row = Array.from(box.querySelectorAll(ROW)).find((each) => each.getBoundingClientRect().bottom > edge);
  return row ? { row, below: topOf(row) - edge } : null;
}
