// The way to the chat: who I am here, the socket, the history, and coming back after a break. Tells its owner what
// happens as events of `state.ts`; owns timers and the socket, and ends them in `close`.
import { Backoff } from "../player/backoff";
import type { ChatEvent } from "./state";
import { readFrame, readHistory } from "./wire";

const TOKEN_KEY = "chat.token";
const REQUEST_TIMEOUT_MS = 10_000;
/** How long a break may last before the viewer reads of it. */
const PATIENCE_MS = 2_000;

export class Connection {
  private socket: WebSocket | null = null;
  private timer = 0;
  private patience = 0;
  private closed = false;
  private registered = false;
  private readonly backoff = new Backoff();

  /** `host` is where the socket is, as a host or as an address; "" means where the page came from. */
  constructor(
    private readonly tell: (event: ChatEvent) => void,
    private readonly host: string,
  ) {
    void this.connect();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    clearTimeout(this.patience);
    this.socket?.close();
  }

  /** Sends one object; false when there is no connection to send it by. */
  send(object: Record<string, unknown>): boolean {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(object));
    return true;
  }

  /** Something only a moderator may do. Throws with the server's sentence. */
  async act(path: string, document: unknown): Promise<void> {
    await post(`${path}?accessToken=${encodeURIComponent(readToken() ?? "")}`, document);
  }

  private async connect(): Promise<void> {
    try {
      const token = readToken() ?? (await this.register());
      if (this.closed) return;
      this.open(token);
    } catch {
      this.retry();
    }
  }

  private async register(): Promise<string> {
    const answer = await post("/api/chat/register", {});
    const token = typeof answer.accessToken === "string" ? answer.accessToken : "";
    if (!token) throw new Error("The registration was answered without a token.");
    writeToken(token);
    this.registered = true;
    return token;
  }

  private open(token: string): void {
    const address = new URL(`/ws?accessToken=${encodeURIComponent(token)}`, socketBase(this.host));
    const socket = new WebSocket(address);
    this.socket = socket;
    let denied = false;
    socket.onopen = () => void this.loadHistory();
    socket.onmessage = ({ data }) => {
      for (const event of readFrame(String(data))) {
        if (event.type === "denied") {
          // A token that the server does not know any more is replaced once; a second refusal is told.
          if (event.reason === "unregistered" && !this.registered) {
            writeToken(null);
            continue;
          }
          denied = true;
        }
        if (event.type === "me") {
          this.backoff.reset();
          clearTimeout(this.patience);
          this.patience = 0;
          this.tell({ type: "link", link: "open" });
        }
        this.tell(event);
      }
    };
    socket.onclose = () => {
      if (this.closed) return;
      this.socket = null;
      if (!denied) this.retry();
      else this.tell({ type: "link", link: "lost" });
    };
  }

  private retry(): void {
    if (this.closed) return;
    this.patience ||= window.setTimeout(() => this.tell({ type: "link", link: "lost" }), PATIENCE_MS);
    this.timer = window.setTimeout(() => void this.connect(), this.backoff.next());
  }

  private async loadHistory(): Promise<void> {
    try {
      const answer = await fetch("/api/chat", { cache: "no-cache", signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
      if (answer.ok && !this.closed) this.tell({ type: "history", messages: readHistory(await answer.json()) });
    } catch {
      // The socket brings what is said from now on; what was said before comes with the next connection.
    }
  }
}

function socketBase(host: string): string {
  if (/^wss?:\/\//.test(host)) return host;
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${host || location.host}`;
}

async function post(path: string, document: unknown): Promise<Record<string, unknown>> {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(document),
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  const found = (await answer.json()) as Record<string, unknown>;
  if (!answer.ok) throw new Error(typeof found.message === "string" ? found.message : `${path} answered ${answer.status}.`);
  return found;
}

// Storage can be forbidden; then everybody is new on every visit.
let remembered: string | null = null;

function readToken(): string | null {
  try {
    return localStorage.getItem(TOKEN_KEY) ?? remembered;
  } catch {
    return remembered;
  }
}

function writeToken(token: string | null): void {
  remembered = token;
  try {
    if (token === null) localStorage.removeItem(TOKEN_KEY);
    else localStorage.setItem(TOKEN_KEY, token);
  } catch {
    // kept in memory
  }
}
