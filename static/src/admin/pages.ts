// Every page of the admin: its group, its address, its words, and the file that draws it, which is fetched when it is
// opened. This list is the navigation.
import type { ComponentType } from "preact";
import type { Key } from "../words";

export interface AdminPage {
  path: string;
  title: Key;
  load: () => Promise<{ default: ComponentType }>;
}

export interface Group {
  title: Key;
  pages: readonly AdminPage[];
}

export const GROUPS: readonly Group[] = [
  {
    title: "nav.now",
    pages: [
      { path: "/", title: "nav.dashboard", load: () => import("./now/dashboard") },
      { path: "/viewers", title: "nav.viewers", load: () => import("./now/viewers") },
      { path: "/health", title: "nav.health", load: () => import("./now/health") },
      { path: "/hardware", title: "nav.hardware", load: () => import("./now/hardware") },
      { path: "/logs", title: "nav.logs", load: () => import("./now/logs") },
    ],
  },
  {
    title: "nav.content",
    pages: [
      { path: "/general", title: "nav.general", load: () => import("./content/general") },
      { path: "/page", title: "nav.page", load: () => import("./content/page") },
      { path: "/appearance", title: "nav.appearance", load: () => import("./content/appearance") },
      { path: "/pictures", title: "nav.pictures", load: () => import("./content/pictures") },
      { path: "/links", title: "nav.links", load: () => import("./content/links") },
      { path: "/schedule", title: "nav.schedule", load: () => import("./content/schedule") },
      { path: "/directory", title: "nav.directory", load: () => import("./content/directory") },
    ],
  },
  {
    title: "nav.stream",
    pages: [
      { path: "/keys", title: "nav.keys", load: () => import("./stream/keys") },
      { path: "/video", title: "nav.video", load: () => import("./stream/video") },
      { path: "/storage", title: "nav.storage", load: () => import("./stream/storage") },
    ],
  },
  {
    title: "nav.chat",
    pages: [
      { path: "/chat", title: "nav.chatSettings", load: () => import("./chat/settings") },
      { path: "/chat/messages", title: "nav.messages", load: () => import("./chat/messages") },
      { path: "/chat/people", title: "nav.people", load: () => import("./chat/people") },
      { path: "/chat/bans", title: "nav.bans", load: () => import("./chat/bans") },
      { path: "/chat/moderators", title: "nav.moderators", load: () => import("./chat/moderators") },
      { path: "/chat/emoji", title: "nav.emoji", load: () => import("./chat/emoji") },
      { path: "/chat/audit", title: "nav.audit", load: () => import("./chat/audit") },
    ],
  },
  {
    title: "nav.integrations",
    pages: [
      { path: "/tokens", title: "nav.tokens", load: () => import("./integrations/tokens") },
      { path: "/webhooks", title: "nav.webhooks", load: () => import("./integrations/webhooks") },
      { path: "/deliveries", title: "nav.deliveries", load: () => import("./integrations/queue") },
      { path: "/topics", title: "nav.topics", load: () => import("./integrations/topics") },
      { path: "/browsers", title: "nav.browsers", load: () => import("./integrations/browsers") },
      { path: "/discord", title: "nav.discord", load: () => import("./integrations/discord") },
    ],
  },
  {
    title: "nav.channels",
    pages: [
      { path: "/channels", title: "nav.liveChannels", load: () => import("./channels/live") },
      { path: "/channel-keys", title: "nav.channelKeys", load: () => import("./channels/keys") },
      { path: "/channel-stats", title: "nav.channelStats", load: () => import("./channels/stats") },
      { path: "/push-devices", title: "nav.pushDevices", load: () => import("./channels/devices") },
    ],
  },
  {
    title: "nav.server",
    pages: [
      { path: "/connections", title: "nav.connections", load: () => import("./server/connections") },
      { path: "/password", title: "nav.password", load: () => import("./server/password") },
      { path: "/devices", title: "nav.devices", load: () => import("./server/devices") },
      { path: "/backups", title: "nav.backups", load: () => import("./server/backups") },
    ],
  },
];

export function pageAt(path: string): AdminPage | undefined {
  return GROUPS.flatMap((group) => group.pages).find((page) => page.path === path);
}
