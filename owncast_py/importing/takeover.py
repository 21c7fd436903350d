"""Takes over an Owncast server: the order of an import, and what happens when it is begun twice.

Owns when a server may be imported into, and the mark that is left there. An import goes in steps that are each whole,
and everything keeps the id that it had: so one that was broken off is completed by the same command, and one that was
completed adds what is new and changes nothing. Settings and secrets are taken once: afterwards they are the owner's.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.config import Config
from owncast_py.credentials import keep_credentials
from owncast_py.errors import CredentialsError, SettingError
from owncast_py.events import Events
from owncast_py.importing import configuration, gob
from owncast_py.importing.configuration import Configuration
from owncast_py.importing.errors import GobError, ImportRefused
from owncast_py.importing.messages import take_bans, take_messages
from owncast_py.importing.people import Progress, Work, take_tokens, take_users
from owncast_py.importing.pictures import public_files, take_branding, take_emoji
from owncast_py.importing.receivers import take_browsers, take_webhooks
from owncast_py.importing.report import Report
from owncast_py.importing.source import Source
from owncast_py.setting_groups import ChatSettings, Group, InstanceSettings, PushSettings
from owncast_py.settings import Settings
from owncast_py.storage import importing as repository
from owncast_py.storage.database import Database, address_of

_FINGERPRINT = ("server_init_date", "directory_registration_key", "browser_push_private_key", "private_key")
"""Settings by which one server of Owncast's is known again."""
_SECRET = frozenset({"discord_webhook", "access_key", "secret", "private_key", "key"})
_FOREIGN = {
    "ap_followers": "followers in the Fediverse: there is no federation here",
    "ap_accepted_activities": "events from the Fediverse: there is no federation here",
    "ap_outbox": "posts to the Fediverse: there is no federation here",
    "federated_servers": "featured streams of other servers: there is no federation here",
    "auth": "proofs of identity by IndieAuth or the Fediverse. Who gave one keeps their name as long as they are "
    "signed in; with a name and a password they can sign in elsewhere",
    "stream_event_series": "recurring planned streams: plan them anew in the admin pages",
    "stream_events": "planned streams: plan them anew in the admin pages",
}


class _Mark(BaseModel):
    """What is noted of an import in the database that it went to."""

    model_config = ConfigDict(extra="ignore")

    server: str
    """Which of Owncast's servers it was."""
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the owner asks for."""

    replace: bool = False
    """Delete first what an import brings."""
    keep_messages: bool = False
    """Chat keeps its messages for ever from now on."""


async def take_over(
    config: Config, source: Source, wishes: Wishes, report: Report, progress: Progress, now: Callable[[], datetime]
) -> None:
    """Imports `source` into the server that `config` describes and that does not run. `now` is aware, in UTC.

    Raises ImportRefused when there is another server's life in it, StorageError and CredentialsError.
    """
    configured = config.database_url.get_secret_value() if config.database_url else None
    database = Database(address_of(configured, config.data_dir))
    await database.start()
    try:
        values = await asyncio.to_thread(source.settings)
        server = _server(values)
        first = await _begin(database, server, wishes, now)
        work = Work(source, database, report, progress, now())
        settings = Settings(database, Events(), now)
        await settings.start(config.first_settings())
        found = configuration.read(values, report)
        if first:
            await _keep_settings(settings, found, report, wishes)
            await asyncio.to_thread(_keep_secrets, config, found, report)
        else:
            report.note(
                "Settings and secrets were taken by an earlier import and are yours since; --replace takes all."
            )
        await take_users(work)
        await take_tokens(work)
        hours = settings.get(ChatSettings).retention_hours
        kept = timedelta(hours=hours) if hours is not None else None
        await take_messages(work, settings.get(InstanceSettings).name, kept)
        await take_bans(work)
        await take_webhooks(work)
        key = found.fields.get(PushSettings, {}).get("private_key")
        await take_browsers(work, known_by_key=bool(key) and settings.get(PushSettings).private_key == key)
        await take_emoji(work, config.data_dir / "emoji")
        if first:
            await take_branding(work, config.data_dir, _plain(values, "logo_path"), _plain(values, "favicon_path"))
        await asyncio.to_thread(_leave, source, report)
        await _note(database, _Mark(server=server, complete=True), now())
    finally:
        await database.aclose()


async def _begin(database: Database, server: str, wishes: Wishes, now: Callable[[], datetime]) -> bool:
    """Whether settings are to be taken too: in a server that is new, or was imported up to somewhere."""

    async def write(connection: AsyncConnection) -> bool:
        document = await repository.mark(connection)
        try:
            mark = _Mark.model_validate_json(document) if document is not None else None
        except ValidationError:
            mark = None
        if wishes.replace:
            await repository.clear(connection)
        elif mark is not None and mark.server == server:
            if mark.complete:
                return False
        elif found := await repository.inhabited(connection):
            whose = "of another Owncast" if mark is not None else "of its own"
            raise ImportRefused(
                f"This server has {', '.join(found)} {whose} already. Import into an empty data directory with "
                "--data-dir, or delete them first with --replace, which makes a backup before."
            )
        await repository.set_mark(connection, _Mark(server=server).model_dump_json(), now())
        return True

    return await database.write(write)


async def _note(database: Database, mark: _Mark, now: datetime) -> None:
    await database.write(lambda connection: repository.set_mark(connection, mark.model_dump_json(), now))


async def _keep_settings(settings: Settings, found: Configuration, report: Report, wishes: Wishes) -> None:
    if wishes.keep_messages:
        found.put((ChatSettings, "retention_hours"), None)
    for group, fields in found.fields.items():
        report.count("settings", await _keep_group(settings, group, fields, report))


async def _keep_group(settings: Settings, group: type[Group], fields: dict[str, object], report: Report) -> int:
    """All of them at once if that can be, else each for itself. How many were kept."""
    try:
        await settings.change(group, **fields)
        return len(fields)
    except SettingError:
        kept = 0
        for name, value in fields.items():
            try:
                await settings.change(group, **{name: value})
                kept += 1
            except SettingError as error:
                reason = "it is not what is taken here" if name in _SECRET else str(error).rstrip(".")
                report.leave(f"The setting {group.group}.{name}: {reason}. Set it in the admin pages.")
        return kept


def _keep_secrets(config: Config, found: Configuration, report: Report) -> None:
    password = found.password
    if not found.stream_keys and not password:
        return
    try:
        keep_credentials(config, found.stream_keys, password)
    except CredentialsError as error:
        if not password:
            raise
        keep_credentials(config, found.stream_keys, password="")
        report.leave(f"The admin password: {error} The next start makes a new one and shows it.")
        password = ""
    report.count("stream keys", len(found.stream_keys))
    if password:
        report.count("admin password", 1)


def _leave(source: Source, report: Report) -> None:
    """Says what of the database has no place here. Blocks."""
    for table, what in _FOREIGN.items():
        if count := source.count(table):
            report.leave(f"{count} {what}.")
    if files := public_files(source.path.parent):
        report.leave(f"{files} files in {source.path.parent / 'public'}: copy that directory into the data directory.")


def _server(values: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for key in _FINGERPRINT:
        value = values.get(key, b"")
        digest.update(b"%d:" % len(value) + value)
    return digest.hexdigest()


def _plain(values: dict[str, bytes], key: str) -> str:
    try:
        value = gob.decode(values[key]) if key in values else ""
    except GobError:
        return ""
    return value if isinstance(value, str) and "\0" not in value else ""
