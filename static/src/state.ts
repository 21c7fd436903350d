// What the server put into the page: the first state, and the words of the reader's language. Read once.

export interface InitialState {
  /** The documents of `/api/status` and `/api/config` as of the moment the page was made. */
  status?: Record<string, unknown>;
  config?: Record<string, unknown>;
  language: string;
  languages: readonly string[];
  words: Readonly<Record<string, string>>;
  /** In the admin: what changes are sent with; empty for whoever is not signed in. */
  csrfToken?: string;
}

const NOTHING: InitialState = { language: "en", languages: ["en"], words: {} };

function read(): InitialState {
  const text = typeof document === "undefined" ? null : document.getElementById("state")?.textContent;
  return text ? { ...NOTHING, ...(JSON.parse(text) as Partial<InitialState>) } : NOTHING;
}

export const initial = read();
