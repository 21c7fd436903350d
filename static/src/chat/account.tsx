// Where I am signed in: the devices of my account, what they are called, and which to sign out; a password by which to
// be the same person on another machine, and signing in with one. Loaded when it is asked for.
import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { deviceName } from "../agent";
import { ask, type Schemas } from "../api/client";
import { Button } from "../kit/button";
import { Dialog } from "../kit/dialog";
import { Moment } from "../kit/moment";
import { Loaded, useResource } from "../kit/resource";
import { t } from "../words";
import { askAsMe } from "./connection";
import { readToken, writeToken } from "./token";

type Mine = Schemas["AccountView"];
type Device = Schemas["DeviceView"];
type Found = readonly [me: Mine, devices: readonly Device[]];
type Step = { kind: "devices" | "signIn" | "password" } | { kind: "rename"; device: Device } | { kind: "signOut"; devices: readonly Device[] };

const DEVICES = "/api/chat/devices";
const SIGN_OUT = "/api/chat/devices/signout";

interface Props {
  /** Who I am, or was until I was signed out. */
  name: string;
  signedOut: boolean;
  /** This browser is somebody else from now on. */
  onSwitch: () => void;
  onClose: () => void;
}

export function Account({ name, signedOut, onSwitch, onClose }: Props) {
  const [step, setStep] = useState<Step>({ kind: signedOut ? "signIn" : "devices" });
  const found = useResource(async (): Promise<Found | null> => (signedOut ? null : [(await askAsMe("GET", "/api/chat/account")) as Mine, await devices()]), []);
  const [me, all] = (found.state === "ready" && found.data) || [null, []];
  const back = () => (signedOut ? onClose() : setStep({ kind: "devices" }));
  const others = all.filter((device) => !device.current);

  async function change(path: string, document: object) {
    await askAsMe("POST", path, document);
    await found.reload();
    back();
  }

  if (step.kind === "signIn") {
    async function enter(entered: FormData) {
      await signIn(textOf(entered, "login"), textOf(entered, "password"), all.find((device) => device.current));
      onSwitch();
      onClose();
    }
    return (
      <Form title={t("account.signIn")} verb={t("account.signIn")} onSave={enter} onBack={back}>
        {me && !me.hasPassword && <p>{t("account.leave", { name })}</p>}
        <Field name="login" label={t("account.loginName")} autocomplete="username" />
        <Field name="password" label={t("account.password")} autocomplete="current-password" secret />
      </Form>
    );
  }
  if (step.kind === "password" && me) {
    const document = (entered: FormData) => ({
      newPassword: textOf(entered, "new"),
      currentPassword: textOf(entered, "password"),
      login: textOf(entered, "login"),
      signOutOthers: entered.has("others"),
    });
    const title = t(me.hasPassword ? "account.changePassword" : "account.setPassword");
    return (
      <Form title={title} verb={t("save")} onSave={(entered) => change("/api/chat/account/password", document(entered))} onBack={back}>
        {me.hasPassword ? (
          <>
            <Username of={me} />
            <Field name="password" label={t("account.password")} autocomplete="current-password" secret />
          </>
        ) : (
          <Field name="login" label={t("account.loginName")} help={t("account.loginHelp")} value={me.login} autocomplete="username" />
        )}
        <Field name="new" label={t("account.newPassword")} help={t("account.newPasswordHelp")} autocomplete="new-password" secret />
        {others.length > 0 && (
          <label class="account-check">
            <input type="checkbox" name="others" checked />
            {t("devices.signOutOthers")}
          </label>
        )}
      </Form>
    );
  }
  if (step.kind === "rename") {
    const { id, displayName } = step.device;
    return (
      <Form title={t("rename")} verb={t("save")} onSave={(entered) => change("/api/chat/devices/rename", { id, displayName: textOf(entered, "name") })} onBack={back}>
        <Field name="name" label={t("devices.name")} value={deviceName(displayName)} maxLength={100} />
      </Form>
    );
  }
  if (step.kind === "signOut" && me) {
    const { devices: chosen } = step;
    const here = chosen.every((device) => device.current);
    const send = (entered: FormData) => ({ ids: chosen.map((device) => device.id), password: textOf(entered, "password") });
    async function leave(entered: FormData) {
      if (!here) return change(SIGN_OUT, send(entered));
      await askAsMe("POST", SIGN_OUT, send(entered));
      onClose();
    }
    const title = chosen.length === 1 && chosen[0] ? t("devices.signOutOne", { device: titleOf(chosen[0]) }) : t("devices.signOutOthers");
    return (
      <Form title={title} verb={t("devices.signOut")} danger onSave={leave} onBack={back}>
        <p>{t(here ? (me.hasPassword ? "account.signOutHere" : "account.signOutForGood") : "account.signOutHelp", { name })}</p>
        {me.hasPassword && !here && (
          <>
            <Username of={me} />
            <Field name="password" label={t("account.password")} autocomplete="current-password" secret />
          </>
        )}
      </Form>
    );
  }
  return (
    <Dialog title={t("account")} onClose={onClose}>
      <Loaded resource={found}>
        {() =>
          me && (
            <>
              <p>{me.hasPassword ? t("account.login", { login: me.login }) : t("account.noPassword", { name })}</p>
              <ul class="account-devices">
                {all.map((device) => (
                  <Row key={device.id} device={device} onRename={() => setStep({ kind: "rename", device })} onSignOut={() => setStep({ kind: "signOut", devices: [device] })} />
                ))}
              </ul>
              <div class="account-ways">
                <Button kind={me.hasPassword ? "plain" : "primary"} onClick={() => setStep({ kind: "password" })}>
                  {t(me.hasPassword ? "account.changePassword" : "account.setPassword")}
                </Button>
                {others.length > 0 && <Button onClick={() => setStep({ kind: "signOut", devices: others })}>{t("devices.signOutOthers")}</Button>}
                <Button onClick={() => setStep({ kind: "signIn" })}>{t("account.signInElse")}</Button>
              </div>
            </>
          )
        }
      </Loaded>
    </Dialog>
  );
}

