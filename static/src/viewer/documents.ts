// The server's two documents as the page reads them. Checked field by field: what is missing or of another type reads as
// its empty value, and an address that is none of the web's is dropped, for it would become a link.

export interface Event {
  name: string;
  description: string;
  /** ms since the epoch. */
  start: number;
  end: number;
}

export interface Status {
  online: boolean;
  /** null where the owner hides it. */
  viewerCount: number | null;
  /** ms since the epoch, by the server's clock; null when there was none. */
  lastConnectTime: number | null;
  lastDisconnectTime: number | null;
  serverTime: number | null;
  streamTitle: string;
  /** The next show by plan, or the one that is on by plan. */
  event: Event | null;
  /** Whether viewers may write in chat. */
  chatOpen: boolean;
}

/** A button of the owner's below the video: a page elsewhere, or words of the owner's own. */
export interface Action {
  title: string;
  description: string;
  /** The address of a picture; "" for none. */
  icon: string;
  color: string;
  url: string;
  /** HTML, shown instead of the page at `url`; "" for none. */
  html: string;
  openExternally: boolean;
}

export interface SocialLink {
  url: string;
  icon: string;
}

export interface Config {
  name: string;
  summary: string;
  logo: string;
  tags: readonly string[];
  links: readonly SocialLink[];
  actions: readonly Action[];
  /** HTML that the owner wrote; to be copied node by node. */
  about: string;
  offlineMessage: string;
  nsfw: boolean;
  chatDisabled: boolean;
  slowModeSeconds: number;
  /** Where the chat's socket is, if it is not where the page came from. */
  socketHost: string;
  schedule: { enabled: boolean; countdown: boolean };
  /** By what a browser's push service knows this server; "" where browsers are not notified. */
  pushKey: string;
}

type Document = Readonly<Record<string, unknown>>;

const LINK = /^(https?:\/\/|mailto:|xmpp:|matrix:|\/(?!\/))/i;
const PAGE = /^(https?:\/\/|\/(?!\/))/i;
/** The page's policy takes pictures from nowhere else. */
const PICTURE = /^(https:\/\/|\/(?!\/))/i;
const MAX_MINUTES = 60 * 24 * 7;

export function readStatus(document: Document): Status {
  return {
    online: document.online === true,
    viewerCount: document.viewerCount === undefined ? null : count(document.viewerCount),
    lastConnectTime: time(document.lastConnectTime),
    lastDisconnectTime: time(document.lastDisconnectTime),
    serverTime: time(document.serverTime),
    streamTitle: text(document.streamTitle),
    event: readEvent(fields(document.scheduledEvent)),
    chatOpen: document.chatOpen !== false,
  };
}

export function readConfig(document: Document): Config {
  const schedule = fields(document.schedule);
  const push = fields(fields(document.notifications).browser);
  return {
    name: text(document.name),
    summary: text(document.summary),
    logo: address(document.logo, PICTURE),
    tags: list(document.tags).map(text).filter(Boolean),
    links: list(document.socialHandles).map(fields).map(readLink).filter(hasUrl),
    actions: list(document.externalActions).map(fields).map(readAction).filter(leadsSomewhere),
    about: text(document.extraPageContent),
    offlineMessage: text(document.offlineMessage),
    nsfw: document.nsfw === true,
    chatDisabled: document.chatDisabled === true,
    slowModeSeconds: count(document.slowModeSeconds),
    socketHost: text(document.socketHostOverride),
    schedule: { enabled: schedule.enabled === true, countdown: schedule.showCountdown === true },
    pushKey: push.enabled === true ? text(push.publicKey) : "",
  };
}

function readEvent(event: Document): Event | null {
  const start = time(event.startTime);
  if (start === null) return null;
  const minutes = Math.min(count(event.durationMinutes), MAX_MINUTES);
  return { name: text(event.name), description: text(event.description), start, end: start + minutes * 60_000 };
}

function readLink(link: Document): SocialLink {
  return { url: address(link.url, LINK), icon: address(link.icon, PICTURE) };
}

function hasUrl({ url }: SocialLink): boolean {
  return url !== "";
}

function readAction(action: Document): Action {
  return {
    title: text(action.title),
    description: text(action.description),
    icon: address(action.icon, PICTURE),
    color: text(action.color),
    url: address(action.url, PAGE),
    html: text(action.html),
    openExternally: action.openExternally === true,
  };
}

function leadsSomewhere({ title, url, html }: Action): boolean {
  return title !== "" && (url !== "" || html !== "");
}

function address(value: unknown, allowed: RegExp): string {
  const found = text(value);
  return allowed.test(found) && isAddress(found) ? found : "";
}

/** Whether a browser can make an address of it: "https://[" begins like one. */
function isAddress(found: string): boolean {
  try {
    return Boolean(new URL(found, "https://localhost"));
  } catch {
    return false;
  }
}

function fields(value: unknown): Document {
  return typeof value === "object" && value !== null ? (value as Document) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value.trim() : "";
}

function count(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? Math.max(0, Math.floor(value)) : 0;
}

function time(value: unknown): number | null {
  const parsed = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(parsed) ? null : parsed;
}
