// Live channels: to which of them anybody is attached now, and what for.
import { get, type Schemas } from "../../api/client";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { type Column, Table } from "../../kit/table";
import { number, plural, t } from "../../words";
import { Link } from "../router";
import "../../styles/admin-content.css";

type Live = Schemas["LiveChannelsView"];
type LiveChannel = Schemas["LiveChannelView"];

const LOOK_MS = 5_000;
const COUNTS = ["connections", "publishers", "subscribers", "members"] as const;

export default function LiveChannels() {
  const live = useResource(() => get("/api/admin/channels/live"), [], { everyMs: LOOK_MS });
  return (
    <>
      <p class="lead">{t("liveChannels.lead")}</p>
      <Loaded resource={live}>
        {(found) => (
          <>
            <dl class="tiles">
              <Tile label={t("liveChannels.clients")} value={found.connections} note={t("liveChannels.clientsHelp")} />
              <Tile label={t("nav.channels")} value={found.count} note={t("liveChannels.channelsHelp")} />
            </dl>
            <Channels live={found} />
          </>
        )}
      </Loaded>
    </>
  );
}

function Tile({ label, value, note }: { label: string; value: number; note: string }) {
  return (
    <div class="card tile">
      <dt>{label}</dt>
      <dd class="tile-value">{number(value)}</dd>
      <dd class="tile-note">{note}</dd>
    </div>
  );
}

function Channels({ live }: { live: Live }) {
  const several = new Set(live.channels.map((channel) => channel.app)).size > 1;
  const columns: Array<Column<LiveChannel>> = [
    { label: t("liveChannels.name"), cell: (channel) => <bdi class="channel-name">{channel.name}</bdi>, sort: (channel) => channel.name },
    ...(several ? [{ label: t("liveChannels.app"), cell: (channel: LiveChannel) => channel.app, sort: (channel: LiveChannel) => channel.app }] : []),
    ...COUNTS.map((count) => ({
      label: t(`liveChannels.${count}`),
      align: "end" as const,
      cell: (channel: LiveChannel) => number(channel[count]),
      sort: (channel: LiveChannel) => channel[count],
    })),
  ];
  return (
    <>
      <Table
        caption={t("nav.liveChannels")}
        rows={live.channels}
        keyOf={(channel) => JSON.stringify([channel.app, channel.name])}
        text={(channel) => channel.name}
        empty={
          <Empty title={t("liveChannels.none")} action={<Link to="/channel-keys">{t("liveChannels.toKeys")}</Link>}>
            {t("liveChannels.noneHelp")}
          </Empty>
        }
        columns={columns}
      />
      {live.count > live.channels.length && <p class="quiet">{plural("liveChannels.more", live.count - live.channels.length)}</p>}
    </>
  );
}