function Row({ device, onRename, onSignOut }: { device: Device; onRename: () => void; onSignOut: () => void }) {
  const title = titleOf(device);
  return (
    <li>
      <div>
        <bdi>{title}</bdi> {device.current && <span class="chat-badge">{t("devices.this")}</span>}
        <p class="quiet">
          {device.ipAddress && `${device.ipAddress} · `}
          <Moment at={device.lastSeenAt ?? device.createdAt} />
        </p>
      </div>
      <span>
        <Button kind="quiet" label={t("devices.renameOne", { device: title })} onClick={onRename}>
          {t("rename")}
        </Button>
        <Button kind="quiet" label={t("devices.signOutOne", { device: title })} onClick={onSignOut}>
          {t("devices.signOut")}
        </Button>
      </span>
    </li>
  );
}

interface FormProps {
  title: string;
  verb: string;
  danger?: boolean;
  /** Sends what was entered. What it throws is shown. */
  onSave: (entered: FormData) => Promise<void>;
  onBack: () => void;
  children: ComponentChildren;
}

/** One step, over the list; whoever closes it is back there. */
function Form({ title, verb, danger = false, onSave, onBack, children }: FormProps) {
  const id = useId();
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);

  async function send(form: HTMLFormElement) {
    setBusy(true);
    setProblem("");
    try {
      await onSave(new FormData(form));
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
    }
  }

  return (
    <Dialog
      title={title}
      onClose={onBack}
      actions={
        <>
          <Button onClick={onBack}>{t("cancel")}</Button>
          <Button kind={danger ? "danger" : "primary"} type="submit" form={id} busy={busy}>
            {verb}
          </Button>
        </>
      }
    >
      <form
        id={id}
        class="chat-form"
        onSubmit={(event) => {
          event.preventDefault();
          void send(event.currentTarget);
        }}
      >
        {children}
        <p class="field-error" role="alert">
          {problem}
        </p>
      </form>
    </Dialog>
  );
}

interface FieldProps {
  name: string;
  label: string;
  help?: string;
  value?: string;
  autocomplete?: string;
  maxLength?: number;
  secret?: boolean;
}

function Field({ name, label, help, value = "", autocomplete = "off", maxLength = 500, secret = false }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label class="field-label" for={id}>
        {label}
      </label>
      <input
        id={id}
        class="input"
        type={(secret ? "password" : "text") as "text"}
        name={name}
        defaultValue={value}
        autocomplete={autocomplete}
        maxLength={maxLength}
        required
        aria-describedby={`${id}-help`}
      />
      <div class="field-help" id={`${id}-help`}>
        {help}
      </div>
    </div>
  );
}

/** For password managers, which look for a name. */
function Username({ of: { login } }: { of: Mine }) {
  return <input class="visually-hidden" type="text" autocomplete="username" value={login} readOnly tabIndex={-1} aria-hidden="true" />;
}

/** Here first, then where I was last. */
async function devices(): Promise<Device[]> {
  const found = (await askAsMe("GET", DEVICES)) as Device[];
  const seen = ({ current, lastSeenAt, createdAt }: Device) => (current ? "~" : (lastSeenAt ?? createdAt));
  return found.sort((one, other) => (seen(one) < seen(other) ? 1 : -1));
}

/** Makes this browser whoever that is. What it was until now is signed out, since nobody has its token any more. */
async function signIn(login: string, password: string, here: Device | undefined): Promise<void> {
  const { accessToken } = (await ask("POST", "/api/chat/login", { login, password })) as Schemas["Registered"];
  const before = readToken() ?? "";
  writeToken(accessToken);
  if (here) await ask("POST", `${SIGN_OUT}?accessToken=${encodeURIComponent(before)}`, { ids: [here.id] }).catch(() => null);
}

function titleOf({ displayName }: Device): string {
  return deviceName(displayName) || t("devices.unnamed");
}

function textOf(entered: FormData, name: string): string {
  return String(entered.get(name) ?? "");
}
