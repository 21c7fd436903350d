// Where somebody is signed in: the devices of one person, for the owner to sign them out.
import { deviceName } from "../../agent";
import { get, post, type Schemas } from "../../api/client";
import { Button } from "../../kit/button";
import { Dialog } from "../../kit/dialog";
import { Moment } from "../../kit/moment";
import { Loaded, useResource } from "../../kit/resource";
import { complain, tell } from "../../kit/toast";
import { t } from "../../words";
import type { User } from "./act";

type Device = Schemas["DeviceView"];

export function SignedInDialog({ user, onClose }: { user: User; onClose: () => void }) {
  const name = user.displayName;
  const devices = useResource(() => get("/api/admin/devices", { userId: user.id }), [user.id]);
  const found = devices.state === "ready" ? devices.data : [];

  async function signOut(chosen: readonly Device[]) {
    try {
      await post("/api/admin/devices/signout", { userId: user.id, ids: chosen.map((device) => device.id) });
      tell(t("person.signedOut", { name }));
      await devices.reload();
    } catch (error) {
      complain(error);
    }
  }

  return (
    <Dialog
      title={t("person.devicesTitle", { name })}
      onClose={onClose}
      actions={
        found.length > 1 && (
          <Button kind="danger" onClick={() => signOut(found)}>
            {t("person.signOutAll")}
          </Button>
        )
      }
    >
      <p class="quiet">{t("person.devicesHelp")}</p>
      <Loaded resource={devices}>
        {(all) => (all.length === 0 ? <p>{t("person.noDevices")}</p> : <ul class="signed-in">{all.map((device) => <Row key={device.id} device={device} onSignOut={() => signOut([device])} />)}</ul>)}
      </Loaded>
    </Dialog>
  );
}

function Row({ device, onSignOut }: { device: Device; onSignOut: () => Promise<void> }) {
  const title = deviceName(device.displayName) || t("devices.unnamed");
  return (
    <li>
      <span class="lane">
        <bdi title={device.displayName}>{title}</bdi>
        <span class="quiet">
          {device.ipAddress && `${device.ipAddress} · `}
          <Moment at={device.lastSeenAt ?? device.createdAt} />
        </span>
      </span>
      <Button kind="quiet" label={t("devices.signOutOne", { device: title })} onClick={onSignOut}>
        {t("devices.signOut")}
      </Button>
    </li>
  );
}
