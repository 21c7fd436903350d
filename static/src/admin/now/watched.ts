// What several pages of this group ask of the server, and how often.
import { get, type Schemas } from "../../api/client";
import { useResource, type Resource } from "../../kit/resource";

const STATUS_MS = 3_000;
export const MINUTE_MS = 60_000;

export type AdminStatus = Schemas["AdminStatus"];
export type Health = NonNullable<AdminStatus["health"]>;

/** The show as of now, and again every few seconds. */
export function useStatus(): Resource<AdminStatus> {
  return useResource(() => get("/api/admin/status"), [], { everyMs: STATUS_MS });
}
