"""Apps, keys and revocations in the database, rows ↔ `realtime.keys`. Owns their SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import orjson
from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.realtime.capability import Capability
from owncast_py.realtime.keys import App, Key, Revocation, Target
from owncast_py.storage.tables import app_keys, apps, token_revocations


class Loaded(NamedTuple):
    """Everything that is kept."""

    apps: list[App]
    keys: list[Key]
    revocations: list[Revocation]


async def fingerprint(connection: AsyncConnection) -> tuple[object, ...]:
    """What is different once anything was added, revoked or removed, by whichever process."""
    told = (
        *(func.count(apps.c.id), func.max(apps.c.created_at)),
        *(func.count(app_keys.c.name), func.max(app_keys.c.created_at)),
        *(func.count(app_keys.c.revoked_at), func.max(app_keys.c.revoked_at)),
        *(func.count(token_revocations.c.id), func.max(token_revocations.c.id)),
    )
    row = (await connection.execute(select(*(select(each).scalar_subquery() for each in told)))).one()
    return tuple(row)


async def load(connection: AsyncConnection) -> Loaded:
    """Everything, each kind oldest first."""
    return Loaded(
        [_app(row) for row in await connection.execute(select(apps).order_by(apps.c.created_at, apps.c.id))],
        [_key(row) for row in await connection.execute(select(app_keys).order_by(app_keys.c.created_at))],
        [_revocation(row) for row in await connection.execute(select(token_revocations).order_by("id"))],
    )


async def add_app(connection: AsyncConnection, new: App) -> bool:
    """A new app, unless there is one with that id. Returns whether there was none."""
    if (await connection.execute(select(apps.c.id).where(apps.c.id == new.id))).first() is not None:
        return False
    options = orjson.dumps(dict(new.options)).decode()
    await connection.execute(insert(apps).values(id=new.id, name=new.name, options=options, created_at=new.created_at))
    return True


async def remove_app(connection: AsyncConnection, app: str) -> None:
    """Removes an app with its keys and their revocations."""
    await connection.execute(delete(apps).where(apps.c.id == app))


async def add_key(connection: AsyncConnection, new: Key) -> None:
    """A new key."""
    values = {"name": new.name, "app": new.app, "secret": new.secret, "created_at": new.created_at}
    await connection.execute(insert(app_keys).values(**values, **_mutable(new)))


async def change_key(connection: AsyncConnection, changed: Key) -> None:
    """Writes what can change of a key over what was there."""
    await connection.execute(update(app_keys).where(app_keys.c.name == changed.name).values(_mutable(changed)))


async def add_revocations(connection: AsyncConnection, new: Sequence[Revocation]) -> None:
    """New revocations."""
    rows = [
        {
            "key_name": each.key_name,
            "kind": each.target.value,
            "value": each.value,
            "issued_before": each.issued_before,
            "applies_at": each.applies_at,
        }
        for each in new
    ]
    await connection.execute(insert(token_revocations), rows)


async def prune(connection: AsyncConnection, *, revocations: datetime, keys: datetime) -> None:
    """Removes revocations of what was issued before a time, and keys that were revoked before another."""
    await connection.execute(delete(token_revocations).where(token_revocations.c.issued_before < revocations))
    await connection.execute(delete(app_keys).where(app_keys.c.revoked_at < keys))


def _mutable(key: Key) -> dict[str, object]:
    return {
        "label": key.label,
        "capability": key.capability.canonical(),
        "revocable": key.revocable,
        "revoked_at": key.revoked_at,
    }


def _app(row: Row[tuple[object, ...]]) -> App:
    return App(row.id, row.name, row.created_at, orjson.loads(row.options))


def _key(row: Row[tuple[object, ...]]) -> Key:
    return Key(
        name=row.name,
        app=row.app,
        secret=row.secret,
        label=row.label,
        capability=Capability.parse(row.capability),
        revocable=row.revocable,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )


def _revocation(row: Row[tuple[object, ...]]) -> Revocation:
    return Revocation(row.key_name, Target(row.kind), row.value, row.issued_before, row.applies_at)
