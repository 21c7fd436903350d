// A form in a dialog: something that is made or changed in one step. Owns the sending, by its button or by Enter, and
// what the server says against it; the fields are its caller's.
import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { Button } from "../kit/button";
import { Dialog } from "../kit/dialog";
import { t } from "../words";
import { useGuard } from "./router";

interface Props {
  title: string;
  /** On the button that sends it. */
  verb: string;
  danger?: boolean;
  /** Whether there is enough to send. */
  ready?: boolean;
  /** Whether something would be lost with the dialog. */
  unsaved?: boolean;
  /** Beside the buttons. */
  note?: string;
  /** Sends it. What it throws is shown. */
  onSave: () => Promise<unknown>;
  /** After it was sent; closes the dialog unless said otherwise. */
  onSaved?: () => void;
  onClose: () => void;
  /** The fields, which are told the server's sentence. */
  children: (problem: string) => ComponentChildren;
}

export function FormDialog({ title, verb, danger = false, ready = true, unsaved = false, note, onSave, onClose, onSaved = onClose, children }: Props) {
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const id = useId();
  useGuard(unsaved);

  async function send() {
    if (!ready || busy) return;
    setBusy(true);
    setProblem("");
    try {
      await onSave();
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
      return;
    }
    onSaved();
  }

  return (
    <Dialog
      title={title}
      onClose={onClose}
      actions={
        <>
          {note && (
            <>
              <span class="quiet">{note}</span>
              <span class="gap" />
            </>
          )}
          <Button onClick={onClose}>{t("cancel")}</Button>
          <Button kind={danger ? "danger" : "primary"} type="submit" form={id} disabled={!ready} busy={busy}>
            {verb}
          </Button>
        </>
      }
    >
      <form
        id={id}
        class="form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        {children(problem)}
      </form>
    </Dialog>
  );
}

/** The server's sentence where no field is known that it is about. */
export function Problem({ children }: { children: string }) {
  return (
    <p class="field-error" role="alert">
      {children}
    </p>
  );
}
