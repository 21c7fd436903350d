"""Chat as a whole: its parts put together, started and ended in order, and kept tidy.

Owns no rule. A dialect uses the parts by their names; what they share (accounts, channels, settings) is handed in by
the composition root, because it is not chat's alone.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from owncast_py.broadcast.session import Status
from owncast_py.chat.bans import Bans
from owncast_py.chat.connections import Connections
from owncast_py.chat.emoji import EmojiStore
from owncast_py.chat.errors import ConnectionRefused
from owncast_py.chat.moderation import Moderation
from owncast_py.chat.people import People
from owncast_py.chat.posting import Posting
from owncast_py.errors import OwncastError
from owncast_py.events import SettingChanged, TokenRevoked
from owncast_py.foundations import Foundations
from owncast_py.realtime.messages import CHAT
from owncast_py.schedule.model import ScheduledEvent
from owncast_py.setting_groups import ChatSettings

TIDY_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Chat:
    """Every part of chat."""

    def __init__(
        self,
        foundations: Foundations,
        emoji: Path,
        status: Callable[[], Status],
        next_event: Callable[[], ScheduledEvent | None],
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """`emoji` is the directory of custom emoji, `now` is aware UTC, `monotonic` counts seconds."""
        database, settings = foundations.database, foundations.settings
        self.accounts = accounts = foundations.accounts
        self.channels = channels = foundations.channels
        self.settings = settings
        self.now = now
        self.emoji = EmojiStore(emoji)
        self.bans = Bans(database, now)
        self.connections = Connections(accounts, channels, settings, monotonic)
        self.posting = Posting(channels, settings, lambda: self.emoji.urls, status, next_event, now, monotonic)
        self.people = People(accounts, channels, self.connections, settings, monotonic, random.SystemRandom())
        self.moderation = Moderation(
            database, accounts, channels, self.connections, self.bans, self.posting, settings, now
        )
        foundations.events.subscribe(TokenRevoked, self._on_token_revoked)
        foundations.events.subscribe(SettingChanged, self._on_setting_changed)
        self._tidying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Reads bans and emoji, and begins to announce and to tidy."""
        await self.emoji.start()
        await self.bans.start()
        await self.connections.start()
        self._tidying = asyncio.create_task(self._tidy_forever(), name="chat: tidy")

    async def aclose(self) -> None:
        """Ends what was begun."""
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.gather(self._tidying, return_exceptions=True)
        await self.connections.aclose()

    async def tidy(self) -> None:
        """Deletes messages that are older than wanted."""
        hours = self.settings.get(ChatSettings).retention_hours
        if hours is not None:
            await self.channels.prune(CHAT, self.now() - timedelta(hours=hours))

    async def _tidy_forever(self) -> None:
        while True:
            try:
                await self.tidy()
            except OwncastError as error:
                log.warning("chat was not tidied", reason=str(error))
            await asyncio.sleep(TIDY_SECONDS)

    def _on_token_revoked(self, event: TokenRevoked) -> None:
        mine = [found for found in self.connections.of(event.user_id) if found.device_id == event.device_id]
        self.connections.hang_up(mine, ConnectionRefused.NEEDS_REGISTRATION)

    def _on_setting_changed(self, event: SettingChanged) -> None:
        if isinstance(event.after, ChatSettings) and event.after.disabled:
            self.connections.hang_up(self.connections.all, ConnectionRefused.DISABLED)
