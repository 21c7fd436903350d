"""Posting: what is typed, through the rules, into the channel.

Owns the order of the rules and what a message consists of. The rules themselves are `limits`, `spam` and `rendering`;
order, durability and delivery are `realtime`'s. When a method here returns, the message is kept and on its way to
everybody, its author included.
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from owncast_py.accounts.model import Scope, User
from owncast_py.broadcast.session import Status
from owncast_py.chat import content, rendering, spam
from owncast_py.chat.content import Name, Quote
from owncast_py.chat.errors import MessageRefused
from owncast_py.chat.limits import MessageLimits
from owncast_py.realtime.channels import Channels
from owncast_py.realtime.messages import CHAT, Draft, Message
from owncast_py.schedule.model import ScheduledEvent
from owncast_py.setting_groups import ChatSettings, InstanceSettings, ScheduleSettings
from owncast_py.settings import Settings

QUOTE_LENGTH = 100
"""Characters of a message that are shown above its answer."""


class Posting:
    """Puts messages into chat."""

    def __init__(
        self,
        channels: Channels,
        settings: Settings,
        emoji: Callable[[], Mapping[str, str]],
        status: Callable[[], Status],
        next_event: Callable[[], ScheduledEvent | None],
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """`emoji` gives addresses by name, `now` is aware UTC, `monotonic` counts seconds."""
        self._channels = channels
        self._settings = settings
        self._emoji = emoji
        self._status = status
        self._next_event = next_event
        self._now = now
        self._limits = MessageLimits(monotonic)
        self._repeats = spam.Repeats(monotonic)
        self.accepted = 0
        """Messages that the rules let through since the start."""
        self.refused = 0

    async def message(self, user: User, body: str, reply_to: str | None = None, *, name: str | None = None) -> Message:
        """A chat message of that user, kept and on its way. Raises as `draft` does, or StorageError."""
        (message,) = await self._channels.publish(CHAT, await self.draft(user, body, reply_to, name=name))
        return message

    async def submit(self, user: User, body: str, reply_to: str | None = None) -> asyncio.Future[list[Message]]:
        """As `message`, for a socket that reads on: the future says whether it was kept. Raises as `draft` does."""
        return self._channels.submit(CHAT, await self.draft(user, body, reply_to))

    async def draft(self, user: User, body: str, reply_to: str | None = None, *, name: str | None = None) -> Draft:
        """What the user wrote, through the rules; `name` shows another name than theirs, for bots that speak for many.

        Raises MessageRefused, in the order in which a person would want to know: whether anybody may write now, whether
        this one may, whether they wrote too much too fast, and what is wrong with the words.
        """
        try:
            draft = await self._judge(user, body, reply_to, name=name)
        except MessageRefused:
            self.refused += 1
            raise
        self.accepted += 1
        return draft

    async def _judge(self, user: User, body: str, reply_to: str | None, *, name: str | None) -> Draft:
        settings = self._settings.get(ChatSettings)
        free = user.may_moderate or user.is_bot
        self._check_standing(user, settings, free=free)
        source = rendering.normalize(body)
        if not free:
            self._check_flood(user, settings)
            self._check_words(user, source, settings)
        shown = content.user_content(user)
        if name is not None:
            shown = {**shown, "displayName": name, "previousNames": [name]}
        document: dict[str, object] = {
            "body": rendering.render(source, self._emoji()),
            "rawBody": source,
            "user": shown,
        }
        if reply_to:
            document["inReplyTo"] = await self._quote(reply_to)
        if not free:
            # The last, so that only a message that is taken costs its writer the turn.
            self._check_slow_mode(user, settings)
        return content.kept(Name.MESSAGE, document, client_id=user.id, text=source)

    async def system(self, body: str) -> Message:
        """A message in the server's own name."""
        document = self.system_content(body)
        (message,) = await self._channels.publish(
            CHAT, content.kept(Name.SYSTEM, document, text=str(document["rawBody"]))
        )
        return message

    def system_content(self, body: str) -> dict[str, object]:
        """What a message in the server's own name consists of. Raises MessageRefused for an empty or too long one."""
        source = rendering.normalize(body)
        return {
            "body": rendering.render(source, self._emoji()),
            "rawBody": source,
            "user": {"displayName": self._settings.get(InstanceSettings).name},
        }

    def server_line(self, sentence: str) -> dict[str, object]:
        """A plain sentence in the server's own name, for one person alone."""
        return {
            "body": f"<p>{html.escape(sentence, quote=False)}</p>",
            "user": {"displayName": self._settings.get(InstanceSettings).name},
        }

    async def action(self, body: str, author: str | None = None) -> Message:
        """A line about something that happened."""
        source = rendering.normalize(body)
        document: dict[str, object] = {"body": rendering.render(source, self._emoji()), "rawBody": source}
        if author:
            document["author"] = author
        (message,) = await self._channels.publish(CHAT, content.kept(Name.ACTION, document, text=source))
        return message

    def closed_because(self) -> str | None:
        """Why nobody may write now, as a sentence; None when chat is open."""
        settings = self._settings.get(ChatSettings)
        if settings.disabled:
            return "Chat is switched off on this server."
        status, minutes = self._status(), settings.open_minutes_after_stream
        if status.online or minutes is None or status.last_disconnect_time is None:
            return None
        if self._now() - status.last_disconnect_time < timedelta(minutes=minutes) or self._event_is_near():
            return None
        return "The stream is over, and chat is closed until the next one."

    def _event_is_near(self) -> bool:
        """Whether a planned show begins so soon, or is on by plan, that chat is open for it."""
        schedule, event = self._settings.get(ScheduleSettings), self._next_event()
        if not schedule.enabled or not schedule.chat_open_minutes or event is None:
            return False
        return self._now() >= event.starts_at - timedelta(minutes=schedule.chat_open_minutes)

    def _check_standing(self, user: User, settings: ChatSettings, *, free: bool) -> None:
        if (closed := self.closed_because()) and not user.may_moderate:
            raise MessageRefused("CHAT_CLOSED", closed)
        if user.disabled_at is not None:
            raise MessageRefused("USER_DISABLED", "A moderator has removed you from this chat.")
        if user.is_bot and not user.has(Scope.SEND_MESSAGES):
            raise MessageRefused("SCOPE_MISSING", f"This access token lacks the scope {Scope.SEND_MESSAGES.value}.")
        if user.timed_out_until is not None and (left := (user.timed_out_until - self._now()).total_seconds()) > 0:
            raise MessageRefused("TIMED_OUT", f"A moderator has paused you for another {_seconds(left)}.", left)
        if settings.established_user_mode and not free and not user.authenticated:
            age = (self._now() - user.created_at).total_seconds()
            if (left := settings.established_after - age) > 0:
                raise MessageRefused(
                    "NOT_ESTABLISHED",
                    f"Only people who have been here for a while may write; you may in {_seconds(left)}.",
                    left,
                )

    def _check_flood(self, user: User, settings: ChatSettings) -> None:
        if settings.rate_limit:
            left = self._limits.flood(user.id, settings.rate_limit_messages, settings.rate_limit_seconds)
            if left > 0:
                raise MessageRefused("RATE_LIMITED", f"You write too fast; wait {_seconds(left)}.", left)

    def _check_slow_mode(self, user: User, settings: ChatSettings) -> None:
        if settings.slow_mode_seconds:
            left = self._limits.slow(user.id, settings.slow_mode_seconds)
            if left > 0:
                raise MessageRefused("SLOW_MODE", f"Slow mode is on; you may write again in {_seconds(left)}.", left)

    def _check_words(self, user: User, source: str, settings: ChatSettings) -> None:
        if settings.block_links and spam.has_link(source):
            raise MessageRefused("LINKS_BLOCKED", "Links are not allowed in this chat.")
        if settings.slur_filter and spam.has_slur(source):
            raise MessageRefused("SPAM", "Your message holds a word that is not allowed in this chat.")
        if settings.blocked_words and spam.has_blocked_word(source, settings.blocked_words):
            raise MessageRefused("SPAM", "Your message holds a word that is not allowed in this chat.")
        if settings.spam_filter and (why := spam.looks_like_spam(source) or self._repeats.check(user.id, source)):
            raise MessageRefused("SPAM", why)

    async def _quote(self, message_id: str) -> Quote:
        found = [message for message in await self._channels.find(CHAT, [message_id]) if message.visible]
        if not found or found[0].name != Name.MESSAGE:
            raise MessageRefused("NOT_FOUND", "The message that you answer is not there any more.")
        document = content.load(found[0])
        user = document.get("user")
        name = str(user.get("displayName", "")) if isinstance(user, dict) else ""
        return Quote(
            id=message_id, displayName=name, body=rendering.excerpt(str(document.get("body", "")), QUOTE_LENGTH)
        )


def _seconds(seconds: float) -> str:
    """A length of time for people."""
    whole = max(1, round(seconds))
    if whole < 120:
        return f"{whole} second{'s' if whole > 1 else ''}"
    minutes = round(whole / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"
