// Where a message is written. The words stay until they have come back from the server; what it refuses is said beside
// them, with a countdown in the button where waiting helps.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { clock } from "../format";
import { Icon } from "../kit/icon";
import { useNow } from "../kit/use-now";
import { number, plural, t } from "../words";
import { EmojiButton } from "./emoji-button";
import { wordsOf } from "./plain";
import { sentenceOf } from "./refusals";
import type { ChatState } from "./state";
import { useSuggestions } from "./suggestions";
import type { ChatMessage } from "./wire";

const MAX_BYTES = 2048;
const COUNT_FROM = 0.8 * MAX_BYTES;
const GROWS_BY_ITSELF = typeof CSS !== "undefined" && CSS.supports("field-sizing", "content");

interface Props {
  state: ChatState;
  slowModeSeconds: number;
  replyTo: ChatMessage | null;
  onReplyDone: () => void;
  /** False when there is no connection. */
  send: (object: Readonly<Record<string, unknown>>) => boolean;
  /** Whether refusals are for somebody else now. */
  busy: boolean;
}

export function Composer({ state, slowModeSeconds, replyTo, onReplyDone, send, busy }: Props) {
  const [words, setWords] = useState("");
  const [problem, setProblem] = useState("");
  const [until, setUntil] = useState(0);
  const [sent, setSent] = useState<string | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  useNow(until > 0);
  const wait = Math.max(0, Math.ceil((until - Date.now()) / 1000));
  const bytes = new TextEncoder().encode(words.trim()).length;
  const ready = state.link === "open" && words.trim() !== "" && bytes <= MAX_BYTES && wait === 0 && sent === null;
  const suggestions = useSuggestions({ people: state.people, me: state.me, write });

  useEffect(() => {
    if (sent === null) return;
    // What was typed while they were on their way is the beginning of the next message.
    if (words.startsWith(sent)) setWords(words.slice(sent.length).trimStart());
    if (slowModeSeconds > 0 && !state.me?.moderator) setUntil(Date.now() + slowModeSeconds * 1000);
    setSent(null);
    setProblem("");
    onReplyDone();
  }, [state.accepted]);

  useEffect(() => {
    const { count, retryAfter } = state.refusal;
    if (count === 0 || busy) return;
    setSent(null);
    // That it is closed is said above.
    setProblem(state.refusal.code === "CHAT_CLOSED" ? "" : sentenceOf(state.refusal));
    if (retryAfter > 0) setUntil(Date.now() + retryAfter * 1000);
  }, [state.refusal.count]);

  useEffect(() => {
    if (until > 0 && wait === 0) {
      setUntil(0);
      setProblem("");
    }
  }, [wait, until]);

  useEffect(() => {
    if (state.link !== "open") setSent(null);
  }, [state.link]);

  useEffect(() => {
    if (replyTo) field.current?.focus();
  }, [replyTo]);

  useLayoutEffect(() => {
    const element = field.current;
    if (GROWS_BY_ITSELF || !element) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight + 2}px`;
  }, [words]);

  /** Puts words into the field as if they were typed, and the caret at a place. */
  function write(next: string, caret: number) {
    const element = field.current;
    if (!element) return;
    element.value = next;
    element.setSelectionRange(caret, caret);
    element.focus();
    setWords(next);
  }

  function insert(text: string) {
    const element = field.current;
    const [from, to] = element ? [element.selectionStart, element.selectionEnd] : [words.length, words.length];
    const glue = from > 0 && !/\s$/.test(words.slice(0, from)) ? " " : "";
    const next = words.slice(0, from) + glue + text + words.slice(to);
    setWords(next);
    if (!element) return;
    element.value = next;
    element.selectionStart = element.selectionEnd = from + glue.length + text.length;
  }

  function submit() {
    if (!ready) return;
    suggestions.close();
    if (send({ type: "CHAT", body: words, ...(replyTo && { inReplyTo: replyTo.id }) })) {
      setProblem("");
      setSent(words);
    } else setProblem(t("chat.notConnected"));
  }

  return (
    <form
      class="chat-composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {replyTo && (
        <p class="chat-replying">
          <b>{t("chat.replyingTo", { name: replyTo.user.name })}</b>
          <span class="quiet" dir="auto">
            {wordsOf(replyTo.body)}
          </span>
          <button type="button" class="chat-tool" aria-label={t("chat.noReply")} title={t("chat.noReply")} onClick={onReplyDone}>
            <Icon name="close" />
          </button>
        </p>
      )}
      {problem && (
        <p class="chat-problem" role="alert">
          {problem}
        </p>
      )}
      <div class="chat-field">
        {suggestions.list}
        <div class="chat-input">
          <textarea
            ref={field}
            rows={1}
            value={words}
            {...(words && { dir: "auto" as const })}
            placeholder={t("chat.message")}
            aria-label={t("chat.message")}
            aria-autocomplete="list"
            aria-haspopup="listbox"
            enterkeyhint="send"
            {...suggestions.ties}
            onInput={({ currentTarget }) => {
              setWords(currentTarget.value);
              suggestions.look(currentTarget.value, currentTarget.selectionStart);
            }}
            onBlur={suggestions.close}
            onKeyDown={(event) => {
              if (suggestions.onKey(event)) return;
              if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
                event.preventDefault();
                submit();
              } else if (event.key === "Escape" && replyTo) {
                event.stopPropagation();
                onReplyDone();
              }
            }}
          />
          <EmojiButton insert={insert} />
        </div>
        <button type="submit" class="chat-send" disabled={!ready} {...(wait === 0 && { "aria-label": t("chat.send"), title: t("chat.send") })}>
          {wait > 99 ? clock(wait) : wait > 0 ? `${wait} s` : <Icon name="send" />}
        </button>
      </div>
      {bytes > COUNT_FROM && (
        <p class="chat-count" data-over={bytes > MAX_BYTES} role="status">
          {bytes > MAX_BYTES ? plural("chat.tooLong", bytes - MAX_BYTES) : t("chat.bytesLeft", { count: number(MAX_BYTES - bytes) })}
        </p>
      )}
    </form>
  );
}
