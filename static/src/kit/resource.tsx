// Something asked of the server: its four states, and how three of them look.
import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { t } from "../words";
import { Button, useLater } from "./button";

const SPINNER_AFTER_MS = 400;

export type Resource<T> =
  | { state: "loading"; reload: () => Promise<void> }
  | { state: "failed"; error: Error; reload: () => Promise<void> }
  | { state: "ready"; data: T; set: (data: T) => void; reload: () => Promise<void> };

interface Options {
  /** Asked for again after so many ms, while the page is seen. */
  everyMs?: number;
}

/** Asks for it at once, and again whenever one of `inputs` changes. What is there stays while it is asked for again. */
export function useResource<T>(ask: () => Promise<T>, inputs: readonly unknown[], { everyMs }: Options = {}): Resource<T> {
  const [found, setFound] = useState<{ data: T } | { error: Error } | null>(null);
  const generation = useRef(0);

  const reload = useCallback(async () => {
    generation.current += 1;
    const mine = generation.current;
    try {
      const data = await ask();
      if (mine === generation.current) setFound({ data });
    } catch (error) {
      if (mine === generation.current) setFound({ error: error instanceof Error ? error : new Error(String(error)) });
    }
  }, inputs);

  useEffect(() => {
    setFound(null);
    void reload();
    return () => void (generation.current += 1);
  }, [reload]);

  useEffect(() => {
    if (everyMs === undefined) return undefined;
    const timer = setInterval(() => !document.hidden && void reload(), everyMs);
    return () => clearInterval(timer);
  }, [reload, everyMs]);

  if (found === null) return { state: "loading", reload };
  if ("error" in found) return { state: "failed", error: found.error, reload };
  return { state: "ready", data: found.data, set: (data) => setFound({ data }), reload };
}

/** Draws a resource: `children` get what is there. */
export function Loaded<T>({ resource, children }: { resource: Resource<T>; children: (data: T) => ComponentChildren }) {
  if (resource.state === "ready") return <>{children(resource.data)}</>;
  if (resource.state === "failed") return <Failure error={resource.error} onRetry={resource.reload} />;
  return <Loading />;
}

export function Loading() {
  const shown = useLater(true, SPINNER_AFTER_MS);
  return <div class="loading">{shown && <div class="spinner" role="progressbar" aria-label={t("loading")} />}</div>;
}

/** What happened, and how to go on. */
export function Failure({ error, onRetry }: { error: Error; onRetry: () => unknown }) {
  return (
    <div class="notice" role="alert" data-kind="bad">
      <p>{error.message}</p>
      <Button onClick={onRetry}>{t("retry")}</Button>
    </div>
  );
}

/** There is nothing yet: what will be here, and how it comes. */
export function Empty({ title, children, action }: { title: string; children?: ComponentChildren; action?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children && <p>{children}</p>}
      {action}
    </div>
  );
}
