// The dashboard: what is on, what needs the owner, and before the first show the way to it.
import { Loaded } from "../../kit/resource";
import { t } from "../../words";
import { FirstRun } from "./first-run";
import { Needs } from "./needs-list";
import { OnAir } from "./on-air";
import { RangeChooser, useRange } from "./range";
import { Tiles } from "./tiles";
import { ViewersChart } from "./viewers-chart";
import { useStatus } from "./watched";

export default function Dashboard() {
  const status = useStatus();
  const range = useRange("day");
  return (
    <Loaded resource={status}>
      {(found) => (
        <>
          <FirstRun status={found} />
          <Tiles status={found} />
          <div class="halves">
            <OnAir status={found} onChange={status.reload} />
            <section class="section" aria-labelledby="needs">
              <h2 id="needs">{t("needs")}</h2>
              <Needs status={found} />
            </section>
          </div>
          <section class="section" aria-labelledby="over-time">
            <header class="section-head">
              <h2 id="over-time">{t("viewers.overTime")}</h2>
              <RangeChooser range={range} spans={["hour", "day"]} />
            </header>
            <ViewersChart range={range} />
          </section>
        </>
      )}
    </Loaded>
  );
}
