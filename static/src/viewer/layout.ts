// How the page is laid out: `wide` with the chat at the side; `tall` like a phone held upright, the video on top and one
// thing at a time below; `flat` like a phone on its side, where the video fills the screen and the chat lies over it.
import { useEffect, useState } from "preact/hooks";

export type Layout = "wide" | "tall" | "flat";

const FLAT = "(orientation: landscape) and (max-height: 480px) and (max-width: 1099px)";
const WIDE = "(min-width: 1100px), (min-width: 760px) and (orientation: landscape)";

export function useLayout(): Layout {
  const [layout, setLayout] = useState(read);
  useEffect(() => {
    const listening = new AbortController();
    for (const query of [FLAT, WIDE]) {
      matchMedia(query).addEventListener("change", () => setLayout(read()), { signal: listening.signal });
    }
    return () => listening.abort();
  }, []);
  useVisibleHeight(layout === "tall");
  return layout;
}

function read(): Layout {
  if (matchMedia(FLAT).matches) return "flat";
  return matchMedia(WIDE).matches ? "wide" : "tall";
}

/** While `on`, the page is as high as what the on-screen keyboard leaves of it: the field to write in stays above. */
function useVisibleHeight(on: boolean): void {
  useEffect(() => {
    const viewport = window.visualViewport;
    if (!on || !viewport) return undefined;
    const { style } = document.documentElement;
    const fit = () => {
      // Pinched, the viewport is small for another reason.
      if (viewport.scale > 1.01) return;
      style.setProperty("--visible-height", `${viewport.height}px`);
      // Safari moves the page up to show the field; the page has made room for it.
      if (viewport.offsetTop > 0) window.scrollTo(0, 0);
    };
    const listening = new AbortController();
    viewport.addEventListener("resize", fit, { signal: listening.signal });
    fit();
    return () => {
      listening.abort();
      style.removeProperty("--visible-height");
    };
  }, [on]);
}
