// A component that is fetched when it is drawn for the first time: what few readers ask for, or what can come later.
import type { ComponentChildren, ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../words";

/** `waiting` stands in its place until it is there. */
export function lazy<Props extends object>(load: () => Promise<ComponentType<Props>>, waiting: () => ComponentChildren = () => null) {
  let found: ComponentType<Props> | null = null;
  return function Lazy(props: Props) {
    const [state, setState] = useState<"waiting" | "failed" | "ready">(found ? "ready" : "waiting");
    useEffect(() => {
      if (state !== "waiting") return undefined;
      let gone = false;
      load().then(
        (component) => {
          found = component;
          if (!gone) setState("ready");
        },
        () => gone || setState("failed"),
      );
      return () => void (gone = true);
    }, [state]);
    if (found && state === "ready") {
      const Found = found;
      return <Found {...props} />;
    }
    if (state !== "failed") return <>{waiting()}</>;
    return (
      <div class="notice" role="alert" data-kind="bad">
        <p>{t("notLoaded")}</p>
        <button type="button" class="button" onClick={() => setState("waiting")}>
          {t("retry")}
        </button>
      </div>
    );
  };
}
