// Logo and favicon: what they are, how they would look, and the way back to those that come with the server.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ask } from "../../api/client";
import { bytes } from "../../format";
import { Button } from "../../kit/button";
import { Confirm } from "../../kit/dialog";
import { dataUrl, Drop } from "../../kit/drop";
import { complain, tell } from "../../kit/toast";
import { t } from "../../words";
import { useGuard } from "../router";
import { hasOwnLogo } from "./own-logo";
import "../../styles/admin-content.css";

const LOGO = { path: "/api/admin/config/logo", bytes: 5_000_000, side: 4_096, accept: "image/png,image/gif,image/webp,image/jpeg" };
const ICON = { path: "/api/admin/config/favicon", bytes: 200_000, side: 512, accept: "image/png,image/x-icon,.ico" };
const ICON_LINK = "link[rel=icon]";

export default function Pictures() {
  return (
    <>
      <Logo />
      <Favicon />
    </>
  );
}

function Logo() {
  const [version, setVersion] = useState(0);
  const [own, setOwn] = useState(false);
  useEffect(() => {
    hasOwnLogo().then(setOwn, () => setOwn(false));
  }, [version]);
  return (
    <Picture
      title={t("pictures.logo")}
      help={t("pictures.logoHelp")}
      limits={t("pictures.logoLimits", { size: bytes(LOGO.bytes), side: LOGO.side })}
      shown={`/logo?${version}`}
      sizes={[128, 48]}
      accept={LOGO.accept}
      own={own}
      onSend={async (file) => {
        await ask("POST", LOGO.path, { value: await dataUrl(file) });
        setVersion(Date.now());
      }}
      onReset={async () => {
        await ask("DELETE", LOGO.path);
        setVersion(Date.now());
      }}
    />
  );
}

function Favicon() {
  const [address, setAddress] = useState(() => document.querySelector(ICON_LINK)?.getAttribute("href") ?? "/favicon.svg");
  const own = address.startsWith("/favicon.ico");

  // The tab of this page shows it, too.
  function show(changed: string) {
    setAddress(changed);
    document.querySelector(ICON_LINK)?.setAttribute("href", changed);
  }

  return (
    <Picture
      title={t("pictures.icon")}
      help={t("pictures.iconHelp")}
      limits={t("pictures.iconLimits", { size: bytes(ICON.bytes), side: ICON.side })}
      shown={address}
      sizes={[48, 16]}
      accept={ICON.accept}
      own={own}
      onSend={async (file) => {
        const form = new FormData();
        form.append("favicon", file);
        await ask("POST", ICON.path, form);
        show(`/favicon.ico?${Date.now()}`);
      }}
      onReset={async () => {
        await ask("DELETE", ICON.path);
        show("/favicon.svg");
      }}
    />
  );
}

interface Props {
  title: string;
  help: string;
  limits: string;
  /** Where the present one is. */
  shown: string;
  /** In which sizes it is seen here, in pixels. */
  sizes: readonly number[];
  accept: string;
  /** It is the owner's own, so there is a way back. */
  own: boolean;
  onSend: (file: File) => Promise<void>;
  onReset: () => Promise<void>;
}

function Picture({ title, help, limits, shown, sizes, accept, own, onSend, onReset }: Props) {
  const [waiting, setWaiting] = useState<{ file: File; address: string } | null>(null);
  const [problem, setProblem] = useState("");
  const [resetting, setResetting] = useState(false);
  useGuard(waiting !== null);
  useEffect(() => (waiting ? () => URL.revokeObjectURL(waiting.address) : undefined), [waiting]);

  async function send(file: File) {
    try {
      await onSend(file);
      setWaiting(null);
      tell(t("admin.saved"));
    } catch (error) {
      setProblem((error as Error).message);
    }
  }

  return (
    <section class="section" aria-label={title}>
      <h2>{title}</h2>
      <p class="lead">{help}</p>
      <div class="pictures">
        <Shown label={t("pictures.now")} source={shown} sizes={sizes}>
          {own && <Button onClick={() => setResetting(true)}>{t("pictures.reset")}</Button>}
        </Shown>
        {waiting && (
          <Shown label={waiting.file.name} source={waiting.address} sizes={sizes}>
            <div class="buttons">
              <Button kind="primary" onClick={() => send(waiting.file)}>
                {t("pictures.use")}
              </Button>
              <Button onClick={() => setWaiting(null)}>{t("admin.discard")}</Button>
            </div>
          </Shown>
        )}
      </div>
      {problem && (
        <p class="field-error" role="alert">
          {problem}
        </p>
      )}
      <Drop
        label={t("pictures.choose")}
        accept={accept}
        onFiles={([file]) => {
          setProblem("");
          if (file) setWaiting({ file, address: URL.createObjectURL(file) });
        }}
      >
        {t("pictures.drop")} {limits}
      </Drop>
      {resetting && (
        <Confirm title={t("pictures.resetTitle", { picture: title })} verb={t("pictures.reset")} onClose={() => setResetting(false)} onConfirm={() => onReset().then(() => tell(t("admin.saved")), complain)}>
          <p>{t("pictures.resetHelp")}</p>
        </Confirm>
      )}
    </section>
  );
}

function Shown({ label, source, sizes, children }: { label: string; source: string; sizes: readonly number[]; children?: ComponentChildren }) {
  return (
    <figure class="card picture">
      <figcaption class="picture-label">{label}</figcaption>
      <div class="picture-sizes">
        {sizes.map((size) => (
          <img key={size} src={source} alt="" width={size} height={size} />
        ))}
      </div>
      {children}
    </figure>
  );
}
