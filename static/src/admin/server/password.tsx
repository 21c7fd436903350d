// Password: another one for the admin. Whoever is signed in elsewhere is signed out by it.
import { useState } from "preact/hooks";
import { post } from "../../api/client";
import { Button } from "../../kit/button";
import { TextField } from "../../kit/field";
import { tell } from "../../kit/toast";
import { t } from "../../words";
import { useGuard } from "../router";
import { useServerConfig } from "../server-config";

const MIN_LENGTH = 8;

export default function Password() {
  const { config } = useServerConfig();
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  useGuard(password !== "");

  if (config.adminPasswordOverridden) return <p class="notice">{t("password.configured")}</p>;

  async function change() {
    setBusy(true);
    setProblem("");
    try {
      await post("/api/admin/config/adminpass", { value: password });
      setPassword("");
      setAgain("");
      tell(t("password.changed"));
    } catch (error) {
      setProblem((error as Error).message);
    }
    setBusy(false);
  }

  const differs = again !== "" && password !== again;
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        void change();
      }}
    >
      <p class="lead">{t("password.lead")}</p>
      {/* For password managers, which look for a name. */}
      <input class="visually-hidden" type="text" name="username" autocomplete="username" value="admin" readOnly tabIndex={-1} aria-hidden="true" />
      <TextField
        label={t("password.new")}
        help={t("password.newHelp")}
        type="password"
        autocomplete="new-password"
        value={password}
        onChange={setPassword}
        {...(problem && { error: problem })}
      />
      <TextField
        label={t("password.again")}
        type="password"
        autocomplete="new-password"
        value={again}
        onChange={setAgain}
        {...(differs && { error: t("password.differs") })}
      />
      <p>
        <Button kind="primary" type="submit" busy={busy} disabled={password.length < MIN_LENGTH || password !== again}>
          {t("password.change")}
        </Button>
      </p>
    </form>
  );
}
