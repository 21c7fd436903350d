// What can be done with whatever is delivered to: send it a test, give it a new secret, have it delivered again.
import { useState } from "preact/hooks";
import { Button } from "../../kit/button";
import { Copyable } from "../../kit/copy";
import { Dialog } from "../../kit/dialog";
import { SelectField } from "../../kit/field";
import { tell } from "../../kit/toast";
import { plural, t } from "../../words";
import { FormDialog, Problem } from "../form-dialog";
import { again, type Tested } from "./deliveries";
import { Said } from "./delivery-list";

/** What came of a test. */
export function TestDialog({ tested, onClose }: { tested: Tested; onClose: () => void }) {
  const { status, error, milliseconds } = tested;
  return (
    <Dialog title={t("test.title")} onClose={onClose} actions={<Button onClick={onClose}>{t("close")}</Button>}>
      <div class="notice" data-kind={error ? "bad" : "well"}>
        <p>{t(error ? "test.failed" : "test.arrived")}</p>
      </div>
      <p class="quiet">{status === null ? t("test.noAnswer", { ms: milliseconds }) : t("test.answer", { status: String(status), ms: milliseconds })}</p>
      <Said attempt={tested} />
    </Dialog>
  );
}

/** A secret, this once. */
export function SecretDialog({ title, secret, renewed = false, onClose }: { title: string; secret: string; renewed?: boolean; onClose: () => void }) {
  return (
    <Dialog
      title={title}
      onClose={onClose}
      actions={
        <Button kind="primary" onClick={onClose}>
          {t("secret.done")}
        </Button>
      }
    >
      <p>{t("secret.once")}</p>
      <Copyable label={t("secret")} value={secret} />
      {renewed && <p>{t("secret.former")}</p>}
    </Dialog>
  );
}

const SPANS = { hour: 3_600_000, day: 86_400_000, week: 604_800_000, all: Number.POSITIVE_INFINITY } as const;
type Span = keyof typeof SPANS;

interface AgainProps {
  /** Whose; null for everybody's. */
  subscriptions: readonly string[] | null;
  onDone: () => void;
  onClose: () => void;
}

/** Has what was given up delivered again, of some time or all. */
export function AgainDialog({ subscriptions, onDone, onClose }: AgainProps) {
  const [span, setSpan] = useState<Span>("day");

  async function send() {
    const since = span === "all" ? {} : { since: new Date(Date.now() - SPANS[span]).toISOString() };
    let queued = 0;
    if (subscriptions) for (const subscription of subscriptions) queued += await again({ subscription, ...since });
    else queued = await again({ all: "true", ...since });
    tell(queued ? plural("deliveries.queued", queued) : t("deliveries.noneQueued"));
    onDone();
  }

  return (
    <FormDialog title={t("deliveries.again")} verb={t("delivery.again")} onSave={send} onClose={onClose}>
      {(problem) => (
        <>
          <SelectField
            label={t("deliveries.since")}
            help={t("deliveries.againHelp")}
            value={span}
            options={(Object.keys(SPANS) as Span[]).map((each) => [each, t(`deliveries.since.${each}`)] as const)}
            onChange={setSpan}
          />
          {problem && <Problem>{problem}</Problem>}
        </>
      )}
    </FormDialog>
  );
}
