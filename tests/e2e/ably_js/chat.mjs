// Somebody in the chat, by Ably's own library: says what the test writes, and tells what is said and what is taken away.
import * as Ably from "ably";
import { options, tell, told } from "./options.mjs";

const ann = new Ably.Realtime(options({ clientId: "Ann" }));
const chat = ann.channels.get("chat");
const said = new Map();
await chat.subscribe(({ name, action, serial, data }) => {
  if (action === "message.delete") tell(["gone", said.get(serial)]);
  else if (name === "message") {
    said.set(serial, data.rawBody);
    tell([data.user.displayName, data.rawBody, data.body]);
  }
});
tell("ready");
for (let words = await told(); words !== undefined; words = await told()) await chat.publish("message", words);
process.exit(0);
