// What stands around every page of the admin: the navigation, and above it whether the show is on.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, type Schemas } from "../api/client";
import { clock } from "../format";
import { Icon } from "../kit/icon";
import { Menu } from "../kit/menu";
import { Failure, Loading, type Resource, useResource } from "../kit/resource";
import { tasteItems } from "../kit/taste";
import { useNow } from "../kit/use-now";
import { plural, t } from "../words";
import { GROUPS, pageAt } from "./pages";
import { go, Link, usePath } from "./router";
import { useServerConfig } from "./server-config";
import { signOut } from "./session";

const STATUS_MS = 5_000;

export type AdminStatus = Schemas["AdminStatus"];

export function Shell() {
  const path = usePath();
  const page = pageAt(path);
  const [open, setOpen] = useState(false);
  const { config } = useServerConfig();
  const status = useResource(() => get("/api/admin/status"), [], { everyMs: STATUS_MS });
  const title = page ? t(page.title) : t("admin.notFound");

  useEffect(() => {
    document.title = `${title} · ${config.instanceDetails.title || t("admin")}`;
    setOpen(false);
    // Whoever hears the page hears where they are; whoever sees it sees it at its top.
    document.querySelector<HTMLElement>("main h1")?.focus({ preventScroll: true });
  }, [path, title, config.instanceDetails.title]);

  return (
    <div class="admin" data-nav={open}>
      <a class="skip" href="#content">
        {t("admin.skip")}
      </a>
      <nav class="nav" aria-label={t("admin.navigation")}>
        <p class="nav-name">{config.instanceDetails.title}</p>
        {GROUPS.map((group) => (
          <div key={group.title} class="nav-group">
            <p class="nav-title">{t(group.title)}</p>
            <ul>
              {group.pages.map((each) => (
                <li key={each.path}>
                  <Link to={each.path} class="nav-link" current={each.path === path}>
                    {t(each.title)}
                  </Link>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </nav>
      <div class="admin-body">
        <header class="bar">
          <button type="button" class="icon-button nav-toggle" aria-expanded={open} aria-label={t("admin.navigation")} onClick={() => setOpen(!open)}>
            <Icon name={open ? "close" : "menu"} />
          </button>
          <OnAir status={status} />
          <span class="gap" />
          <a class="button" data-kind="quiet" href="/" target="_blank" rel="noopener">
            {t("admin.viewSite")}
          </a>
          <Menu
            label={t("admin.you")}
            items={[
              ...tasteItems(),
              { label: t("admin.signOut"), onSelect: () => void signOut() },
            ]}
          >
            <Icon name="settings" />
          </Menu>
        </header>
        <main id="content" class="content">
          <h1 tabIndex={-1}>{title}</h1>
          {page ? <Page key={path} load={page.load} /> : <NotFound />}
        </main>
      </div>
    </div>
  );
}

function Page({ load }: { load: () => Promise<{ default: ComponentType }> }) {
  const [found, setFound] = useState<{ page: ComponentType } | { error: Error } | null>(null);
  const fetchPage = () => {
    setFound(null);
    load().then(
      (module) => setFound({ page: module.default }),
      () => setFound({ error: new Error(t("noAnswer")) }),
    );
  };
  useEffect(fetchPage, []);
  if (found === null) return <Loading />;
  if ("error" in found) return <Failure error={found.error} onRetry={fetchPage} />;
  return <found.page />;
}

function NotFound() {
  return (
    <p>
      {t("admin.notFoundHint")}{" "}
      <button type="button" class="button" onClick={() => go("/")}>
        {t("nav.dashboard")}
      </button>
    </p>
  );
}

function OnAir({ status }: { status: Resource<AdminStatus> }) {
  const now = useNow(true);
  if (status.state !== "ready") return null;
  const { online, viewerCount, broadcaster } = status.data;
  if (!online) return <span class="badge">{t("offline")}</span>;
  const since = broadcaster ? Date.parse(broadcaster.time) : null;
  return (
    <>
      <span class="badge" data-kind="live">
        {t("live")}
      </span>
      {since !== null && <span class="tabular">{clock((now - since) / 1_000)}</span>}
      <span>{plural("viewers", viewerCount)}</span>
    </>
  );
}
