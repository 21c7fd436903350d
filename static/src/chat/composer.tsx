// Where a message is written. The words stay until they have come back from the server; what it refuses is said beside
// them, with a countdown in the button where waiting helps.
import { useEffect, useRef, useState } from "preact/hooks";
import { useNow } from "../use-status";
import type { ChatState } from "./state";
import type { ChatMessage } from "./wire";

const MAX_BYTES = 2048;
const COUNT_FROM = 0.8 * MAX_BYTES;

interface Props {
  state: ChatState;
  replyTo: ChatMessage | null;
  onReplyDone: () => void;
  send: (body: string, replyTo: string | null) => boolean;
}

export function Composer({ state, replyTo, onReplyDone, send }: Props) {
  const [words, setWords] = useState("");
  const [problem, setProblem] = useState("");
  const [until, setUntil] = useState(0);
  const sent = useRef<string | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const now = useNow(until > 0);
  const wait = Math.ceil((until - now) / 1000);
  const bytes = new TextEncoder().encode(words).length;
  const ready = state.link === "open" && words.trim() !== "" && bytes <= MAX_BYTES && !(until > now);

  useEffect(() => {
    if (sent.current !== null && words === sent.current) setWords("");
    sent.current = null;
    setProblem("");
    onReplyDone();
  }, [state.accepted]);

  useEffect(() => {
    const { text, retryAfter, count } = state.refusal;
    if (count === 0) return;
    sent.current = null;
    setProblem(text);
    if (retryAfter > 0) setUntil(Date.now() + retryAfter * 1000);
  }, [state.refusal.count]);

  useEffect(() => {
    if (until > 0 && now >= until) {
      setUntil(0);
      setProblem("");
    }
  }, [now, until]);

  useEffect(() => {
    if (replyTo) field.current?.focus();
  }, [replyTo]);

  function submit() {
    if (!ready) return;
    setProblem("");
    if (send(words, replyTo?.id ?? null)) sent.current = words;
    else setProblem("Not connected; your message is still here.");
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
          <span>Reply to {replyTo.user.name}</span>
          <button type="button" onClick={onReplyDone} aria-label="Do not reply">
            ×
          </button>
        </p>
      )}
      {problem && (
        <p class="chat-problem" role="alert">
          {problem}
        </p>
      )}
      <div class="chat-field">
        <textarea
          ref={field}
          rows={Math.min(4, words.split("\n").length)}
          value={words}
          placeholder="Message"
          aria-label="Message"
          onInput={(event) => setWords(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
              event.preventDefault();
              submit();
            }
          }}
        />
        <button type="submit" class="chat-send" disabled={!ready}>
          {until > now ? `${wait} s` : "Send"}
        </button>
      </div>
      {bytes > COUNT_FROM && (
        <p class="chat-count" data-over={bytes > MAX_BYTES}>
          {MAX_BYTES - bytes} left
        </p>
      )}
    </form>
  );
}
