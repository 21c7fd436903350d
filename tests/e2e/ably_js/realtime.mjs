// Two clients meet on a channel, by Ably's own library.
import * as Ably from "ably";
import { eventually, options, refusal, tell } from "./options.mjs";

const ana = new Ably.Realtime(options({ clientId: "ana" }));
const ben = new Ably.Realtime(options({ clientId: "ben", echoMessages: false }));
const [hers, his] = [ana.channels.get("game"), ben.channels.get("game")];
const heard = { ana: [], ben: [] };
const seen = [];
await hers.subscribe(({ name, data, clientId }) => heard.ana.push([name, data instanceof Buffer ? [...data] : data, clientId]));
await his.subscribe(({ name, data, clientId }) => heard.ben.push([name, data instanceof Buffer ? [...data] : data, clientId]));
await his.presence.subscribe(({ action, clientId, data }) => seen.push([action, clientId, data]));

const { serials } = await hers.publish("move", { x: 1 });
await his.publish("octets", new Uint8Array([7, 8]));
await hers.publish([
  { name: "a", data: "one" },
  { name: "b", data: "two" },
]);
await hers.presence.enter("here");
await hers.presence.update("there");
await eventually(() => seen.length >= 2);
const present = await his.presence.get();
await hers.presence.leave("bye");
await eventually(() => seen.length >= 3 && heard.ana.length >= 4 && heard.ben.length >= 3);

const late = ben.channels.get("game", {});
const rewound = [];
const again = ben.channels.get("[?rewind=2]game");
await again.subscribe(({ name }) => rewound.push(name));
await eventually(() => rewound.length >= 2);

const listening = ana.channels.get("listening", { modes: ["SUBSCRIBE"] });
await listening.attach();

const metrics = [];
const counted = ana.channels.get("counted", { params: { occupancy: "metrics" } });
await counted.subscribe("[meta]occupancy", ({ data }) => metrics.push(data.metrics));
await ben.channels.get("counted").attach();
await eventually(() => metrics.some(({ connections }) => connections === 2));

const ping = await ana.connection.ping();
const refusals = {
  name: await refusal(ana.channels.get(":bad").attach()),
  mode: await refusal(listening.presence.enter()),
  large: await refusal(hers.publish("large", "x".repeat(70_000))),
  client: await refusal(hers.publish({ name: "x", clientId: "carl" })),
};
await hers.detach();
ana.close();
ben.close();
await Promise.all([ana, ben].map(({ connection }) => eventually(() => connection.state === "closed")));
tell({ serials: serials.length, heard, seen, present: present.map(({ clientId, data, action }) => [clientId, data, action]), rewound, late: late.name, ping: ping >= 0, refusals });
process.exit(0);
