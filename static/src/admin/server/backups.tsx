// Backups: which there are, one more, and the way back to one.
import { useState } from "preact/hooks";
import { get, post, type Schemas } from "../../api/client";
import { bytes, fullTime, ago } from "../../format";
import { Button } from "../../kit/button";
import { Confirm } from "../../kit/dialog";
import { Menu } from "../../kit/menu";
import { Icon } from "../../kit/icon";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { Table } from "../../kit/table";
import { complain, tell } from "../../kit/toast";
import { t } from "../../words";

type Backup = Schemas["BackupView"];

/** While one is made, how far it is. */
const LOOK_MS = 1_000;
const PERCENT = 100;

export default function Backups() {
  const backups = useResource(() => get("/api/admin/backups"), [], { everyMs: LOOK_MS });
  const [restoring, setRestoring] = useState<Backup | null>(null);
  const [removing, setRemoving] = useState<Backup | null>(null);

  async function act(path: "/api/admin/backups/restore" | "/api/admin/backups/delete", backup: Backup) {
    try {
      tell((await post(path, { name: backup.name })).message);
      await backups.reload();
    } catch (error) {
      complain(error);
    }
  }

  const create = (
    <Button kind="primary" onClick={() => post("/api/admin/backups/create", undefined).then(backups.reload).catch(complain)}>
      {t("backups.create")}
    </Button>
  );
  return (
    <>
      <p class="lead">{t("backups.lead")}</p>
      <Loaded resource={backups}>
        {({ backups: found, step }) => (
          <>
            {step && (
              <p class="progress">
                <progress max={1} value={step.done} aria-label={step.what} /> {step.what} · {Math.floor(step.done * PERCENT)} %
              </p>
            )}
            {found.length > 0 && <p>{create}</p>}
            <Table
              caption={t("nav.backups")}
              rows={found}
              keyOf={(backup) => backup.name}
              empty={
                <Empty title={t("backups.none")} action={create}>
                  {t("backups.noneHelp")}
                </Empty>
              }
              columns={[
                {
                  label: t("backups.time"),
                  cell: (backup) => <span title={fullTime(Date.parse(backup.time))}>{ago(Date.parse(backup.time), Date.now())}</span>,
                },
                { label: t("backups.file"), cell: (backup) => <a href={`/api/admin/backups/${backup.name}`}>{backup.name}</a> },
                { label: t("backups.size"), align: "end", cell: (backup) => bytes(backup.size) },
              ]}
              actions={(backup) => (
                <Menu
                  label={`${t("actions")}: ${backup.name}`}
                  items={[
                    { label: t("backups.restore"), onSelect: () => setRestoring(backup) },
                    { label: t("delete"), danger: true, onSelect: () => setRemoving(backup) },
                  ]}
                >
                  <Icon name="more" />
                </Menu>
              )}
            />
          </>
        )}
      </Loaded>
      {restoring && (
        <Confirm
          title={t("backups.restoreTitle")}
          verb={t("backups.restore")}
          onClose={() => setRestoring(null)}
          onConfirm={() => act("/api/admin/backups/restore", restoring)}
        >
          <p>{t("backups.restoreHelp", { time: fullTime(Date.parse(restoring.time)) })}</p>
        </Confirm>
      )}
      {removing && (
        <Confirm title={t("backups.removeTitle")} verb={t("delete")} onClose={() => setRemoving(null)} onConfirm={() => act("/api/admin/backups/delete", removing)}>
          <p>{removing.name}</p>
        </Confirm>
      )}
    </>
  );
}
