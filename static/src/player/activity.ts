// When the controls show: on move, tap, key or focus, and for a while after. Knows nothing of what the controls do.
import type { RefObject } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

const LEAVE_AFTER_MS = 2_500;
const DOUBLE_TAP_MS = 300;
/** While one of these is in the player, the controls stay: a menu, the keyboard's focus, the pointer on the controls. */
const HOLDS = ".menu-list, .controls :focus-visible, .controls:hover";
const NOT_PICTURE = "button, input, a, .controls, .menu-list, .stats";

export interface Activity {
  active: boolean;
  wake(): void;
}

/** `onDouble` is told of two taps, or two clicks, on the picture itself. */
export function useActivity(root: RefObject<HTMLElement | null>, onDouble: () => void): Activity {
  const [active, setActive] = useState(true);
  const timer = useRef(0);
  const double = useRef(onDouble);
  double.current = onDouble;

  const wake = useCallback(() => {
    setActive(true);
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => {
      if (root.current?.querySelector(HOLDS)) wake();
      else setActive(false);
    }, LEAVE_AFTER_MS);
  }, [root]);

  useEffect(() => {
    const element = root.current;
    if (!element) return undefined;
    const listening = new AbortController();
    const { signal } = listening;
    const onPicture = ({ target }: Event) => target instanceof Element && !target.closest(NOT_PICTURE);
    const sleep = () => {
      clearTimeout(timer.current);
      setActive(false);
    };
    let wasActive = false;
    let touched = false;
    let lastTap = Number.NEGATIVE_INFINITY;
    element.addEventListener("pointermove", (event) => event.pointerType === "mouse" && wake(), { signal });
    element.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && !element.querySelector(HOLDS) && sleep(), { signal });
    element.addEventListener("pointerdown", () => (wasActive = element.dataset.active === "true"), { signal });
    element.addEventListener(
      "pointerup",
      (event) => {
        touched = event.pointerType !== "mouse";
        if (!touched || !onPicture(event)) return wake();
        // Not every browser makes a double click of two taps, so they are counted here.
        if (event.timeStamp - lastTap < DOUBLE_TAP_MS) {
          lastTap = Number.NEGATIVE_INFINITY;
          return double.current();
        }
        lastTap = event.timeStamp;
        return wasActive ? sleep() : wake();
      },
      { signal },
    );
    element.addEventListener("dblclick", (event) => !touched && onPicture(event) && double.current(), { signal });
    element.addEventListener("focusin", wake, { signal });
    element.addEventListener("keydown", wake, { signal });
    wake();
    return () => {
      listening.abort();
      clearTimeout(timer.current);
    };
  }, [root, wake]);

  return { active, wake };
}
