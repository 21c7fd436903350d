// Devices: where the owner is signed in, what each place is called, and which of them to sign out.
import { useState } from "preact/hooks";
import { deviceName } from "../../agent";
import { get, post, type Schemas } from "../../api/client";
import { Button } from "../../kit/button";
import { Confirm } from "../../kit/dialog";
import { TextField } from "../../kit/field";
import { Moment } from "../../kit/moment";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { Table } from "../../kit/table";
import { complain, tell } from "../../kit/toast";
import { plural, t } from "../../words";
import { FormDialog, Problem } from "../form-dialog";
import { leave } from "../session";

type Device = Schemas["DeviceView"];

const OWNER = "admin";
const LOOK_MS = 15_000;
const MAX_NAME = 100;

export default function Devices() {
  const devices = useResource(() => get("/api/admin/devices"), [], { everyMs: LOOK_MS });
  const [renaming, setRenaming] = useState<Device | null>(null);
  const [leaving, setLeaving] = useState<readonly Device[] | null>(null);

  async function signOut(chosen: readonly Device[]) {
    try {
      await post("/api/admin/devices/signout", { userId: OWNER, ids: chosen.map((device) => device.id) });
    } catch (error) {
      return complain(error);
    }
    if (chosen.some((device) => device.current)) return leave();
    tell(plural("devices.signedOut", chosen.length));
    return devices.reload();
  }

  return (
    <>
      <p class="lead">{t("devices.lead")}</p>
      <Loaded resource={devices}>
        {(found) => {
          const others = found.filter((device) => !device.current);
          return (
            <>
              {others.length > 0 && (
                <p>
                  <Button onClick={() => setLeaving(others)}>{t("devices.signOutOthers")}</Button>
                </p>
              )}
              <Table
                caption={t("nav.devices")}
                rows={found}
                keyOf={(device) => device.id}
                text={(device) => `${titleOf(device)} ${device.displayName} ${device.ipAddress ?? ""}`}
                empty={<Empty title={t("devices.none")}>{t("devices.noneHelp")}</Empty>}
                columns={[
                  {
                    label: t("devices.device"),
                    cell: (device) => (
                      <span title={device.displayName}>
                        <bdi>{titleOf(device)}</bdi> {device.current && <span class="badge">{t("devices.this")}</span>}
                      </span>
                    ),
                    sort: titleOf,
                  },
                  { label: t("devices.address"), cell: (device) => <span class="address">{device.ipAddress ?? "–"}</span>, sort: (device) => device.ipAddress ?? "" },
                  { label: t("devices.seen"), cell: (device) => (device.lastSeenAt ? <Moment at={device.lastSeenAt} /> : "–"), sort: (device) => device.lastSeenAt ?? "" },
                  { label: t("devices.since"), cell: (device) => <Moment at={device.createdAt} />, sort: (device) => device.createdAt },
                ]}
                actions={(device) => (
                  <>
                    <Button kind="quiet" label={t("devices.renameOne", { device: titleOf(device) })} onClick={() => setRenaming(device)}>
                      {t("rename")}
                    </Button>
                    <Button kind="quiet" label={t("devices.signOutOne", { device: titleOf(device) })} onClick={() => setLeaving([device])}>
                      {t("devices.signOut")}
                    </Button>
                  </>
                )}
              />
            </>
          );
        }}
      </Loaded>
      {renaming && (
        <Rename
          device={renaming}
          onDone={() => {
            tell(t("devices.renamed"));
            void devices.reload();
          }}
          onClose={() => setRenaming(null)}
        />
      )}
      {leaving && (
        <Confirm
          title={leaving.length === 1 && leaving[0] ? t("devices.askOne", { device: titleOf(leaving[0]) }) : t("devices.askOthers")}
          verb={t("devices.signOut")}
          onClose={() => setLeaving(null)}
          onConfirm={() => signOut(leaving)}
        >
          <p>{t(leaving.some((device) => device.current) ? "devices.askHere" : "devices.askThere")}</p>
        </Confirm>
      )}
    </>
  );
}

function Rename({ device, onDone, onClose }: { device: Device; onDone: () => void; onClose: () => void }) {
  const before = titleOf(device);
  const [name, setName] = useState(before);
  return (
    <FormDialog
      title={t("devices.renameOne", { device: before })}
      verb={t("save")}
      ready={name.trim() !== "" && name !== before}
      onSave={async () => {
        await post("/api/admin/devices/rename", { id: device.id, displayName: name });
        onDone();
      }}
      onClose={onClose}
    >
      {(problem) => (
        <>
          <TextField label={t("devices.name")} maxLength={MAX_NAME} value={name} onChange={setName} />
          {problem && <Problem>{problem}</Problem>}
        </>
      )}
    </FormDialog>
  );
}

function titleOf({ displayName }: Device): string {
  return deviceName(displayName) || t("devices.unnamed");
}
