// "Notify me": has this browser told when a show begins, also while the page is closed. Whether it is, the browser itself
// remembers; what comes is shown by the worker in public/notify.js.
import { useEffect, useState } from "preact/hooks";
import { ask } from "../api/client";
import { readToken, register } from "../chat/token";
import { Button } from "../kit/button";
import { Dialog } from "../kit/dialog";
import { Icon } from "../kit/icon";
import { t } from "../words";

const WORKER = "/notify.js";

/** `publicKey` is the server's, by which push services know it. */
export function Notify({ publicKey }: { publicKey: string }) {
  const [on, setOn] = useState<boolean | null>(null);
  const [problem, setProblem] = useState("");

  useEffect(() => {
    isOn(publicKey).then(setOn, () => setOn(false));
  }, [publicKey]);

  async function turn() {
    try {
      setOn(on ? await stop() : await start(publicKey));
    } catch (error) {
      setProblem((error as Error).message);
    }
  }

  if (on === null) return null;
  return (
    <>
      <Button onClick={turn}>
        <Icon name="bell" />
        {t(on ? "notify.stop" : "notify")}
      </Button>
      <p class="notify-on" role="status">
        {on && t("notify.on")}
      </p>
      {problem && (
        <Dialog title={t("notify")} onClose={() => setProblem("")}>
          <p>{problem}</p>
        </Dialog>
      )}
    </>
  );
}

/** A subscription by another key is of no use: the server has new ones. */
async function isOn(publicKey: string): Promise<boolean> {
  const found = await (await navigator.serviceWorker.getRegistration())?.pushManager.getSubscription();
  const key = new Uint8Array(found?.options.applicationServerKey ?? []);
  return btoa(String.fromCharCode(...key)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "") === publicKey.replace(/=/g, "");
}

/** Returns whether it is on now: not when the reader closed the browser's question. */
async function start(publicKey: string): Promise<boolean> {
  const permission = await Notification.requestPermission();
  if (permission === "denied") throw new Error(t("notify.denied"));
  if (permission !== "granted") return false;
  const subscription = await subscribe(publicKey).catch(() => {
    throw new Error(t("notify.failed"));
  });
  try {
    const token = readToken() ?? (await register());
    await ask("POST", `/api/notifications/register?accessToken=${encodeURIComponent(token)}`, {
      channel: "BROWSER_PUSH_NOTIFICATION",
      destination: subscription.toJSON(),
    });
  } catch (error) {
    // Else the browser would say from now on that it is told.
    await subscription.unsubscribe();
    throw error;
  }
  return true;
}

async function subscribe(publicKey: string): Promise<PushSubscription> {
  await navigator.serviceWorker.register(WORKER);
  const { pushManager } = await navigator.serviceWorker.ready;
  await (await pushManager.getSubscription())?.unsubscribe();
  return pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: publicKey });
}

async function stop(): Promise<boolean> {
  await (await (await navigator.serviceWorker.getRegistration())?.pushManager.getSubscription())?.unsubscribe();
  return false;
}
