// The whole configuration, asked for once and shared by every page of the admin that shows a part of it.
import { createContext } from "preact";
import type { ComponentChildren } from "preact";
import { useContext } from "preact/hooks";
import { get, type Schemas } from "../api/client";
import { Loaded, useResource } from "../kit/resource";

export type ServerConfig = Schemas["ServerConfig"];

interface Shared {
  config: ServerConfig;
  reload: () => Promise<void>;
}

const Context = createContext<Shared | null>(null);

/** Shows `children` once the configuration is there. */
export function WithServerConfig({ children }: { children: ComponentChildren }) {
  const resource = useResource(() => get("/api/admin/serverconfig"), []);
  return (
    <Loaded resource={resource}>
      {(config) => <Context.Provider value={{ config, reload: resource.reload }}>{children}</Context.Provider>}
    </Loaded>
  );
}

export function useServerConfig(): Shared {
  const shared = useContext(Context);
  if (!shared) throw new Error("useServerConfig is used outside WithServerConfig.");
  return shared;
}
