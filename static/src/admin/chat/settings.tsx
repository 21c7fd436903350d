// The rules of chat: who may write, how fast, what is refused, and how long it stays. In groups of what an owner is after.
import type { ComponentChildren } from "preact";
import { NumberField, SelectField, Switch, TextField, WordsField } from "../../kit/field";
import { language, t, type Key } from "../../words";
import { SettingsForm, useForm, useSwitch } from "../form";
import { useServerConfig } from "../server-config";

const SECONDS_A_MINUTE = 60;
const MINUTES: ReadonlyArray<readonly [unit: string, size: number]> = [
  ["day", 1_440],
  ["hour", 60],
  ["minute", 1],
];
const HOURS: ReadonlyArray<readonly [unit: string, size: number]> = [
  ["year", 8_766],
  ["day", 24],
  ["hour", 1],
];
/** In place of a number: there is no end. */
const ALWAYS = "always";

export default function ChatSettings() {
  const { config } = useServerConfig();
  const { chat } = config;
  const disabled = useSwitch(config.chatDisabled, "chat/disable");
  const joins = useSwitch(config.chatJoinMessagesEnabled, "chat/joinmessagesenabled");
  const established = useSwitch(config.chatEstablishedUserMode, "chat/establishedusermode");
  const pace = useSwitch(config.chatSpamProtectionEnabled, "chat/spamprotectionenabled");
  const slurs = useSwitch(config.chatSlurFilterEnabled, "chat/slurfilterenabled");
  const spam = useSwitch(chat.spamFilterEnabled, "chat/spamfilterenabled");
  const links = useSwitch(chat.blockLinks, "chat/blocklinks");
  const form = useForm(
    {
      welcome: config.instanceDetails.welcomeMessage,
      open: endOf(chat.openMinutesAfterStream),
      suggested: config.suggestedUsernames,
      slow: chat.slowModeSeconds,
      messages: chat.rateLimitMessages,
      seconds: chat.rateLimitSeconds,
      established: Math.round(chat.establishedAfter / SECONDS_A_MINUTE),
      blocked: chat.blockedWords,
      forbidden: config.forbiddenUsernames,
      retention: endOf(chat.retentionHours),
    },
    {
      welcome: "welcomemessage",
      open: "chat/openminutesafterstream",
      suggested: "chat/suggestedusernames",
      slow: "chat/slowmodeseconds",
      messages: "chat/ratelimitmessages",
      seconds: "chat/ratelimitseconds",
      established: "chat/establishedafter",
      blocked: "chat/blockedwords",
      forbidden: "chat/forbiddenusernames",
      retention: "chat/retentionhours",
    },
    { established: (minutes) => minutes * SECONDS_A_MINUTE, open: numberOf, retention: numberOf },
  );
  return (
    <SettingsForm form={form}>
      <Part title="rules.talk">
        <Switch label={t("rules.off")} help={t("rules.offHelp")} {...disabled} />
        <SelectField
          label={t("rules.open")}
          help={t("rules.openHelp")}
          options={times([0, 5, 15, 60, 1_440], chat.openMinutesAfterStream, MINUTES, "rules.openNot", "rules.openAlways")}
          {...form.field("open")}
        />
        <TextField label={t("rules.welcome")} help={t("rules.welcomeHelp")} rows={3} {...form.field("welcome")} />
        <Switch label={t("rules.joins")} help={t("rules.joinsHelp")} {...joins} />
        <WordsField label={t("rules.suggested")} help={t("rules.suggestedHelp")} {...form.field("suggested")} />
      </Part>
      <Part title="rules.calm">
        <NumberField label={t("rules.slow")} help={t("rules.slowHelp")} unit={t("unit.seconds")} min={0} {...form.field("slow")} />
        <Switch label={t("rules.pace")} help={t("rules.paceHelp")} {...pace} />
        <NumberField label={t("rules.messages")} help={t("rules.messagesHelp")} min={1} {...form.field("messages")} />
        <NumberField label={t("rules.seconds")} unit={t("unit.seconds")} min={0} {...form.field("seconds")} />
      </Part>
      <Part title="rules.words">
        <Switch label={t("rules.spam")} help={t("rules.spamHelp")} {...spam} />
        <Switch label={t("rules.slurs")} help={t("rules.slursHelp")} {...slurs} />
        <Switch label={t("rules.links")} help={t("rules.linksHelp")} {...links} />
        <WordsField label={t("rules.blocked")} help={t("rules.blockedHelp")} {...form.field("blocked")} />
      </Part>
      <Part title="rules.names">
        <Switch label={t("rules.established")} help={t("rules.establishedHelp")} {...established} />
        <NumberField label={t("rules.age")} help={t("rules.ageHelp")} unit={t("unit.minutes")} min={0} {...form.field("established")} />
        <WordsField label={t("rules.forbidden")} help={t("rules.forbiddenHelp")} {...form.field("forbidden")} />
      </Part>
      <Part title="rules.keep">
        <SelectField
          label={t("rules.retention")}
          help={t("rules.retentionHelp")}
          options={times([1, 6, 24, 168, 720, 8_766], chat.retentionHours, HOURS, "rules.openNot", "rules.retentionAlways")}
          {...form.field("retention")}
        />
      </Part>
    </SettingsForm>
  );
}

function Part({ title, children }: { title: Key; children: ComponentChildren }) {
  return (
    <section class="section" aria-label={t(title)}>
      <h2>{t(title)}</h2>
      {children}
    </section>
  );
}

function endOf(value: number | null): string {
  return value === null ? ALWAYS : String(value);
}

function numberOf(value: string): number | null {
  return value === ALWAYS ? null : Number(value);
}

/** Spans to choose from, the one that is set among them, each in the largest unit that it is whole in. */
function times(usual: readonly number[], set: number | null, units: typeof MINUTES, none: Key, always: Key): ReadonlyArray<readonly [string, string]> {
  const spans = set === null || usual.includes(set) ? usual : [...usual, set].sort((one, other) => one - other);
  const named = spans.map((span) => {
    const [unit, size] = units.find(([, each]) => span % each === 0) ?? ["minute", 1];
    return [String(span), span === 0 ? t(none) : new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(span / size)] as const;
  });
  return [...named, [ALWAYS, t(always)]];
}
