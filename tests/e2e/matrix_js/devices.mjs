// Somebody registers, signs in at several devices, names them and signs them out, all by matrix-js-sdk.
import { createInterface } from "node:readline";
// The library talks on the console, where the test listens.
for (const kind of ["trace", "debug", "info", "log", "warn"]) console[kind] = () => {};
const { createClient } = await import("matrix-js-sdk");

const { MATRIX_URL: baseUrl, MATRIX_PASSWORD: password, MATRIX_NEW_PASSWORD: another } = process.env;
const USER = "ana";
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function tell(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}

/** What a promise is refused with. */
async function refusal(promise) {
  try {
    await promise;
  } catch ({ httpStatus, errcode, data }) {
    return { status: httpStatus, code: errcode ?? null, data };
  }
  throw new Error("That was to be refused.");
}

function clientOf({ user_id: userId, access_token: accessToken, device_id: deviceId }) {
  return createClient({ baseUrl, userId, accessToken, deviceId });
}

async function signIn(deviceId, name, secret = password) {
  const identifier = { type: "m.id.user", user: USER };
  const found = await stranger.loginRequest({ type: "m.login.password", identifier, password: secret, device_id: deviceId, initial_device_display_name: name });
  return { client: clientOf(found), token: found.access_token };
}

const names = async () => (await here.getDevices()).devices.map(({ device_id, display_name }) => [device_id, display_name]).sort();
const proof = (session, secret = password) => ({ type: "m.login.password", identifier: { type: "m.id.user", user: USER }, password: secret, session });

const stranger = createClient({ baseUrl });
const flows = (await stranger.loginFlows()).flows.map(({ type }) => type);
const free = await stranger.isUsernameAvailable(USER);
const asked = await refusal(stranger.registerRequest({ username: USER, password }));
const registered = await stranger.registerRequest({ username: USER, password, device_id: "HERE", initial_device_display_name: "Here", auth: { type: "m.login.dummy", session: asked.data.session } });
const here = clientOf(registered);

const phone = await signIn("PHONE", "Phone");
await signIn("TABLET", "Tablet");
const laptop = await signIn("LAPTOP", "Laptop");
const listed = await names();
await here.setDeviceDetails("PHONE", { display_name: "My phone" });
const renamed = (await here.getDevice("PHONE")).display_name;
tell({ token: phone.token });
await lines.next();

const wanted = await refusal(here.deleteDevice("PHONE"));
const wrong = await refusal(here.deleteDevice("PHONE", proof(wanted.data.session, "not the password")));
await here.deleteDevice("PHONE", proof(wanted.data.session));
const gone = await refusal(phone.client.whoami());
const many = await refusal(here.deleteMultipleDevices(["TABLET", "LAPTOP"]));
await here.deleteMultipleDevices(["TABLET", "LAPTOP"], proof(many.data.session));
const left = await names();
const other = await signIn("OTHER", "Other");
const change = await refusal(here.setPassword(undefined, another));
await here.setPassword(proof(change.data.session), another);
const ended = await refusal(other.client.whoami());
const old = await refusal(signIn("OLD", "Old"));
await signIn("NEW", "New", another);
const me = await here.whoami();
await here.logout();

tell({
  flows,
  free,
  registering: [asked.status, asked.data.flows],
  registered: [registered.user_id, registered.device_id],
  listed,
  renamed,
  wanted: [wanted.status, wanted.code, wanted.data.flows],
  wrong: [wrong.status, wrong.code, wrong.data.completed],
  gone: [gone.status, gone.code],
  laptop: (await refusal(laptop.client.whoami())).code,
  left,
  ended: ended.code,
  old: old.code,
  me: [me.user_id, me.device_id],
  after: (await refusal(here.whoami())).code,
});
process.exit(0);
