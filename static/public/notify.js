// The service worker: shows what the server sends by way of the browser's push service, and opens the page when that is
// pressed. It keeps nothing and answers no requests, so the page loads as it would without it.

const HOME = new URL("/", location.origin).href;

addEventListener("install", () => void skipWaiting());

addEventListener("push", (event) => event.waitUntil(show(read(event.data))));

addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(address(event.notification.data) || HOME));
});

/** A browser has to show something for each push, whatever it says. */
async function show({ title, body, icon, url }) {
  await registration.showNotification(words(title) || location.hostname, {
    body: words(body),
    icon: address(icon) || undefined,
    data: url,
    // A newer one takes the place of the one before, instead of standing beside it.
    tag: "live",
    renotify: true,
  });
}

function read(data) {
  try {
    return Object(data.json());
  } catch {
    return {};
  }
}

async function open(wanted) {
  const pages = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const shown = pages.find(({ url }) => new URL(url).origin + new URL(url).pathname === wanted.split(/[?#]/)[0]);
  await (shown ? shown.focus() : clients.openWindow(wanted));
}

function words(value) {
  return typeof value === "string" ? value : "";
}

/** The address in full, if it is one of the web's; else "". */
function address(value) {
  const found = words(value) && URL.canParse(value, HOME) ? new URL(value, HOME) : null;
  return found && /^https?:$/.test(found.protocol) ? found.href : "";
}
