// Which page of the admin is shown: the part of the address below /admin. Owns the history, and that nobody leaves
// unsaved changes without being asked.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../words";

const BASE = "/admin";
const MOVED = "owncast:moved";

/** What keeps the reader here; asked one after the other. */
const guards = new Set<() => boolean>();

/** The path below /admin: "/" for the first page, "/chat/users" and so on. */
export function usePath(): string {
  return useAddress(currentPath);
}

/** What the address has under that name after the question mark; "" for nothing. */
export function useQuery(name: string): string {
  return useAddress(() => new URLSearchParams(location.search).get(name) ?? "");
}

function useAddress(read: () => string): string {
  const [found, setFound] = useState(read);
  useEffect(() => {
    const update = () => setFound(read());
    addEventListener("popstate", update);
    addEventListener(MOVED, update);
    return () => {
      removeEventListener("popstate", update);
      removeEventListener(MOVED, update);
    };
  }, []);
  return found;
}

export function go(path: string): void {
  if (path === currentPath() + location.search) return;
  if ([...guards].some((unsaved) => unsaved()) && !confirm(t("admin.leaveUnsaved"))) return;
  history.pushState(null, "", BASE + (path === "/" ? "" : path));
  dispatchEvent(new Event(MOVED));
  scrollTo(0, 0);
}

/** As long as `unsaved`, whoever leaves is asked first. */
export function useGuard(unsaved: boolean): void {
  useEffect(() => {
    if (!unsaved) return undefined;
    const guard = () => true;
    const onUnload = (event: BeforeUnloadEvent) => event.preventDefault();
    guards.add(guard);
    addEventListener("beforeunload", onUnload);
    return () => {
      guards.delete(guard);
      removeEventListener("beforeunload", onUnload);
    };
  }, [unsaved]);
}

interface LinkProps {
  to: string;
  class?: string;
  /** It leads to where the reader is. */
  current?: boolean;
  children: ComponentChildren;
}

/** A link to another page of the admin. */
export function Link({ to, class: name = "", current = false, children }: LinkProps) {
  return (
    <a
      class={name}
      {...(current && { "aria-current": "page" as const })}
      href={BASE + (to === "/" ? "" : to)}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        go(to);
      }}
    >
      {children}
    </a>
  );
}

function currentPath(): string {
  const path = location.pathname.slice(BASE.length).replace(/\/+$/, "");
  return path === "" ? "/" : path;
}
