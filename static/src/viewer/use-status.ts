// Keeps the page up to date: begins with what the server put into it, then asks for the status and the configuration
// again and again, and sends the heartbeat while a stream is on. It plays nothing; the player is told by the page.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ask } from "../player/session";
import { initial } from "../state";
import { type Config, readConfig, readStatus, type Status } from "./documents";

const ONLINE_MS = 5_000;
/** A viewer who waits for the show to begin should not wait for the page as well. */
const OFFLINE_MS = 2_000;
const HIDDEN_MS = 15_000;
/** What the owner changes is seen by those who watch; the answer is mostly a few hundred bytes from memory. */
const CONFIG_MS = 15_000;
const CONFIG_RETRY_MS = 5_000;
/** The server forgets a silent player after 20 s. */
const HEARTBEAT_MS = 10_000;
/** One lost answer is no news; after this many in a row the page says that the server is silent. */
const SILENT_AFTER = 3;

export interface StatusView {
  /** The last answer; null before the first. */
  status: Status | null;
  /** The server's clock minus ours, in ms. */
  clockOffset: number;
  silent: boolean;
}

/** The status as last heard, and a function that asks for it at once. */
export function useStatus(): [StatusView, () => void] {
  const [view, setView] = useState<StatusView>(() => heard(initial.status ? readStatus(initial.status) : null));
  const refresh = useRef<() => void>(() => undefined);

  useEffect(() => {
    let failures = 0;
    const pause = (online: boolean) => (document.hidden ? HIDDEN_MS : online ? ONLINE_MS : OFFLINE_MS);
    const polling = poll(
      async () => {
        try {
          const status = readStatus(await getJson("/api/status"));
          failures = 0;
          setView(heard(status));
          return pause(status.online);
        } catch {
          failures += 1;
          if (failures >= SILENT_AFTER) setView((before) => ({ ...before, silent: true }));
          return pause(false);
        }
      },
      view.status ? pause(view.status.online) : 0,
    );
    refresh.current = polling.now;
    return polling.stop;
  }, []);

  return [view, useCallback(() => refresh.current(), [])];
}

function heard(status: Status | null): StatusView {
  return { status, clockOffset: status?.serverTime == null ? 0 : status.serverTime - Date.now(), silent: false };
}

export function useConfig(): Config | null {
  const [config, setConfig] = useState<Config | null>(() => (initial.config ? readConfig(initial.config) : null));
  useEffect(() => {
    let last = JSON.stringify(config);
    return poll(
      async () => {
        try {
          const found = readConfig(await getJson("/api/config"));
          const written = JSON.stringify(found);
          // Mostly nothing has changed, and then nothing is drawn anew.
          if (written !== last) setConfig(found);
          last = written;
          return CONFIG_MS;
        } catch {
          return CONFIG_RETRY_MS;
        }
      },
      config ? CONFIG_MS : 0,
    ).stop;
  }, []);
  return config;
}

/** Tells the server that this page is open, as long as `on`. Losing one is no matter. */
export function useHeartbeat(on: boolean): void {
  useEffect(() => {
    if (!on) return undefined;
    return poll(async () => {
      await ask("/api/ping").catch(() => undefined);
      return HEARTBEAT_MS;
    }, 0).stop;
  }, [on]);
}

async function getJson(path: string): Promise<Record<string, unknown>> {
  const answer = await ask(path);
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}.`);
  const document: unknown = await answer.json();
  if (typeof document !== "object" || document === null) throw new Error(`${path} answered something else than an object.`);
  return document as Record<string, unknown>;
}

/** Runs `ask` after `first` ms and again after as many as it says; also when the page comes to the front. */
function poll(ask: () => Promise<number>, first: number): { now(): void; stop(): void } {
  let timer = 0;
  let stopped = false;
  let asking = false;

  async function run(): Promise<void> {
    if (asking) return;
    asking = true;
    clearTimeout(timer);
    const pause = await ask();
    asking = false;
    if (!stopped) timer = window.setTimeout(run, pause);
  }
  function onVisible(): void {
    if (!document.hidden) void run();
  }

  if (first > 0) timer = window.setTimeout(run, first);
  else void run();
  const listening = new AbortController();
  document.addEventListener("visibilitychange", onVisible, { signal: listening.signal });
  window.addEventListener("online", () => void run(), { signal: listening.signal });
  return {
    now: () => void run(),
    stop() {
      stopped = true;
      clearTimeout(timer);
      listening.abort();
    },
  };
}
