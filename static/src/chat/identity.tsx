// Who I am in chat: a button with my name, and a dialog to change name and colour, which stays open until the server has
// taken both, and leads to where I am signed in.
import { useEffect, useId, useState } from "preact/hooks";
import { Button } from "../kit/button";
import { Dialog } from "../kit/dialog";
import { Icon } from "../kit/icon";
import { t } from "../words";
import { COLORS } from "./colors";
import { sentenceOf } from "./refusals";
import type { ChatState } from "./state";
import type { User } from "./wire";

const MAX_NAME = 30;

interface Props {
  me: User;
  /** Whether there is a connection. */
  linked: boolean;
  refusal: ChatState["refusal"];
  send: (object: Readonly<Record<string, unknown>>) => boolean;
  open: boolean;
  setOpen: (open: boolean) => void;
  /** Shows where I am signed in. */
  onAccount: () => void;
}

export function Identity({ me, linked, refusal, send, open, setOpen, onAccount }: Props) {
  return (
    <>
      <button type="button" class="chat-me" onClick={() => setOpen(true)} title={t("chat.changeMe")}>
        <span class="chat-name" data-color={me.color}>
          <bdi>{me.name}</bdi>
        </span>
        <span class="visually-hidden">{t("chat.changeMe")}</span>
      </button>
      {open && <ChangeMe me={me} linked={linked} refusal={refusal} send={send} onAccount={onAccount} onClose={() => setOpen(false)} />}
    </>
  );
}

function ChangeMe({ me, linked, refusal, send, onAccount, onClose }: Omit<Props, "open" | "setOpen"> & { onClose: () => void }) {
  const id = useId();
  const [name, setName] = useState(me.name);
  const [color, setColor] = useState(me.color);
  const [problem, setProblem] = useState("");
  const [asked, setAsked] = useState<{ name: string; color: number } | null>(null);

  useEffect(() => {
    if (asked && me.name === asked.name && me.color === asked.color) onClose();
  }, [asked, me]);

  useEffect(() => {
    if (!asked) return;
    setAsked(null);
    setProblem(sentenceOf(refusal));
  }, [refusal.count]);

  useEffect(() => {
    if (linked || !asked) return;
    setAsked(null);
    setProblem(t("chat.notChanged"));
  }, [linked]);

  function save() {
    const wanted = name.trim().replace(/\s+/g, " ");
    setProblem("");
    let gone = true;
    if (wanted && wanted !== me.name) gone = send({ type: "NAME_CHANGE", newName: wanted });
    if (color !== me.color) gone = send({ type: "COLOR_CHANGE", newColor: color }) && gone;
    if (!gone) setProblem(t("chat.notChanged"));
    else setAsked({ name: wanted || me.name, color });
  }

  return (
    <Dialog
      title={t("chat.changeMe")}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t("cancel")}</Button>
          <Button kind="primary" busy={asked !== null} onClick={save}>
            {t("save")}
          </Button>
        </>
      }
    >
      <form
        class="chat-form"
        onSubmit={(event) => {
          event.preventDefault();
          save();
        }}
      >
        <div class="field" data-bad={problem !== ""}>
          <label class="field-label" for={id}>
            {t("chat.name")}
          </label>
          <input
            id={id}
            class="input"
            value={name}
            maxLength={MAX_NAME}
            autocomplete="off"
            aria-invalid={problem !== ""}
            aria-describedby={`${id}-problem`}
            onInput={(event) => setName(event.currentTarget.value)}
          />
          <p class="field-error" id={`${id}-problem`} role="alert">
            {problem}
          </p>
        </div>
        <fieldset class="chat-colors">
          <legend class="field-label">{t("chat.color")}</legend>
          {COLORS.map((each) => (
            <label key={each} class="chat-color" data-color={each}>
              <input
                type="radio"
                name="chat-color"
                checked={each === color}
                aria-label={t("chat.colorNumber", { number: each + 1 })}
                onChange={() => setColor(each)}
              />
            </label>
          ))}
        </fieldset>
        <p class="chat-preview">
          <span class="chat-name" data-color={color}>
            <bdi>{name.trim() || me.name}</bdi>
          </span>{" "}
          {t("chat.preview")}
        </p>
      </form>
      <p>
        <Button
          onClick={() => {
            onClose();
            onAccount();
          }}
        >
          <Icon name="person" />
          {t("account")}
        </Button>
      </p>
    </Dialog>
  );
}
