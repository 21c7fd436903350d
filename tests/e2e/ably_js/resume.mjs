// A subscriber and a publisher whose lines are cut again and again. What the subscriber has heard is told at the end.
import * as Ably from "ably";
import { eventually, options, tell, told } from "./options.mjs";

const quick = { disconnectedRetryTimeout: 100, suspendedRetryTimeout: 100 };
const subscriber = new Ably.Realtime(options({ clientId: "ana", ...quick }));
const publisher = new Ably.Realtime(options({ clientId: "ben", ...quick }));
const ids = new Set();
for (const { connection } of [subscriber, publisher]) connection.on("connected", () => ids.add(connection.id));

const heard = [];
await subscriber.channels.get("numbers").subscribe(({ data }) => heard.push(Number(data)));
const channel = publisher.channels.get("numbers");
await channel.attach();
await channel.presence.enter();
tell("ready");

let sent = 0;
let going = true;
const acknowledged = [];
const publishing = (async () => {
  while (going) {
    const number = sent++;
    acknowledged.push(channel.publish("number", String(number)));
    await new Promise((done) => setTimeout(done, 5));
  }
})();

await told();
going = false;
await publishing;
const outcomes = await Promise.allSettled(acknowledged);
await eventually(() => new Set(heard).size >= sent);
const members = await subscriber.channels.get("numbers").presence.get();
tell({ sent, heard, failed: outcomes.filter(({ status }) => status === "rejected").length, connections: ids.size, members: members.length });
process.exit(0);
