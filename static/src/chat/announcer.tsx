// Says to screen readers what is new: one message by its words, many by their number, and never more often than can be
// listened to.
import { useEffect, useRef, useState } from "preact/hooks";
import { plural } from "../words";
import { wordsOf } from "./plain";
import type { ChatState } from "./state";
import type { ChatMessage } from "./wire";

/** What comes within this time is said together. */
const TOGETHER_MS = 1_000;
/** After a number was said there is silence for so long. */
const BUSY_MS = 10_000;
const SAID_IN_WORDS = 2;
const MAX_LENGTH = 200;

export function Announcer({ state }: { state: ChatState }) {
  const [said, setSaid] = useState("");
  const timer = useRef(0);
  const latest = useRef(state);
  latest.current = state;
  /** The last message that was said, or that was there before anything was. */
  const last = useRef<string | null>(null);
  const newest = newestOf(state)?.id ?? null;

  useEffect(() => {
    if (last.current === null && state.loaded) last.current = newest ?? "";
    if (last.current === null || newest === null || newest === last.current || timer.current) return;
    timer.current = window.setTimeout(speak, TOGETHER_MS);
  }, [newest, state.loaded]);

  useEffect(() => () => clearTimeout(timer.current), []);

  function speak() {
    timer.current = 0;
    const found = messagesAfter(latest.current, last.current ?? "");
    last.current = newestOf(latest.current)?.id ?? "";
    if (found.length === 0) return;
    if (found.length <= SAID_IN_WORDS) {
      setSaid(found.map(({ user, body }) => `${user.name}: ${wordsOf(body).slice(0, MAX_LENGTH)}`).join("\n"));
      return;
    }
    setSaid(plural("chat.said", found.length));
    timer.current = window.setTimeout(speak, BUSY_MS);
  }

  return (
    <p class="visually-hidden" aria-live="polite">
      {said}
    </p>
  );
}

function newestOf({ entries }: ChatState): ChatMessage | undefined {
  return entries.findLast((entry) => entry.kind === "message");
}

/** Those of others after that one, as far as they are still there and may be seen. */
function messagesAfter({ entries, me }: ChatState, id: string): ChatMessage[] {
  const from = entries.findLastIndex((entry) => entry.id === id);
  return entries
    .slice(from + 1)
    .filter((entry) => entry.kind === "message")
    .filter((entry) => entry.visible && entry.user.id !== me?.id);
}
