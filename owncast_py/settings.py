"""What the owner changes while the server runs: typed, validated, kept, each change announced.

Owns the values in force, which are read from memory without waiting.
`config.py` is for what must be known before the database opens; where both know a value (the server's name), the
configuration only seeds the first start. A change is durable before it is in force: a crash leaves the old value or the
new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

import orjson
import structlog
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.errors import SettingError
from owncast_py.events import Events, SettingChanged
from owncast_py.setting_groups import GROUPS, Group
from owncast_py.storage import settings as repository
from owncast_py.storage.database import Database

SECRETS = frozenset({"secret", "private_key"})
"""Fields whose values no sentence repeats."""

log = structlog.get_logger(__name__)


G = TypeVar("G", bound=Group)


class Settings:
    """The values in force."""

    def __init__(self, database: Database, events: Events, now: Callable[[], datetime]) -> None:
        """`now` is aware, in UTC."""
        self._database = database
        self._events = events
        self._now = now
        self._values: dict[type[Group], Group] = {group: group() for group in GROUPS}
        self._changing = asyncio.Lock()

    async def start(self, seeds: Mapping[type[Group], Mapping[str, object]]) -> None:
        """Reads what is kept. A group that never was kept begins with `seeds`. Raises SettingError for a bad seed."""
        async with self._database.reading() as connection:
            documents = await repository.all_documents(connection)
        for group in GROUPS:
            if group.group in documents:
                self._values[group] = _read(group, documents[group.group])
            else:
                await self._keep(_validated(group, dict(seeds.get(group, {}))))

    def get(self, group: type[G]) -> G:
        """That group's values in force."""
        value = self._values[group]
        assert isinstance(value, group)  # noqa: S101 - keyed by its own class
        return value

    async def change(self, group: type[G], **fields: object) -> G:
        """Gives those fields of a group other values, keeps them, then announces it if anything is different.

        Raises SettingError with a sentence when a value cannot be, StorageError when it cannot be kept.
        """
        unknown = fields.keys() - group.model_fields.keys()
        if unknown:
            raise SettingError(f"There is no setting {group.group}.{sorted(unknown)[0]}.")
        async with self._changing:
            before = self.get(group)
            after = _validated(group, before.model_dump() | fields)
            if after != before:
                await self._keep(after)
            return after

    def altered(self, group: type[G], **fields: object) -> G:
        """What a group would be with those fields; nothing changes. Raises SettingError for a value that cannot be."""
        return _validated(group, self.get(group).model_dump() | fields)

    async def _keep(self, after: Group) -> None:
        group = type(after)

        async def work(connection: AsyncConnection) -> None:
            await repository.keep(connection, group.group, after.model_dump_json(), self._now())

        def then(_: None) -> None:
            before, self._values[group] = self._values[group], after
            if before != after:
                self._events.publish(SettingChanged(group.group, before, after))

        await self._database.write(work, then)


def _validated(group: type[G], values: dict[str, object]) -> G:
    try:
        return group.model_validate(values)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join([group.group, *(str(part) for part in fault["loc"])])
        given = repr(fault["input"])
        shown = (
            "what it was given"
            if SECRETS.intersection(fault["loc"])
            else given
            if len(given) <= 60
            else given[:57] + "…"
        )
        raise SettingError(f"{where} cannot be {shown}: {fault['msg'].lower()}.") from error


def _read(group: type[Group], document: str) -> Group:
    """A kept document. One that a stricter version no longer takes keeps what fields it can."""
    try:
        return group.model_validate_json(document)
    except ValidationError as error:
        bad = {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}
        log.warning("settings fall back to their defaults", group=group.group, fields=sorted(bad))
        return group.model_validate(_without(document, bad))


def _without(document: str, bad: set[str]) -> dict[str, object]:
    found: object = orjson.loads(document)
    return {name: value for name, value in found.items() if name not in bad} if isinstance(found, dict) else {}
