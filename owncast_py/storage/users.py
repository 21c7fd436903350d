"""Users and their passwords in the database: rows ↔ `accounts.model`.

Owns their SQL. It decides nothing: who may be what is `accounts.service`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import orjson
from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.accounts.model import Kind, Scope, User
from owncast_py.storage.tables import passwords, users


async def add(connection: AsyncConnection, user: User, name_key: str) -> None:
    """A new user."""
    await connection.execute(insert(users).values(id=user.id, created_at=user.created_at, **values(user, name_key)))


async def replace(connection: AsyncConnection, user: User, name_key: str) -> None:
    """Writes everything of a user over what was there."""
    await connection.execute(update(users).where(users.c.id == user.id).values(**values(user, name_key)))


async def by_id(connection: AsyncConnection, user_id: str) -> User | None:
    """The user with that id."""
    row = (await connection.execute(select(users).where(users.c.id == user_id))).one_or_none()
    return user_of(row) if row else None


async def by_login(connection: AsyncConnection, login: str) -> User | None:
    """The user who signs in with that name."""
    row = (await connection.execute(select(users).where(users.c.login == login))).one_or_none()
    return user_of(row) if row else None


async def by_name_key(connection: AsyncConnection, name_key: str) -> list[User]:
    """Users whose name reads like that one."""
    rows = await connection.execute(select(users).where(users.c.name_key == name_key).limit(100))
    return [user_of(row) for row in rows]


async def of_kind(connection: AsyncConnection, kind: Kind, limit: int) -> list[User]:
    """Users of a kind, oldest first."""
    query = select(users).where(users.c.kind == kind).order_by(users.c.created_at, users.c.id).limit(limit)
    return [user_of(row) for row in await connection.execute(query)]


async def disabled(connection: AsyncConnection, limit: int) -> list[User]:
    """Users who may not chat, the latest first."""
    query = select(users).where(users.c.disabled_at.is_not(None)).order_by(users.c.disabled_at.desc()).limit(limit)
    return [user_of(row) for row in await connection.execute(query)]


async def moderators(connection: AsyncConnection, limit: int) -> list[User]:
    """Users who moderate, by name."""
    query = select(users).where(users.c.moderator).order_by(users.c.display_name).limit(limit)
    return [user_of(row) for row in await connection.execute(query)]


STATUSES: Mapping[str, ColumnElement[bool]] = {
    "all": true(),
    "active": users.c.disabled_at.is_(None),
    "disabled": users.c.disabled_at.is_not(None),
    "banned": users.c.disabled_at.is_not(None),
    "moderator": users.c.moderator,
    "bot": users.c.kind == Kind.BOT,
    "authenticated": users.c.authenticated,
}
"""Which users, by the words of those who ask."""


async def page(connection: AsyncConnection, offset: int, limit: int, name: str, status: str) -> tuple[list[User], int]:
    """Users whose names now hold `name`, the latest first, and how many there are in all. `status` is of STATUSES."""
    wanted = and_(STATUSES[status], users.c.kind != Kind.ADMIN)
    if name:
        wanted = and_(wanted, func.lower(users.c.display_name).contains(name.lower(), autoescape=True))
    query = select(users).where(wanted).order_by(users.c.created_at.desc(), users.c.id).offset(offset).limit(limit)
    total = (await connection.execute(select(func.count()).select_from(users).where(wanted))).scalar_one()
    return [user_of(row) for row in await connection.execute(query)], total


async def count(connection: AsyncConnection, kind: Kind) -> int:
    """How many users of that kind there are."""
    query = select(func.count()).select_from(users).where(users.c.kind == kind)
    return (await connection.execute(query)).scalar_one()


async def remove(connection: AsyncConnection, user_id: str) -> None:
    """Forgets a user, and with them their devices and password."""
    await connection.execute(delete(users).where(users.c.id == user_id))


async def password(connection: AsyncConnection, user_id: str) -> str | None:
    """The hash of a user's password."""
    query = select(passwords.c.hash).where(passwords.c.user_id == user_id)
    return (await connection.execute(query)).scalar_one_or_none()


async def set_password(connection: AsyncConnection, user_id: str, hashed: str, at: datetime) -> None:
    """Keeps the hash of a user's password in place of the one before."""
    await connection.execute(delete(passwords).where(passwords.c.user_id == user_id))
    await connection.execute(insert(passwords).values(user_id=user_id, hash=hashed, changed_at=at))


def values(user: User, name_key: str) -> dict[str, object]:
    """What of a user is written when they change: all but their id and when they came."""
    return {
        "kind": user.kind.value,
        "login": user.login or None,
        "display_name": user.display_name,
        "name_key": name_key,
        "color": user.color,
        "name_changed_at": user.name_changed_at,
        "previous_names": orjson.dumps(user.previous_names).decode(),
        "scopes": orjson.dumps(sorted(user.scopes)).decode(),
        "moderator": user.moderator,
        "authenticated": user.authenticated,
        "disabled_at": user.disabled_at,
        "timed_out_until": user.timed_out_until,
    }


def user_of(row: Row[tuple[object, ...]]) -> User:
    """The user in a row."""
    return User(
        id=row.id,
        kind=Kind(row.kind),
        display_name=row.display_name,
        color=row.color,
        created_at=row.created_at,
        login=row.login or "",
        name_changed_at=row.name_changed_at,
        previous_names=tuple(orjson.loads(row.previous_names)),
        scopes=frozenset(Scope(scope) for scope in orjson.loads(row.scopes)),
        moderator=row.moderator,
        authenticated=row.authenticated,
        disabled_at=row.disabled_at,
        timed_out_until=row.timed_out_until,
    )
