"""Owncast's chat → messages of the channel `chat`, and its banned addresses.

Owns what a row of `messages` means. Each gets the serial of its time, so the old history stands before everything that
is written here. Owncast keeps what it has rendered; that is cleaned anew, as everything that is shown. A message that
Owncast has hidden is one that was removed right after it came, and can be shown again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.accounts.model import User
from owncast_py.chat import content, rendering
from owncast_py.chat.bans import MAX_BANS, MAX_NOTE_LENGTH, MIN_PREFIX, parse_network
from owncast_py.chat.content import Name
from owncast_py.chat.errors import ChatRefused
from owncast_py.importing.people import Work, batches
from owncast_py.importing.source import Row, moment, text
from owncast_py.realtime.messages import CHAT, EPOCH, Action, Message, serial_at
from owncast_py.storage import channel_messages, moderation
from owncast_py.storage import importing as repository
from owncast_py.storage.moderation import Ban

MESSAGE = ("id", "user_id", "body", "eventType", "hidden_at", "timestamp")
MAX_BODY = 64 * 1024
"""Characters of a message as Owncast rendered it. What people type is at most 2 kB."""
MAX_MESSAGE_ID = 100
LAST = 999_999
"""The greatest count of a serial."""
KINDS = {"CHAT": Name.MESSAGE, "SYSTEM": Name.SYSTEM, "CHAT_ACTION": Name.ACTION}
EARLIEST = datetime(2000, 1, 1, tzinfo=EPOCH.tzinfo)
# Emoji may lie in folders there; here they lie beside each other.
_EMOJI_FOLDER = re.compile(r'(?<=src="/img/emoji/)[^"]*/(?=[^"/]*")')


@dataclass
class _Left:
    """Why messages were left, and how many."""

    strangers: int = 0
    federation: int = 0
    unusable: int = 0


@dataclass
class _Serials:
    """Gives places in the order: after those that are there, however many have the same time."""

    milliseconds: int = -1
    count: int = 0

    def next(self, milliseconds: int, there: str = "") -> str:
        """The serial after the last one and after `there`, at that time or as soon as possible after it."""
        if there > serial_at(max(self.milliseconds, 0), self.count):
            self.milliseconds, self.count = milliseconds, int(there.partition("-")[2])
        if milliseconds > self.milliseconds:
            self.milliseconds, self.count = milliseconds, 0
        elif self.count < LAST:
            self.count += 1
        else:
            self.milliseconds, self.count = self.milliseconds + 1, 0
        return serial_at(self.milliseconds, self.count)


@dataclass(frozen=True, slots=True)
class _Found:
    """A row that can be taken."""

    id: str
    user_id: str
    body: str
    name: Name
    at: datetime
    hidden_at: datetime | None = field(default=None)


async def take_messages(work: Work, server_name: str, kept: timedelta | None) -> None:
    """Messages in the order of their times. `kept` is how long chat keeps them; None for ever."""
    total, done, old = work.source.count("messages"), 0, 0
    left, serials = _Left(), _Serials()
    async for batch in batches(work.source.rows("messages", MESSAGE, order="timestamp")):
        found = {each.id: each for row in batch if (each := _read(row, work.now, left)) is not None}

        async def write(
            connection: AsyncConnection, found: dict[str, _Found] = found, start: _Serials = serials
        ) -> tuple[int, int, _Serials]:
            # It may be done again: it begins with what it was handed, and returns where it ended.
            places = replace(start)
            known = await repository.known_messages(connection, list(found))
            new = [each for each in found.values() if each.id not in known]
            there = await _there(connection, [_milliseconds(each.at) for each in new])
            writers = await repository.users_by_id(connection, list({each.user_id for each in new}))
            versions = [
                version
                for each in new
                if each.name is not Name.MESSAGE or each.user_id in writers
                for version in _versions(each, writers.get(each.user_id), server_name, places, there)
            ]
            if versions:
                await channel_messages.append(connection, versions)
            strangers = sum(each.name is Name.MESSAGE and each.user_id not in writers for each in new)
            return len(new) - strangers, strangers, places

        taken, strangers, serials = await work.database.write(write)
        left.strangers += strangers
        if kept is not None:
            old += sum(each.at < work.now - kept for each in found.values())
        work.report.count("messages", taken, len(found) - taken - strangers)
        done += len(batch)
        work.progress("messages", done, total)
    if left.strangers:
        work.report.leave(f"{left.strangers} messages: nobody knows any more who wrote them.")
    if left.federation:
        work.report.leave(f"{left.federation} lines of chat about the Fediverse: there is no federation here.")
    if left.unusable:
        work.report.leave(f"{left.unusable} messages: they have no time, no words, or no kind that is known here.")
    if old and kept is not None:
        hours = kept // timedelta(hours=1)
        work.report.note(
            f"{old} messages are older than the {hours} hours that chat keeps them, and will be deleted soon after the "
            "next start. To keep them, import with --keep-messages."
        )


async def take_bans(work: Work) -> None:
    """Banned addresses and networks."""
    wanted: dict[str, Ban] = {}
    lost = 0
    async for batch in batches(work.source.rows("ip_bans", ("ip_address", "notes", "created_at"))):
        for row in batch:
            try:
                network = parse_network(text(row[0], 100))
            except ChatRefused:
                network = None
            if network is None or network.prefixlen < MIN_PREFIX[network.version] or len(wanted) >= MAX_BANS:
                lost += 1
                continue
            at = min(moment(row[2]) or work.now, work.now)
            wanted.setdefault(str(network), Ban(str(network), text(row[1], MAX_NOTE_LENGTH), at))

    async def write(connection: AsyncConnection) -> int:
        known = {ban.network for ban in await moderation.bans(connection)}
        new = [ban for network, ban in wanted.items() if network not in known][: MAX_BANS - len(known)]
        for ban in new:
            await moderation.add_ban(connection, ban)
        return len(new)

    taken = await work.database.write(write)
    work.report.count("banned addresses", taken, len(wanted) - taken)
    if lost:
        work.report.leave(f"{lost} banned addresses: they are no addresses, too many, or half of the world.")


def _read(row: Row, now: datetime, left: _Left) -> _Found | None:
    message_id, kind, at = text(row[0]), text(row[3]), moment(row[5])
    if kind.startswith("FEDIVERSE"):
        left.federation += 1
        return None
    body, name = text(row[2]), KINDS.get(kind)
    # A message of the future would drag the clock of all later ones along.
    if name is None or at is None or not EARLIEST <= at <= now or not 1 <= len(message_id) <= MAX_MESSAGE_ID:
        left.unusable += 1
        return None
    body = rendering.cleaned(_EMOJI_FOLDER.sub("", body)) if len(body) <= MAX_BODY else ""
    if not body:
        left.unusable += 1
        return None
    hidden = (moment(row[4]) or at) if text(row[4]) else None
    return _Found(message_id, text(row[1], 200), body, name, at, hidden and min(max(hidden, at), now))


async def _there(connection: AsyncConnection, times: list[int]) -> dict[int, str]:
    """The greatest version of chat for each of those milliseconds that has any."""
    if not times or not await repository.greatest_version(
        connection, serial_at(min(times)), serial_at(max(times), LAST)
    ):
        return {}
    return {at: await repository.greatest_version(connection, serial_at(at), serial_at(at, LAST)) for at in set(times)}


def _versions(
    found: _Found, writer: User | None, server_name: str, serials: _Serials, there: dict[int, str]
) -> list[Message]:
    """A message, and its removal if it is hidden."""
    words = rendering.plain_text(found.body)
    document: dict[str, object] = {"body": found.body, "rawBody": words}
    if found.name is Name.SYSTEM:
        document["user"] = {"displayName": server_name}
    elif found.name is Name.MESSAGE and writer is not None:
        document["user"] = content.user_content(writer)
    client_id = writer.id if writer is not None and found.name is Name.MESSAGE else ""
    draft = replace(content.kept(found.name, document, client_id=client_id, text=words), id=found.id)
    at = _milliseconds(found.at)
    made = draft.message(CHAT, serials.next(at, there.get(at, "")), found.at)
    # Owncast shows nothing of whoever it has disabled.
    hidden_at = found.hidden_at or (writer.disabled_at if writer is not None else None)
    if hidden_at is None:
        return [made]
    version = serials.next(at)
    return [made, replace(made, version=version, action=Action.DELETE, at=max(hidden_at, found.at))]


def _milliseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)
