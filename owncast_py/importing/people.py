"""Owncast's users and their access tokens → users and devices.

Owns what a row of `users` means. Ids are kept, so what is there already is known again and stays as it is. Whoever has
an access token in their browser goes on under it: here too only its hash is kept.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.accounts.devices import MAX_TOKEN_LENGTH, hash_of
from owncast_py.accounts.model import ADMIN_ID, COLORS, MAX_PREVIOUS_NAMES, Device, Kind, Scope, User
from owncast_py.accounts.service import GUEST_PREFIX, MAX_ID_LENGTH, MAX_NAME_LENGTH
from owncast_py.chat import names
from owncast_py.chat.errors import NameRefused
from owncast_py.importing.report import Report
from owncast_py.importing.source import Cell, Row, Source, moment, text, whole
from owncast_py.storage import importing as repository
from owncast_py.storage.database import Database

USER = (
    *("id", "display_name", "display_color", "created_at", "disabled_at", "previous_names", "namechanged_at"),
    *("authenticated_at", "scopes", "type", "access_token"),
)
NAMELESS = "chatter"
DEVICE_NAME = "Signed in at Owncast"
BOT_SCOPES = frozenset({Scope.SEND_MESSAGES, Scope.SEND_SYSTEM_MESSAGES, Scope.ADMIN})

Progress = Callable[[str, int, int], None]
"""Is told what is being taken, how many rows are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Work:
    """What every part of an import works with."""

    source: Source
    database: Database
    report: Report
    progress: Progress
    now: datetime
    """Aware, in UTC."""


async def batches(rows: Iterator[list[Row]]) -> AsyncIterator[list[Row]]:
    """The batches of a source, each read off the loop."""
    while (batch := await asyncio.to_thread(next, rows, None)) is not None:
        yield batch


async def take_users(work: Work) -> None:
    """Users, and the access tokens that releases before 0.0.11 keep beside them."""
    if "users" not in work.source.tables:
        work.report.leave(
            "Users and messages: this database is of a release before 0.0.8, which has none. Start a later Owncast on "
            "a copy of it once, then import that."
        )
        return
    total, done, unusable = work.source.count("users"), 0, 0
    async for batch in batches(work.source.rows("users", USER)):
        found = [user_of(row, work.now) for row in batch]
        users = list({user.id: user for user in found if user is not None}.values())
        unusable += found.count(None)

        async def write(connection: AsyncConnection, users: list[User] = users) -> int:
            known = await repository.known_users(connection, [user.id for user in users])
            new = [(user, names.key(user.display_name)) for user in users if user.id not in known]
            await repository.add_users(connection, new)
            return len(new)

        new = await work.database.write(write)
        work.report.count("users", new, len(users) - new)
        await _sign_in(work, [(row[10], row[0], row[3]) for row in batch if row[10]])
        done += len(batch)
        work.progress("users", done, total)
    if unusable:
        work.report.leave(f"{unusable} users: they have no id, or one that is not taken here.")


async def take_tokens(work: Work) -> None:
    """Access tokens of users and bots."""
    total, done = work.source.count("user_access_tokens"), 0
    async for batch in batches(work.source.rows("user_access_tokens", ("token", "user_id", "timestamp"))):
        await _sign_in(work, [(row[0], row[1], row[2]) for row in batch])
        done += len(batch)
        work.progress("access tokens", done, total)
    if old := work.source.count("access_tokens"):
        work.report.leave(f"{old} access tokens of a release before 0.0.8: make new ones in the admin pages.")


def user_of(row: Row, now: datetime) -> User | None:
    """The user in a row; None where its id cannot be one."""
    user_id, kind = text(row[0]), Kind.BOT if text(row[9]).upper() == "API" else Kind.CHATTER
    if not 1 <= len(user_id) <= MAX_ID_LENGTH or not user_id.isprintable():
        return None
    if user_id == ADMIN_ID or user_id.startswith(GUEST_PREFIX):
        return None
    name = _name(row[1], kind)
    scopes = {Scope(word) for part in text(row[8]).split(",") if (word := part.strip()) in set(Scope)}
    previous = [old for part in text(row[5]).split(",") if (old := _name(part, kind)) not in (name, "", NAMELESS)]
    return User(
        id=user_id,
        kind=kind,
        display_name=name,
        # Before 0.0.11 a colour was an angle.
        color=abs(whole(row[2]) or 0) % COLORS,
        created_at=_past(row[3], now) or now,
        name_changed_at=_past(row[6], now),
        previous_names=tuple(dict.fromkeys(previous))[-MAX_PREVIOUS_NAMES:],
        # What a person may do follows from moderating alone.
        scopes=frozenset(scopes & BOT_SCOPES) if kind is Kind.BOT else frozenset(),
        moderator=kind is Kind.CHATTER and Scope.MODERATOR in scopes,
        authenticated=kind is Kind.BOT or bool(text(row[7])),
        disabled_at=(_past(row[4], now) or now) if text(row[4]) else None,
    )


async def _sign_in(work: Work, tokens: list[tuple[Cell, Cell, Cell]]) -> None:
    """Makes devices of tokens, given each with its user's id and its time."""
    usable = {
        hash_of(token): (token, text(user_id), moment(at))
        for cell, user_id, at in tokens
        if (token := text(cell)) and len(token) <= MAX_TOKEN_LENGTH
    }

    async def write(connection: AsyncConnection) -> tuple[int, int, int]:
        known = await repository.known_tokens(connection, list(usable))
        owners = await repository.users_by_id(connection, [user_id for _, user_id, _ in usable.values()])
        new: list[tuple[Device, bytes]] = []
        ended = 0
        for hashed, (token, user_id, at) in usable.items():
            owner = owners.get(user_id)
            if hashed in known or owner is None:
                continue
            if owner.is_bot and owner.disabled_at is not None:
                # This is how Owncast deletes one.
                ended += 1
                continue
            device_id = f"owncast-{hashlib.sha256(b'device ' + token.encode()).hexdigest()[:24]}"
            name = owner.display_name if owner.is_bot else DEVICE_NAME
            new.append((Device(device_id, user_id, name, min(at or work.now, work.now)), hashed))
        await repository.add_devices(connection, new)
        return len(new), len(known), ended

    new, known, ended = await work.database.write(write)
    work.report.count("access tokens", new, known)
    if lost := len(tokens) - new - known - ended:
        work.report.leave(f"{lost} access tokens: nobody has them, or they are no tokens.")


def _name(cell: Cell, kind: Kind) -> str:
    """A name as it can be here, at most as long as names are."""
    given = text(cell, 1_000)
    if kind is Kind.BOT:
        return " ".join(given.split())[:MAX_NAME_LENGTH] or NAMELESS
    for part in (given, given[: names.MAX_NAME_LENGTH]):
        try:
            return names.clean_name(part)
        except NameRefused:
            continue
    return NAMELESS


def _past(cell: Cell, now: datetime) -> datetime | None:
    at = moment(cell)
    return None if at is None else min(at, now)
