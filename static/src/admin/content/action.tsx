// One button below the video: what stands on it, and what it opens.
import { useState } from "preact/hooks";
import type { Schemas } from "../../api/client";
import { SelectField, TextField } from "../../kit/field";
import { t } from "../../words";
import { FormDialog, Problem } from "../form-dialog";

export type Action = Schemas["ActionView"];

const NEW: Action = { title: "", description: "", url: "", html: "", icon: "", color: "", openExternally: true };
const KINDS = ["tab", "dialog", "html"] as const;
type Kind = (typeof KINDS)[number];

interface Props {
  /** The one that is changed; null for a new one. */
  action: Action | null;
  onSave: (action: Action) => Promise<void>;
  onClose: () => void;
}

export function ActionDialog({ action, onSave, onClose }: Props) {
  const before = action ?? NEW;
  const [edited, setEdited] = useState(before);
  const [kind, setKind] = useState<Kind>(before.html ? "html" : before.openExternally ? "tab" : "dialog");
  const set = (values: Partial<Action>) => setEdited((current) => ({ ...current, ...values }));
  const ready = edited.title.trim() !== "" && (kind === "html" ? edited.html : edited.url).trim() !== "";

  async function save() {
    const target = kind === "html" ? { url: "" } : { html: "" };
    await onSave({ ...edited, ...target, openExternally: kind === "tab" });
  }

  return (
    <FormDialog
      title={action?.title || t("links.addButton")}
      verb={t("save")}
      ready={ready}
      unsaved={JSON.stringify(edited) !== JSON.stringify(before)}
      onSave={save}
      onClose={onClose}
    >
      {(problem) => {
        // The sentence names its field, as in "externalactions.0.url cannot be …".
        const at = /(\w+)'? cannot be/.exec(problem)?.[1] ?? "";
        const of = (field: keyof Action) => (at === field ? problem : "");
        return (
          <>
            {problem && !(at in edited) && <Problem>{problem}</Problem>}
            <TextField label={t("action.title")} help={t("action.titleHelp")} value={edited.title} onChange={(title) => set({ title })} error={of("title")} />
            <TextField label={t("action.description")} help={t("action.descriptionHelp")} value={edited.description} onChange={(description) => set({ description })} error={of("description")} />
            <SelectField label={t("action.kind")} value={kind} onChange={setKind} options={KINDS.map((each) => [each, t(`action.kind.${each}`)] as const)} />
            {kind === "html" ? (
              <TextField label={t("action.html")} help={t("action.htmlHelp")} rows={5} code value={edited.html} onChange={(html) => set({ html })} error={of("html")} />
            ) : (
              <TextField label={t("action.url")} help={t(`action.urlHelp.${kind}`)} type="url" placeholder="https://example.org/shop" value={edited.url} onChange={(url) => set({ url })} error={of("url")} />
            )}
            <TextField label={t("action.icon")} help={t("action.iconHelp")} type="url" value={edited.icon} onChange={(icon) => set({ icon })} error={of("icon")} />
            <TextField label={t("action.color")} help={t("action.colorHelp")} code placeholder="#5552cf" value={edited.color} onChange={(color) => set({ color })} error={of("color")} />
          </>
        );
      }}
    </FormDialog>
  );
}
