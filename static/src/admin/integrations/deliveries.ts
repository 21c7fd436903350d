// What waits to be delivered, what arrived and what was given up, as the API of notifications has it. Owns its addresses,
// and which state lies where; no words and no elements.
import { ask, get, type Got, type Schemas } from "../../api/client";

export type Delivery = Schemas["SummaryView"];
export type DeliveryDetail = Schemas["NotificationView"];
export type Attempt = Schemas["AttemptView"];
export type Subscription = Schemas["SubscriptionView"];
export type Topic = Schemas["TopicView"];
export type Lane = Schemas["LaneView"];
export type Tested = Schemas["TestView"];

const PLACES = {
  waiting: "/notifications/deliveryQueue",
  failed: "/notifications/failedNotifications",
  arrived: "/notifications/receivedNotifications",
} as const;
export type Shelf = keyof typeof PLACES;
export const SHELVES = Object.keys(PLACES) as Shelf[];

/** Those that are asked for, the newest first, and how many there are. */
export type Shelves = Readonly<Record<Shelf, { count: number; items: readonly Delivery[] }>>;

/** The most that one answer holds. */
const MOST = 1_000;
/** Ids that one parameter may have. */
const MOST_IDS = 100;

export function shelfOf({ state }: Delivery): Shelf {
  return state === "pending" ? "waiting" : state === "received" ? "arrived" : "failed";
}

/** At most `limit` of each shelf; of those subscriptions, or of all. */
export async function shelves(subscriptions: readonly string[] | null, limit: number): Promise<Shelves> {
  const which = subscriptions && { subscription: subscriptions.slice(0, MOST_IDS).join("|") };
  const query = { sortBy: "-id", limit: Math.min(limit, MOST), ...which };
  const [waiting, failed, arrived] = await Promise.all(SHELVES.map((shelf) => get(PLACES[shelf], query)));
  return { waiting: pageOf(waiting), failed: pageOf(failed), arrived: pageOf(arrived) };
}

function pageOf(found: Got<"/notifications/deliveryQueue"> | undefined): Shelves[Shelf] {
  return { count: found?.count ?? 0, items: found?._embedded.items ?? [] };
}

/** With every try. */
export async function detail(delivery: Delivery): Promise<DeliveryDetail> {
  return (await ask("GET", addressOf(delivery))) as DeliveryDetail;
}

export async function forget(delivery: Delivery): Promise<void> {
  await ask("DELETE", addressOf(delivery));
}

function addressOf(delivery: Delivery): string {
  return `${PLACES[shelfOf(delivery)]}/${delivery._id}`;
}

/** Which deliveries are meant: one, or given up ones of a subscription or of all. */
export type Which = { notification: string } | { subscription: string; since?: string } | { all: "true"; since?: string };

/** Puts them into the queue again. Returns how many. */
export async function again(which: Which): Promise<number> {
  const answer = (await ask("POST", `${PLACES.waiting}?${new URLSearchParams(which)}`)) as Schemas["QueuedView"];
  return answer.queued;
}

/** Deletes every one that was given up. Returns how many there were. */
export async function forgetFailed(): Promise<number> {
  const answer = (await ask("DELETE", `${PLACES.failed}?all=true`)) as Schemas["DeletedView"];
  return answer.deleted;
}

export async function topics(): Promise<readonly Topic[]> {
  return (await get("/notifications/topics", { limit: MOST, sortBy: "domain,name" }))._embedded.items;
}

/** What a webhook is sent, the oldest first. */
export async function subscriptionsOf(webhook: string): Promise<readonly Subscription[]> {
  return (await get("/notifications/subscriptions", { limit: MOST, filter: `eq(recipientId,${webhook})` }))._embedded.items;
}

export async function change(subscription: string, patch: Readonly<Record<string, unknown>>): Promise<void> {
  await ask("PATCH", `/notifications/subscriptions/${subscription}`, patch);
}

export async function activate(subscription: string, active: boolean): Promise<void> {
  await ask("POST", `/notifications/${active ? "activeSubscriptions" : "inactiveSubscriptions"}?subscription=${subscription}`);
}

export async function test(subscription: string): Promise<Tested> {
  return (await ask("POST", `/notifications/subscriptions/${subscription}/test`)) as Tested;
}

/** The new secret. */
export async function renewSecret(subscription: string): Promise<string> {
  const answer = (await ask("POST", `/notifications/subscriptions/${subscription}/secret`)) as Subscription;
  return answer.endpoint?.signingSecret ?? "";
}

/** The id that a link leads to. */
export function idIn(links: Readonly<Record<string, { href: string }>>, relation: string): string {
  return links[relation]?.href.split("/").pop() ?? "";
}
