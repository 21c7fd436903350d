// Viewers: how many there were, who watches now and with what, and where from if that is known.
import { inWords, playerName } from "../../agent";
import { get, type Schemas } from "../../api/client";
import { ago, bitrate, delay, fullTime } from "../../format";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { type Column, Table } from "../../kit/table";
import { useNow } from "../../kit/use-now";
import { language, number, plural, t } from "../../words";
import { RangeChooser, useRange } from "./range";
import { ViewersChart } from "./viewers-chart";

type Viewer = Schemas["ViewerView"];

const LOOK_MS = 10_000;
const GEO_GUIDE = "https://dev.maxmind.com/geoip/geolite2-free-geolocation-data";

export default function Viewers() {
  const viewers = useResource(() => get("/api/admin/viewers"), [], { everyMs: LOOK_MS });
  const range = useRange("day");
  return (
    <>
      <section class="section" aria-labelledby="over-time">
        <header class="section-head">
          <h2 id="over-time">{t("viewers.overTime")}</h2>
          <RangeChooser range={range} spans={["hour", "day", "week", "month"]} />
        </header>
        <ViewersChart range={range} />
      </section>
      <section class="section" aria-labelledby="now">
        <h2 id="now">{t("viewers.now")}</h2>
        <Loaded resource={viewers}>
          {(found) => (
            <>
              <Present viewers={found} />
              {found.length > 0 && <Places viewers={found} />}
            </>
          )}
        </Loaded>
      </section>
    </>
  );
}

function Present({ viewers }: { viewers: readonly Viewer[] }) {
  const now = useNow(viewers.length > 0);
  const columns: Array<Column<Viewer>> = [
    { label: t("viewers.player"), cell: (viewer) => <PlayerCell viewer={viewer} />, sort: (viewer) => nameOf(viewer) },
    {
      label: t("viewers.since"),
      cell: (viewer) => (
        <time dateTime={viewer.firstSeen} title={fullTime(Date.parse(viewer.firstSeen))}>
          {ago(Date.parse(viewer.firstSeen), now)}
        </time>
      ),
      sort: (viewer) => viewer.firstSeen,
    },
    ...(viewers.some((viewer) => viewer.geo)
      ? [{ label: t("viewers.country"), cell: (viewer: Viewer) => placeOf(viewer), sort: (viewer: Viewer) => placeOf(viewer) }]
      : []),
    { label: t("viewers.address"), cell: (viewer) => viewer.ipAddress, sort: (viewer) => viewer.ipAddress },
    {
      label: t("viewers.behind"),
      align: "end",
      cell: (viewer) => (viewer.latency === null ? "–" : delay(viewer.latency)),
      sort: (viewer) => viewer.latency ?? -1,
    },
    {
      label: t("viewers.network"),
      align: "end",
      cell: (viewer) => (viewer.bandwidth === null ? "–" : bitrate(viewer.bandwidth)),
      sort: (viewer) => viewer.bandwidth ?? -1,
    },
  ];
  return (
    <Table
      caption={t("viewers.now")}
      rows={viewers}
      keyOf={(viewer) => viewer.clientID}
      text={(viewer) => `${nameOf(viewer)} ${viewer.userAgent} ${viewer.ipAddress} ${placeOf(viewer)}`}
      empty={<Empty title={t("viewers.none")}>{t("viewers.noneHelp")}</Empty>}
      columns={columns}
    />
  );
}

function PlayerCell({ viewer }: { viewer: Viewer }) {
  return <span title={viewer.userAgent}>{nameOf(viewer)}</span>;
}

/** By country, the most first; or how to learn it. */
function Places({ viewers }: { viewers: readonly Viewer[] }) {
  const known = viewers.filter((viewer) => viewer.geo?.countryCode);
  const counts = new Map<string, number>();
  for (const viewer of known) counts.set(countryOf(viewer), (counts.get(countryOf(viewer)) ?? 0) + 1);
  const rows = [...counts].sort((one, other) => other[1] - one[1]);
  return (
    <section class="section" aria-labelledby="countries">
      <h3 id="countries">{t("viewers.byCountry")}</h3>
      {rows.length === 0 ? (
        <Empty
          title={t("viewers.noPlaces")}
          action={
            <a href={GEO_GUIDE} target="_blank" rel="noopener noreferrer">
              {t("viewers.geoFile")}
            </a>
          }
        >
          {t("viewers.noPlacesHelp")}
        </Empty>
      ) : (
        <>
          <ul class="bars">
            {rows.map(([country, count]) => (
              <li key={country}>
                <span>{country}</span>
                <meter min={0} max={known.length} value={count} aria-label={country} />
                <span class="tabular">{number(count)}</span>
              </li>
            ))}
          </ul>
          {known.length < viewers.length && <p class="quiet">{plural("viewers.unknownPlaces", viewers.length - known.length)}</p>}
        </>
      )}
    </section>
  );
}

function nameOf(viewer: Viewer): string {
  return inWords(playerName(viewer.userAgent)) || t("viewers.unknownPlayer");
}

function countryOf({ geo }: Viewer): string {
  if (!geo?.countryCode) return "";
  try {
    return new Intl.DisplayNames(language, { type: "region" }).of(geo.countryCode) ?? geo.countryCode;
  } catch {
    // The file of places is the owner's, and may hold what is no country.
    return geo.countryCode;
  }
}

function placeOf(viewer: Viewer): string {
  return [countryOf(viewer), viewer.geo?.regionName].filter(Boolean).join(", ");
}
