// Keeps the page up to date: polls the status and the configuration, and sends the heartbeat while a stream is on.
// It does not play anything; the player is told through what these hooks return.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type Config, fetchConfig, fetchStatus, ping, type Status } from "./api";

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
  const [view, setView] = useState<StatusView>({ status: null, clockOffset: 0, silent: false });
  const ask = useRef<() => void>(() => undefined);

  useEffect(() => {
    let failures = 0;
    const polling = poll(async () => {
      try {
        const status = await fetchStatus();
        failures = 0;
        setView({ status, clockOffset: status.serverTime === null ? 0 : status.serverTime - Date.now(), silent: false });
        if (document.hidden) return HIDDEN_MS;
        return status.online ? ONLINE_MS : OFFLINE_MS;
      } catch {
        failures += 1;
        if (failures >= SILENT_AFTER) setView((before) => ({ ...before, silent: true }));
        return document.hidden ? HIDDEN_MS : OFFLINE_MS;
      }
    });
    ask.current = polling.now;
    return polling.stop;
  }, []);

  const refresh = useCallback(() => ask.current(), []);
  return [view, refresh];
}

export function useConfig(): Config | null {
  const [config, setConfig] = useState<Config | null>(null);
  useEffect(
    () =>
      poll(async () => {
        try {
          setConfig(await fetchConfig());
          return CONFIG_MS;
        } catch {
          return CONFIG_RETRY_MS;
        }
      }).stop,
    [],
  );
  return config;
}

/** Tells the server that this page is open, as long as `on`. */
export function useHeartbeat(on: boolean): void {
  useEffect(() => {
    if (!on) return undefined;
    return poll(async () => {
      await ping();
      return HEARTBEAT_MS;
    }).stop;
  }, [on]);
}

/** The current time in ms, renewed every second while `on`. */
export function useNow(on: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!on) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [on]);
  return now;
}

/** Runs `ask` at once and again after as many ms as it says; also when the page comes to the front. */
function poll(ask: () => Promise<number>): { now(): void; stop(): void } {
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

  void run();
  document.addEventListener("visibilitychange", onVisible);
  return {
    now: () => void run(),
    stop() {
      stopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
    },
  };
}
