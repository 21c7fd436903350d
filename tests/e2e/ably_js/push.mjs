// A device that Ably's library activates, and what is pushed to it. Its transport is a channel of the server itself.
import * as Ably from "ably";
import Push from "ably/push";
import { eventually, options, refusal, tell } from "./options.mjs";

const { ABLY_KEY: ablyKey, ABLY_HOST: host, ABLY_PORT: port } = process.env;
const kept = new Map();

const pushConfig = {
  platform: "browser",
  formFactor: "desktop",
  storage: { get: (name) => kept.get(name) ?? null, set: (name, value) => void kept.set(name, value), remove: (name) => void kept.delete(name) },
  async getPushDeviceDetails(machine) {
    const device = await machine.client.getDevice();
    device.push.recipient = { transportType: "ablyChannel", channel: "pushed", ablyKey, ablyUrl: `http://${host}:${port}` };
    await device.persist();
    machine.handleEvent(new machine.GotPushDeviceDetails());
  },
};

const owner = new Ably.Realtime(options());
const arrived = [];
await owner.channels.get("pushed").subscribe(({ name, data }) => arrived.push([name, typeof data === "string" ? JSON.parse(data) : data]));

// A token that may do no more than an app on a phone: register itself and hear.
const { token } = await owner.auth.requestToken({ clientId: "ann", capability: { "*": ["push-subscribe", "subscribe"] } });
const phone = new Ably.Rest(options({ key: undefined, token, clientId: "ann", plugins: { Push: { ...Push, pushConfig } } }));
await phone.push.activate();
// The library gives itself another one when it is deactivated.
const { id: deviceId } = await phone.getDevice();
const registered = await owner.push.admin.deviceRegistrations.get(deviceId);

await owner.push.admin.publish({ deviceId }, { notification: { title: "to the device" } });
await owner.push.admin.publish({ clientId: "ann" }, { notification: { title: "to the client" }, data: { a: "b" } });
await eventually(() => arrived.length >= 2);

const news = phone.channels.get("news");
await news.push.subscribeDevice();
await news.push.subscribeClient();
const listed = (await owner.push.admin.channelSubscriptions.list({ channel: "news" })).items;
const pushed = owner.channels.get("news");
await news.push.unsubscribeClient();
await pushed.publish({ name: "edition", data: "one", extras: { push: { notification: { title: "through the channel" } } } });
await eventually(() => arrived.length >= 3);
const channels = (await owner.push.admin.channelSubscriptions.listChannels()).items;

await news.push.unsubscribeDevice();
await phone.push.deactivate();
const gone = await refusal(owner.push.admin.publish({ deviceId }, { notification: { title: "to nobody" } }));
owner.close();
tell({
  registered: [registered.clientId, registered.platform, registered.formFactor, registered.push.state],
  arrived: arrived.map(([name, { notification, data }]) => [name, notification.title, data ?? null]),
  listed: listed.map((each) => [each.channel, each.deviceId === deviceId, each.clientId ?? null]),
  channels,
  forgotten: kept.get("ably.push.deviceIdentityToken") === undefined,
  gone: gone?.code,
});
process.exit(0);
