// The log, as it is written: filtered, copied, and followed as long as its end is in view.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { get, type Schemas } from "../../api/client";
import { fullTime } from "../../format";
import { Button } from "../../kit/button";
import { SelectField, TextField } from "../../kit/field";
import { Empty, Loaded, useResource } from "../../kit/resource";
import { tell } from "../../kit/toast";
import { language, plural, t } from "../../words";
import { sawLogs } from "./logs-seen";

type LogLine = Schemas["LogView"];

const LOOK_MS = 3_000;
/** This near to its end the log is followed. */
const NEAR_PX = 24;
const LEVELS = ["all", "warnings", "errors"] as const;

type Level = (typeof LEVELS)[number];

export default function Logs() {
  const [level, setLevel] = useState<Level>("all");
  const [wanted, setWanted] = useState("");
  // Warnings are kept apart and for longer, so that chatter does not push them out.
  const lines = useResource(() => get(level === "all" ? "/api/admin/logs" : "/api/admin/logs/warnings"), [level === "all"], {
    everyMs: LOOK_MS,
  });
  return (
    <>
      <p class="lead">{t("logs.lead")}</p>
      <div class="log-tools">
        <SelectField label={t("logs.level")} value={level} options={LEVELS.map((each) => [each, t(`logs.${each}`)] as const)} onChange={setLevel} />
        <TextField label={t("logs.text")} type="search" value={wanted} onChange={setWanted} />
      </div>
      <Loaded resource={lines}>{(found) => <Log all={found} level={level} wanted={wanted} />}</Loaded>
    </>
  );
}

interface Shown extends LogLine {
  /** Stays the same for a line as long as it is kept. */
  key: string;
}

function Log({ all, level, wanted }: { all: readonly LogLine[]; level: Level; wanted: string }) {
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  /** The key of the last line when the reader left the end. */
  const [seen, setSeen] = useState<string | null>(null);
  const lines = useMemo(() => filtered(all, level, wanted), [all, level, wanted]);
  const place = lines.findIndex((line) => line.key === seen);
  const unseen = place < 0 ? 0 : lines.length - 1 - place;

  useEffect(() => sawLogs(Date.parse(all.at(-1)?.time ?? "") || 0), [all]);

  // Other lines than before are begun at their end again.
  useLayoutEffect(toEnd, [level, wanted]);

  useLayoutEffect(() => {
    if (follows.current) toEnd();
  }, [lines]);

  function toEnd() {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }

  function onScroll() {
    const shown = box.current;
    if (!shown) return;
    follows.current = shown.scrollHeight - shown.scrollTop - shown.clientHeight < NEAR_PX;
    setSeen(follows.current ? null : (before) => before ?? lines.at(-1)?.key ?? null);
  }

  async function copy() {
    const text = lines.map((line) => `${line.time} ${line.level} ${line.message}`).join("\n");
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Browsers give the clipboard to secure origins only; there the old way still works.
      if (box.current) getSelection()?.selectAllChildren(box.current);
      document.execCommand("copy");
    }
    tell(plural("logs.copied", lines.length));
  }

  if (lines.length === 0) {
    return <Empty title={t(wanted ? "logs.noMatch" : level === "all" ? "logs.none" : "logs.noWarnings")}>{t(wanted ? "logs.noMatchHelp" : "logs.noneHelp")}</Empty>;
  }
  return (
    <>
      <div class="log-frame">
        <div ref={box} class="log" role="log" aria-live="off" aria-label={t("nav.logs")} tabIndex={0} onScroll={onScroll}>
          {lines.map((line) => (
            <p key={line.key} class="log-line" data-level={line.level}>
              <time class="log-time" dateTime={line.time} title={fullTime(Date.parse(line.time))}>
                {clockTime(line.time)}
              </time>{" "}
              <span class="log-level">{line.level}</span> <span>{line.message}</span>
            </p>
          ))}
        </div>
        {unseen > 0 && (
          <button type="button" class="button log-new" onClick={toEnd}>
            {plural("logs.new", unseen)}
          </button>
        )}
      </div>
      <p class="buttons">
        <Button onClick={copy}>{t("logs.copy")}</Button>
        <span class="quiet log-count">{plural("logs.count", lines.length)}</span>
      </p>
    </>
  );
}

function filtered(all: readonly LogLine[], level: Level, wanted: string): Shown[] {
  const words = wanted.trim().toLowerCase();
  const times = new Map<string, number>();
  return all
    .map((line) => {
      const text = `${line.time} ${line.message}`;
      const before = times.get(text) ?? 0;
      times.set(text, before + 1);
      return { ...line, key: `${text} ${before}` };
    })
    .filter((line) => (level !== "errors" || line.level === "error" || line.level === "critical") && line.message.toLowerCase().includes(words));
}

function clockTime(time: string): string {
  const moment = new Date(time);
  const today = moment.toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(language, { ...(!today && { dateStyle: "short" }), timeStyle: "medium" }).format(moment);
}
