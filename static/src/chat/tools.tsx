// What can be done with a message: answer it, and for moderators what keeps a chat in order. Drawn in the row that the
// reader points at, and nowhere else.
import { useLayoutEffect, useRef } from "preact/hooks";
import { timeOfDay } from "../format";
import { Icon, type IconName } from "../kit/icon";
import { type Key, t } from "../words";
import type { ChatMessage, User } from "./wire";

export interface Acts {
  reply(message: ChatMessage): void;
  show(message: ChatMessage, visible: boolean): void;
  pin(message: ChatMessage): void;
  timeOut(user: User): void;
  ban(user: User): void;
  card(user: User): void;
}

interface Props {
  message: ChatMessage;
  me: User | null;
  acts: Acts;
}

export function Tools({ message, me, acts }: Props) {
  const { user, visible } = message;
  const name = user.name;
  const others = user.id !== me?.id && !user.moderator;
  const tool = (icon: IconName, key: Key, onClick: () => void) => (
    <button type="button" class="chat-tool" aria-label={t(key, { name })} title={t(key, { name })} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
  const root = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const top = root.current?.closest("[role=log]")?.getBoundingClientRect().top ?? 0;
    if (root.current && root.current.getBoundingClientRect().top < top) root.current.dataset.below = "";
  }, []);
  return (
    <div ref={root} class="chat-tools" role="group" aria-label={t("chat.tools", { name })}>
      <time>{timeOfDay(message.at)}</time>
      {visible && tool("reply", "chat.reply", () => acts.reply(message))}
      {me?.moderator && (
        <>
          {visible
            ? tool("hide", "chat.hide", () => acts.show(message, false))
            : tool("show", "chat.unhide", () => acts.show(message, true))}
          {visible && tool("pin", "chat.pin", () => acts.pin(message))}
          {others && tool("clock", "chat.timeOut", () => acts.timeOut(user))}
          {others && tool("ban", "chat.ban", () => acts.ban(user))}
          {tool("person", "chat.card", () => acts.card(user))}
        </>
      )}
    </div>
  );
}
