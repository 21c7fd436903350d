// One link to the owner's page elsewhere: on which platform, and its address.
import { useState } from "preact/hooks";
import type { Schemas } from "../../api/client";
import { SelectField, TextField } from "../../kit/field";
import { t } from "../../words";
import { FormDialog } from "../form-dialog";

export type Handle = Schemas["SocialHandleView"];

const OTHER = "other";

interface Props {
  /** The one that is changed; null for a new one. */
  handle: Handle | null;
  platforms: Record<string, Schemas["PlatformView"]>;
  onSave: (handle: Handle) => Promise<void>;
  onClose: () => void;
}

export function SocialDialog({ handle, platforms, onSave, onClose }: Props) {
  const known = handle ? handle.platform.toLowerCase() in platforms : true;
  const [platform, setPlatform] = useState(handle ? (known ? handle.platform.toLowerCase() : OTHER) : "mastodon");
  const [name, setName] = useState(known ? "" : (handle?.platform ?? ""));
  const [url, setUrl] = useState(handle?.url ?? "");
  const ready = url.trim() !== "" && (platform !== OTHER || name.trim() !== "");

  async function save() {
    await onSave({ platform: platform === OTHER ? name.trim() : platform, url: url.trim(), icon: "" });
  }

  return (
    <FormDialog
      title={t(handle ? "links.editLink" : "links.add")}
      verb={t("save")}
      ready={ready}
      unsaved={url !== (handle?.url ?? "")}
      onSave={save}
      onClose={onClose}
    >
      {(problem) => (
        <>
          <SelectField
            label={t("links.platform")}
            value={platform}
            onChange={setPlatform}
            options={[
              ...Object.entries(platforms)
                .map(([key, { platform: words }]) => [key, words] as const)
                .sort(([, one], [, other]) => one.localeCompare(other)),
              [OTHER, t("links.anotherPlatform")] as const,
            ]}
          />
          {platform === OTHER && <TextField label={t("links.platformName")} value={name} onChange={setName} error={ofName(problem) ? problem : ""} />}
          <TextField label={t("links.url")} help={t("links.urlHelp")} type="url" placeholder="https://example.org/@me" value={url} onChange={setUrl} error={ofName(problem) ? "" : problem} />
        </>
      )}
    </FormDialog>
  );
}

/** The server's sentence begins with the field that it is about. */
function ofName(problem: string): boolean {
  return /platform'? cannot/.test(problem);
}
