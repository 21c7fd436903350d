// Requests to the API, typed by the description that the server generates from its code. A refusal is an ApiError with
// the server's own sentence.
import { t } from "../words";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

const REQUEST_TIMEOUT_MS = 30_000;
const CSRF_HEADER = "X-CSRF-Token";

export class ApiError extends Error {
  constructor(
    message: string,
    /** HTTP's status; 0 when no answer came. */
    readonly status: number,
  ) {
    super(message);
  }
}

type Well<Responses> = Responses extends { "2XX": infer One } | { 200: infer One } | { 201: infer One } | { 202: infer One } ? One : never;
type Answer<Operation> = Operation extends { responses: infer Responses } ? (Well<Responses> extends { content: { "application/json": infer Body } } ? Body : unknown) : unknown;
type Body<Operation> = Operation extends { requestBody?: { content: { "application/json": infer Given } } } ? Given : undefined;

export type GetPath = { [Path in keyof paths]: paths[Path] extends { get: object } ? Path : never }[keyof paths];
export type PostPath = { [Path in keyof paths]: paths[Path] extends { post: object } ? Path : never }[keyof paths];
export type Got<Path extends GetPath> = paths[Path] extends { get: infer Operation } ? Answer<Operation> : never;
export type Posted<Path extends PostPath> = paths[Path] extends { post: infer Operation } ? Answer<Operation> : never;
export type Given<Path extends PostPath> = paths[Path] extends { post: infer Operation } ? Body<Operation> : never;

let csrfToken = "";

/** The token that goes along with every change from now on. */
export function useCsrfToken(token: string): void {
  csrfToken = token;
}

let signedOut = (): void => undefined;

/** `then` is called when the session is over by which something was asked, for whatever reason. */
export function whenSignedOut(then: () => void): void {
  signedOut = then;
}

/** Asks for a document; `query` is what follows the question mark. Throws ApiError. */
export async function get<Path extends GetPath>(path: Path, query: Readonly<Record<string, string | number>> = {}): Promise<Got<Path>> {
  const search = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)])).toString();
  return (await ask("GET", search ? `${path}?${search}` : path)) as Got<Path>;
}

/** Changes something. Throws ApiError. */
export async function post<Path extends PostPath>(path: Path, body: Given<Path>): Promise<Posted<Path>> {
  return (await ask("POST", path, body)) as Posted<Path>;
}

/** Any method and body, for what the two above are too narrow for. Throws ApiError. */
export async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  const plain = body instanceof Blob || body instanceof FormData;
  const headers = { ...(csrfToken && method !== "GET" && { [CSRF_HEADER]: csrfToken }), ...(body !== undefined && !plain && { "Content-Type": "application/json" }) };
  const session = csrfToken;
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers,
      cache: "no-store",
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      ...(body !== undefined && { body: plain ? body : JSON.stringify(body) }),
    });
  } catch {
    throw new ApiError(t("noAnswer"), 0);
  }
  const document: unknown = answer.headers.get("Content-Type")?.startsWith("application/json") ? await answer.json().catch(() => null) : null;
  if (answer.ok) return document;
  // What was asked before somebody signed in again says nothing of the new session.
  if (answer.status === 401 && session && session === csrfToken) signedOut();
  throw new ApiError(sentenceOf(document) ?? t("noAnswer"), answer.status);
}

/** The API of notifications tells it in an `_error`. */
function sentenceOf(document: unknown): string | null {
  const { message, _error } = Object(document) as Readonly<Record<string, unknown>>;
  if (_error) return sentenceOf(_error);
  return typeof message === "string" && message ? message : null;
}
