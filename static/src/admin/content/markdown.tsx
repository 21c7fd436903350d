// A field for Markdown, and beside it what the page will show of it: made by the server, as for the page itself. On a
// narrow screen one of both is seen, by tabs.
import { useState } from "preact/hooks";
import { post } from "../../api/client";
import { TextField } from "../../kit/field";
import { Loaded, useResource } from "../../kit/resource";
import { useDebounced } from "../../kit/use-debounced";
import { SafeHtml } from "../../viewer/safe-html";
import { Tabs } from "../../viewer/tabs";
import { t } from "../../words";

const STILL_MS = 400;

interface Props {
  /** Its own among the fields of a page. */
  name: string;
  label: string;
  help: string;
  /** What stands in the preview of nothing. */
  empty: string;
  rows: number;
  value: string;
  onChange: (value: string) => void;
  error?: string;
}

export function MarkdownField({ name, empty, ...field }: Props) {
  const [chosen, setChosen] = useState(`${name}-write`);
  return (
    <div class="markdown" data-shown={chosen.endsWith("-preview") ? "preview" : "write"}>
      <Tabs
        label={field.label}
        tabs={[
          { name: `${name}-write`, label: t("page.write") },
          { name: `${name}-preview`, label: t("page.preview") },
        ]}
        chosen={chosen}
        onChoose={setChosen}
      />
      <div class="markdown-write" id={`panel-${name}-write`}>
        <TextField {...field} />
      </div>
      <section class="markdown-preview" id={`panel-${name}-preview`} aria-label={`${t("page.preview")}: ${field.label}`} tabIndex={0}>
        <h2 class="markdown-title">{t("page.preview")}</h2>
        <Preview source={field.value} empty={empty} />
      </section>
    </div>
  );
}

function Preview({ source, empty }: { source: string; empty: string }) {
  const settled = useDebounced(source, STILL_MS);
  // What is there stays until the next is: the preview must not flicker with every word.
  const [last, setLast] = useState("");
  const preview = useResource(async () => {
    const html = settled.trim() ? (await post("/api/admin/config/pagecontent/preview", { value: settled })).html : "";
    setLast(html);
    return html;
  }, [settled]);
  const shown = (html: string) => (html ? <SafeHtml class="prose" html={html} /> : <p class="quiet">{empty}</p>);
  return preview.state === "loading" && last ? shown(last) : <Loaded resource={preview}>{shown}</Loaded>;
}
