// A subscription to a topic: how what is published there gets to whom.
import { useState } from "preact/hooks";
import { get, post } from "../../api/client";
import { SelectField, Switch, TextField } from "../../kit/field";
import { t } from "../../words";
import { FormDialog, Problem } from "../form-dialog";
import { Copyable } from "../../kit/copy";
import { Dialog } from "../../kit/dialog";
import { Button } from "../../kit/button";
import type { Topic } from "./deliveries";
import { nameOf } from "./events";
import { SecretDialog } from "./subscription-tools";

const WAYS = ["webhook", "email", "discord", "pull"] as const;
type Way = (typeof WAYS)[number];

interface Props {
  topic: Topic;
  onMade: () => Promise<void>;
  onClose: () => void;
}

export function Subscribe({ topic, onMade, onClose }: Props) {
  const [way, setWay] = useState<Way>("webhook");
  const [url, setUrl] = useState("");
  const [token, setToken] = useState("");
  const [format, setFormat] = useState<"event" | "cloudevents">("event");
  const [ordered, setOrdered] = useState(false);
  const [email, setEmail] = useState("");
  const [message, setMessage] = useState("");
  const [made, setMade] = useState<{ id: string; secret: string } | null>(null);

  async function make() {
    const subscriber = (await get("/notifications"))._links["apiture:subscriber"] ?? { href: "" };
    const view = await post("/notifications/subscriptions", {
      deliveryMethod: way === "pull" ? "pull" : "push",
      deliveryChannel: way,
      state: null,
      endpoint: way === "webhook" ? { recipientUrl: url.trim(), token: token.trim() } : way === "discord" ? { recipientUrl: url.trim(), token: "" } : null,
      subscriberContent: { webhook: { format }, email: { email: email.trim() }, discord: { message: message.trim() }, pull: null }[way],
      ordered,
      _links: { "apiture:topic": { href: topic._id }, "apiture:subscriber": { href: subscriber.href } },
    });
    setMade({ id: view._id, secret: view.endpoint?.signingSecret ?? "" });
    await onMade();
  }

  if (made && (made.secret || way === "pull")) {
    return made.secret ? (
      <SecretDialog title={t("subscribe.made")} secret={made.secret} onClose={onClose} />
    ) : (
      <Pull id={made.id} onClose={onClose} />
    );
  }
  const ready = { webhook: url.trim() !== "" && token.trim() !== "", email: email.trim() !== "", discord: url.trim() !== "", pull: true }[way];
  return (
    <FormDialog
      title={t("subscribe.title", { topic: nameOf(topic.name) })}
      verb={t("topics.subscribe")}
      ready={ready}
      onSave={make}
      onSaved={() => (way === "webhook" || way === "pull" ? undefined : onClose())}
      onClose={onClose}
    >
      {(problem) => (
        <>
          <SelectField label={t("subscribe.way")} help={t(`subscribe.help.${way}`)} value={way} options={WAYS.map((each) => [each, t(`channel.${each}`)] as const)} onChange={setWay} />
          {(way === "webhook" || way === "discord") && (
            <TextField
              label={t(way === "webhook" ? "webhooks.url" : "discord.webhook")}
              type="url"
              autocomplete="off"
              placeholder={way === "webhook" ? "https://example.org/hook" : "https://discord.com/api/webhooks/…"}
              value={url}
              onChange={setUrl}
            />
          )}
          {way === "webhook" && (
            <>
              <TextField label={t("subscribe.token")} help={t("subscribe.tokenHelp")} autocomplete="off" value={token} onChange={setToken} maxLength={4_096} />
              <SelectField
                label={t("subscribe.format")}
                value={format}
                options={[
                  ["event", t("subscribe.format.event")],
                  ["cloudevents", t("subscribe.format.cloudevents")],
                ]}
                onChange={setFormat}
              />
            </>
          )}
          {way === "email" && <TextField label={t("subscribe.email")} type="email" autocomplete="off" value={email} onChange={setEmail} maxLength={254} />}
          {way === "discord" && <TextField label={t("discord.message")} value={message} onChange={setMessage} maxLength={1_000} />}
          {way !== "pull" && <Switch label={t("webhooks.ordered")} help={t("webhooks.orderedHelp")} checked={ordered} onChange={setOrdered} />}
          {problem && <Problem>{problem}</Problem>}
        </>
      )}
    </FormDialog>
  );
}

/** Where a program asks for what came. */
function Pull({ id, onClose }: { id: string; onClose: () => void }) {
  const address = `${location.origin}/notifications/pullNotifications?subscription=${id}&wait=30`;
  return (
    <Dialog
      title={t("subscribe.made")}
      onClose={onClose}
      actions={
        <Button kind="primary" onClick={onClose}>
          {t("close")}
        </Button>
      }
    >
      <p>{t("subscribe.pullHelp")}</p>
      <Copyable label={t("subscribe.pullAddress")} value={address} />
    </Dialog>
  );
}
