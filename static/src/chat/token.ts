// The token by which the server knows who I am in chat: kept by the browser, made by registering.
import { ask } from "../api/client";

const TOKEN_KEY = "chat.token";

// Storage can be forbidden; then everybody is new on every visit.
let remembered: string | null = null;

export function readToken(): string | null {
  try {
    return localStorage.getItem(TOKEN_KEY) ?? remembered;
  } catch {
    return remembered;
  }
}

export function writeToken(token: string | null): void {
  remembered = token;
  try {
    if (token === null) localStorage.removeItem(TOKEN_KEY);
    else localStorage.setItem(TOKEN_KEY, token);
  } catch {
    // kept in memory
  }
}

/** Makes me somebody new. Throws ApiError. */
export async function register(): Promise<string> {
  const answer = (await ask("POST", "/api/chat/register", {})) as Record<string, unknown> | null;
  const token = answer?.accessToken;
  if (typeof token !== "string" || !token) throw new Error("The registration was answered without a token.");
  writeToken(token);
  return token;
}
