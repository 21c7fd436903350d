"""`owncast-py keys`, without the command line around it: makes, lists and revokes keys, also while the server runs.

Owns what a person is told. Options and exit codes are `cli`'s. A running server sees the change by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from owncast_py.config import Config
from owncast_py.errors import StartError
from owncast_py.realtime.capability import EVERYTHING
from owncast_py.realtime.keyring import Keyring
from owncast_py.realtime.keys import Key
from owncast_py.realtime.messages import DEFAULT_APP
from owncast_py.storage.database import Database, address_of


async def create_command(config: Config, name: str, capability: str | None, echo: Callable[[str], None]) -> None:
    """Makes a key of the server's own app and says it, alone. Raises KeyringError, CapabilityError, StorageError."""
    async with _keyring(config) as keyring:
        made = await keyring.create_key(DEFAULT_APP, label=name, capability=capability or EVERYTHING)
    echo(made.text)


async def list_command(config: Config, echo: Callable[[str], None]) -> None:
    """Says every key without its secret, a line for each. Raises StorageError."""
    async with _keyring(config) as keyring:
        keys = keyring.keys_of()
    for key in keys:
        echo(_line(key))
    if not keys:
        echo("There is no key yet; `owncast-py keys create` makes one.")


async def revoke_command(config: Config, name: str, echo: Callable[[str], None]) -> None:
    """Revokes the key of that name; the whole key does as well. Raises KeyringError, StorageError."""
    async with _keyring(config) as keyring:
        key = await keyring.revoke_key(name)
    echo(f"The key {key.name} is revoked, with all its tokens.")


@asynccontextmanager
async def _keyring(config: Config) -> AsyncIterator[Keyring]:
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"The data directory {config.data_dir} cannot be used: {error.strerror}.") from error
    configured = config.database_url.get_secret_value() if config.database_url else None
    database = Database(address_of(configured, config.data_dir))
    await database.start()
    try:
        keyring = Keyring(database, lambda: datetime.now(UTC))
        await keyring.start()
        try:
            yield keyring
        finally:
            await keyring.aclose()
    finally:
        await database.aclose()


def _line(key: Key) -> str:
    state = "in use" if key.revoked_at is None else f"revoked {key.revoked_at:%Y-%m-%d %H:%M} UTC"
    label = f"  {key.label}" if key.label else ""
    return f"{key.name}  made {key.created_at:%Y-%m-%d %H:%M} UTC  {state}  {key.capability.canonical()}{label}"
