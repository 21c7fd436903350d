// Everything that can be asked for over HTTP, by Ably's own library.
import * as Ably from "ably";
import { options, refusal, tell } from "./options.mjs";

const rest = new Ably.Rest(options());
const channel = rest.channels.get("a/b ü%2F");

const published = await channel.publish([
  { name: "text", data: "one" },
  { name: "json", data: { two: [2, null, "zwei"] } },
  { name: "octets", data: new Uint8Array([0, 1, 254, 255]) },
]);
await channel.publish({ name: "same", data: "once", id: "same-id" });
await channel.publish({ name: "same", data: "twice", id: "same-id" });

const pages = [];
for (let page = await channel.history({ limit: 3, direction: "forwards" }); page; page = page.hasNext() ? await page.next() : null) {
  pages.push(page.items.map(({ name, data, encoding }) => [name, data instanceof Buffer ? [...data] : data, encoding ?? null]));
}

const secret = await Ably.Rest.Crypto.generateRandomKey();
const ciphered = rest.channels.get("ciphered", { cipher: { key: secret } });
await ciphered.publish("hidden", { treasure: "tea" });
const [hidden] = (await ciphered.history()).items;
const [raw] = (await rest.channels.get("ciphered", { cipher: null }).history()).items;

const token = await rest.auth.requestToken({ clientId: "ana", capability: { "a:*": ["publish", "subscribe"] }, ttl: 60_000 });
const narrow = new Ably.Rest(options({ key: undefined, token: token.token }));
const signed = await rest.auth.createTokenRequest({ clientId: "ben" });
const bySigned = new Ably.Rest(options({ key: undefined, authCallback: (_, done) => done(null, signed) }));
await bySigned.channels.get("signed").publish("hello", "from ben");

const changed = await channel.updateMessage({ serial: published.serials[0], data: "uno" });
const latest = await channel.getMessage(published.serials[0]);
const versions = await channel.getMessageVersions(published.serials[0]);

const batch = await rest.batchPublish({ channels: ["first", "second", ":bad"], messages: [{ name: "many", data: "x" }] });

tell({
  serials: published.serials.length,
  pages,
  hidden: hidden.data,
  raw: raw.encoding,
  allowed: await refusal(narrow.channels.get("a:game").publish("x", "y")),
  denied: await refusal(narrow.channels.get("b:game").publish("x", "y")),
  whose: (await rest.channels.get("signed").history()).items.map(({ clientId }) => clientId),
  capability: token.capability,
  changed: Boolean(changed.versionSerial ?? changed.version ?? changed.serial),
  latest: [latest.data, latest.action],
  versions: versions.items.map(({ data }) => data),
  batch: [batch.successCount, batch.failureCount, batch.results.map(({ error }) => error?.code ?? null)],
  status: (await channel.status()).status.isActive,
  time: (await rest.time()) > 0,
  nowhere: (await rest.request("get", "/keys/x/requestToken", 3)).errorCode,
  stats: Array.isArray((await rest.stats()).items),
});
