// Push devices: phones and browsers of an app's users that are told what channels say while nobody looks at them.
import { useState } from "preact/hooks";
import { get, post, type Schemas } from "../../api/client";
import { Button } from "../../kit/button";
import { Confirm } from "../../kit/dialog";
import { Moment } from "../../kit/moment";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { Table } from "../../kit/table";
import { complain } from "../../kit/toast";
import { type Key, t } from "../../words";
import "../../styles/admin-content.css";

type Device = Schemas["PushDeviceView"];

const LOOK_MS = 15_000;
const PLATFORMS: Readonly<Record<string, Key>> = { ios: "pushDevices.ios", android: "pushDevices.android", browser: "pushDevices.browser" };
const TRANSPORTS: Readonly<Record<string, Key>> = {
  fcm: "pushDevices.fcm",
  gcm: "pushDevices.fcm",
  apns: "pushDevices.apns",
  web: "pushDevices.web",
  ablyChannel: "pushDevices.relay",
};
const STATES: Readonly<Record<string, readonly [words: Key, kind: string]>> = {
  Active: ["pushDevices.active", "well"],
  Failing: ["pushDevices.failing", "warning"],
  Failed: ["pushDevices.failed", "bad"],
};

export default function Devices() {
  const devices = useResource(() => get("/api/admin/channels/devices"), [], { everyMs: LOOK_MS });
  const [removing, setRemoving] = useState<Device | null>(null);
  return (
    <>
      <p class="lead">{t("pushDevices.lead")}</p>
      <Loaded resource={devices}>
        {(found) => (
          <Table
            caption={t("nav.pushDevices")}
            rows={found}
            keyOf={(device) => JSON.stringify([device.app, device.id])}
            text={(device) => `${device.id} ${device.clientId} ${device.error}`}
            empty={<Empty title={t("pushDevices.none")}>{t("pushDevices.noneHelp")}</Empty>}
            columns={[
              {
                label: t("pushDevices.device"),
                cell: (device) => (
                  <span class="lane">
                    {device.clientId && <bdi class="lane-host">{device.clientId}</bdi>}
                    <code class="address">{device.id}</code>
                  </span>
                ),
                sort: (device) => device.clientId || device.id,
              },
              {
                label: t("pushDevices.platform"),
                cell: (device) => `${named(PLATFORMS, device.platform)} · ${named(TRANSPORTS, device.transport)}`,
                sort: (device) => `${device.platform} ${device.transport}`,
              },
              { label: t("pushDevices.state"), cell: (device) => <State of={device} />, sort: (device) => device.state },
              { label: t("pushDevices.changed"), cell: (device) => <Moment at={device.updatedAt} />, sort: (device) => device.updatedAt },
            ]}
            actions={(device) => (
              <Button kind="quiet" onClick={() => setRemoving(device)}>
                {t("delete")}
              </Button>
            )}
          />
        )}
      </Loaded>
      {removing && (
        <Confirm
          title={t("pushDevices.remove", { name: removing.clientId || removing.id })}
          verb={t("delete")}
          onClose={() => setRemoving(null)}
          onConfirm={() => post("/api/admin/channels/devices/delete", { app: removing.app, id: removing.id }).then(devices.reload, complain)}
        >
          <p>{t("pushDevices.removeHelp")}</p>
        </Confirm>
      )}
    </>
  );
}

function State({ of: device }: { of: Device }) {
  const [words, kind] = STATES[device.state] ?? [];
  return (
    <span class="lane">
      <span>
        <span class="badge" data-kind={kind}>
          {words ? t(words) : device.state}
        </span>{" "}
        {device.failingSince && <Moment at={device.failingSince} />}
      </span>
      {device.error && <bdi class="quiet">{device.error}</bdi>}
    </span>
  );
}

function named(words: Readonly<Record<string, Key>>, name: string): string {
  const known = words[name];
  return known ? t(known) : name;
}
