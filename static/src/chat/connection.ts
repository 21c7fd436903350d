// The way to the chat: who I am here, the socket, the history, and coming back after a break. Tells its owner what
// happens as events of `state.ts`, in batches; owns timers and the socket, and ends them in `close`.
import { ApiError, ask } from "../api/client";
import { Backoff } from "../player/backoff";
import { batched } from "./batch";
import type { ChatEvent } from "./state";
import { readToken, register, writeToken } from "./token";
import { type Denial, readFrame, readHistory } from "./wire";

/** How long a break may last before the viewer reads of it. */
const PATIENCE_MS = 2_000;
/** After so long a silence the server is asked whether it is still there; networks go away without a word. */
const SILENCE_MS = 20_000;
const FULL_MS = 30_000;

export interface Connection {
  /** Sends one object; false when there is no connection to send it by. */
  send: (object: Readonly<Record<string, unknown>>) => boolean;
  /** Goes on as whoever this browser is signed in as now; as somebody new where that is who was signed out. */
  renew: () => void;
  close: () => void;
}

/** `host` is where the socket is, as a host or as an address; "" means where the page came from. */
export function connectTo(host: string, tell: (events: readonly ChatEvent[]) => void): Connection {
  let socket: WebSocket | null = null;
  let timer = 0;
  let patience = 0;
  let heard = 0;
  let asked = false;
  let closed = false;
  let registered = false;
  /** The token by which the server last let me in. */
  let known = "";
  const backoff = new Backoff();
  const add = batched<ChatEvent>((events) => !closed && tell(events));
  const watch = setInterval(check, SILENCE_MS);

  async function connect(): Promise<void> {
    clearTimeout(timer);
    try {
      let token = readToken();
      registered ||= token === null;
      token ??= await register();
      if (!closed) open(token);
    } catch (error) {
      // What is forbidden stays so: chat is off, or this address is banned.
      if (error instanceof ApiError && error.status === 403) add({ type: "denied", reason: "refused", text: error.message });
      else retry();
    }
  }

  function open(token: string): void {
    socket?.close();
    const opened = new WebSocket(new URL(`/ws?accessToken=${encodeURIComponent(token)}`, socketBase(host)));
    let accepted = false;
    let denied: Denial | "" = "";
    socket = opened;
    opened.onopen = () => {
      accepted = true;
      hear();
      void loadHistory();
    };
    opened.onmessage = ({ data }) => {
      if (socket !== opened) return;
      hear();
      for (const event of readFrame(String(data))) {
        if (event.type === "denied") {
          denied = event.reason === "unregistered" ? whyUnknown(token) : event.reason;
          if (denied) add({ ...event, reason: denied });
          continue;
        }
        if (event.type === "me") {
          known = token;
          backoff.reset();
          clearTimeout(patience);
          patience = 0;
          add({ type: "link", link: "open" });
        }
        add(event);
      }
    };
    opened.onclose = () => {
      if (closed || socket !== opened) return;
      socket = null;
      if (denied === "full") timer = window.setTimeout(connect, FULL_MS);
      else if (denied) add({ type: "link", link: "lost" });
      else if (accepted) retry();
      else void askWhy();
    };
  }

  /** Why the server does not know a token; "" where another one will do. */
  function whyUnknown(token: string): Denial | "" {
    // Another window of this browser has signed in meanwhile.
    if (readToken() !== token) return "";
    if (token === known) return "signedOut";
    if (registered) return "unregistered";
    // A token that the server does not know any more is replaced once; a second refusal is told.
    writeToken(null);
    return "";
  }

  function hear(): void {
    asked = false;
    heard = Date.now();
  }

  /** A browser does not say why a socket was refused; the same address asked for as a page does. */
  async function askWhy(): Promise<void> {
    const refusal: unknown = host ? null : await ask("GET", "/ws").catch((error: unknown) => error);
    if (refusal instanceof ApiError && refusal.status === 403) add({ type: "denied", reason: "address", text: "" });
    else retry();
  }

  function retry(): void {
    if (closed) return;
    patience ||= window.setTimeout(() => add({ type: "link", link: "lost" }), PATIENCE_MS);
    // Not all at once: after a restart of the server everybody comes back.
    timer = window.setTimeout(connect, backoff.next() * (0.5 + Math.random()));
  }

  /** The network is back. */
  function hurry(): void {
    if (socket === null && patience) void connect();
  }

  function check(): void {
    if (socket?.readyState !== WebSocket.OPEN || Date.now() - heard < SILENCE_MS) return;
    if (!asked) {
      asked = send({ type: "PING" });
      return;
    }
    // Closing waits for the other side, which is not there.
    const gone = socket;
    socket = null;
    gone.close();
    retry();
  }

  async function loadHistory(): Promise<void> {
    // Where there is none now, the socket brings what is said from now on, and the next connection what was before.
    add({ type: "history", messages: readHistory(await ask("GET", "/api/chat").catch(() => null)) });
  }

  function send(object: Readonly<Record<string, unknown>>): boolean {
    if (socket?.readyState !== WebSocket.OPEN) return false;
    socket.send(JSON.stringify(object));
    return true;
  }

  addEventListener("online", hurry);
  void connect();
  return {
    send,
    renew() {
      if (readToken() === known) writeToken(null);
      known = "";
      void connect();
    },
    close() {
      closed = true;
      clearTimeout(timer);
      clearTimeout(patience);
      clearInterval(watch);
      removeEventListener("online", hurry);
      socket?.close();
    },
  };
}

/** Asks for something, or does something, that only moderators may. Throws ApiError with the server's sentence. */
export async function askAsMe(method: "GET" | "POST", path: string, document?: unknown): Promise<unknown> {
  return ask(method, `${path}?accessToken=${encodeURIComponent(readToken() ?? "")}`, document);
}

function socketBase(host: string): string {
  if (/^wss?:\/\//.test(host)) return host;
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${host || location.host}`;
}
