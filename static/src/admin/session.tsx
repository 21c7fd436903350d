// Who is signed in: the session's token, and the form that makes one.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ask, post, useCsrfToken, whenSignedOut } from "../api/client";
import { Button } from "../kit/button";
import { TextField } from "../kit/field";
import { initial } from "../state";
import { t } from "../words";

/** Shows `children` to the owner, and a form to everybody else, also to an owner whose session ended elsewhere. */
export function WithSession({ children }: { children: ComponentChildren }) {
  const [token, setToken] = useState(initial.csrfToken ?? "");
  const [ended, setEnded] = useState(false);
  useCsrfToken(token);
  whenSignedOut(() => {
    setEnded(true);
    setToken("");
  });
  return token ? <>{children}</> : <SignIn note={ended ? t("admin.signedOut") : ""} onDone={setToken} />;
}

/** Ends the session and shows the form again. */
export async function signOut(): Promise<void> {
  await ask("DELETE", "/api/admin/session");
  leave();
}

/** Shows the form after the session has ended. */
export function leave(): void {
  location.reload();
}

function SignIn({ note, onDone }: { note: string; onDone: (token: string) => void }) {
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const name = typeof initial.config?.name === "string" ? initial.config.name : "";

  async function submit() {
    setBusy(true);
    setProblem("");
    try {
      onDone((await post("/api/admin/session", { password })).csrfToken);
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
    }
  }

  return (
    <main class="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <img class="sign-in-logo" src="/logo" alt="" />
        <h1>{t("admin.signInTo", { name })}</h1>
        {note && (
          <p class="notice" role="status">
            {note}
          </p>
        )}
        {/* For password managers, which look for a name. */}
        <input class="visually-hidden" type="text" name="username" autocomplete="username" value="admin" readOnly tabIndex={-1} aria-hidden="true" />
        <TextField
          label={t("admin.password")}
          type="password"
          autocomplete="current-password"
          value={password}
          onChange={setPassword}
          error={problem}
          help={t("admin.passwordHelp")}
        />
        <Button kind="primary" type="submit" busy={busy} disabled={!password}>
          {t("admin.signIn")}
        </Button>
      </form>
    </main>
  );
}
