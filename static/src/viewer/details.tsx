// What is to say about the stream below the video: its title; then summary, tags, links and the about page.
import type { ComponentChildren } from "preact";
import { Icon } from "../kit/icon";
import { t } from "../words";
import type { Config, SocialLink } from "./documents";
import { Picture } from "./picture";
import { SafeHtml } from "./safe-html";

export function TitleRow({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="title-row">
      <h1 title={title}>{title}</h1>
      {children}
    </div>
  );
}

export function ShareButton({ onShare }: { onShare: () => void }) {
  return (
    <button type="button" class="button" aria-haspopup="dialog" onClick={onShare}>
      <Icon name="share" />
      {t("share")}
    </button>
  );
}

interface AboutProps {
  config: Config | null;
  online: boolean;
  /** What stands elsewhere on a large screen. */
  children: ComponentChildren;
}

export function About({ config, online, children }: AboutProps) {
  if (!config) return null;
  const { name, summary, tags, links, about, offlineMessage } = config;
  return (
    <div class="about">
      {!online && offlineMessage && <SafeHtml html={offlineMessage} class="prose offline-message" under={1} />}
      {children}
      {tags.length > 0 && (
        <ul class="tags" aria-label={t("page.tags")}>
          {tags.map((tag, at) => (
            <li key={at}>{tag}</li>
          ))}
        </ul>
      )}
      {(summary || about) && <h2>{t("page.about", { name })}</h2>}
      {summary && <p class="summary">{summary}</p>}
      {links.length > 0 && (
        <ul class="links" aria-label={t("page.links")}>
          {links.map((link, at) => (
            <li key={at}>
              <Social link={link} />
            </li>
          ))}
        </ul>
      )}
      {about && <SafeHtml html={about} class="prose" />}
    </div>
  );
}

function Social({ link: { url, icon } }: { link: SocialLink }) {
  const words = url.replace(/^(https?:\/\/(www\.)?|\w+:)/, "").replace(/\/$/, "");
  return (
    <a class="link" href={url} target="_blank" rel="me noopener" title={url}>
      <Picture address={icon} />
      <span>{words}</span>
    </a>
  );
}
