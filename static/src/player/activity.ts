// When the controls show: on move, tap, key or focus, and for a while after. Knows nothing of what the controls do.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { RefObject } from "preact";

const LEAVE_AFTER_MS = 2_500;
/** While one of these is in the player, the controls stay: a menu, the keyboard's focus, the pointer on the controls. */
const HOLDS = ".menu, .controls :focus-visible, .controls:hover";

export interface Activity {
  active: boolean;
  wake(): void;
}

export function useActivity(root: RefObject<HTMLElement | null>): Activity {
  const [active, setActive] = useState(true);
  const timer = useRef(0);

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
    const sleep = () => {
      clearTimeout(timer.current);
      setActive(false);
    };
    let wasActive = false;
    element.addEventListener("pointermove", (event) => event.pointerType === "mouse" && wake(), { signal });
    element.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && !element.querySelector(HOLDS) && sleep(), { signal });
    element.addEventListener("pointerdown", () => (wasActive = element.dataset.active === "true"), { signal });
    element.addEventListener(
      "pointerup",
      (event) => {
        const onPicture = event.target instanceof Element && !event.target.closest("button, input, .controls, .menu");
        if (event.pointerType !== "mouse" && onPicture && wasActive) sleep();
        else wake();
      },
      { signal },
    );
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
