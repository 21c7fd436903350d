"""A trial of the S3-compatible store: writes a small object, reads it as a viewer's browser would, deletes it.

Owns the steps and their time limits. What a viewer meets is said by `serving`, what the store itself refuses by whoever
writes there (`Objects`). It changes no setting, and no sentence has a secret in it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from owncast_py.errors import SettingError
from owncast_py.serving import host_of, read, session
from owncast_py.setting_groups import StorageSettings

STEP_SECONDS = 10.0
BLOCKED = 2
"""Threads for a store that answers nothing; a trial that finds both taken says that there is no answer."""
VIEWER = "https://viewer.example"
"""The origin of a page that asks, where the public address of this server is not known."""
NAME = "trial/0/{}.txt"
"""Below where segments lie. What a crash leaves is swept like a segment."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """What was done, and how it went."""

    name: str
    """`write`, `read`, `cors` or `delete`."""
    ok: bool
    message: str


class Objects(Protocol):
    """A store as a trial needs it. Both calls block, and raise OSError with the end of a sentence."""

    def put(self, name: str, body: bytes) -> str:
        """Writes an object that no cache keeps; the address at which viewers find it."""

    def delete(self, name: str) -> None:
        """Removes it."""


class StoreTrial:
    """One trial after the other, from making to `aclose`."""

    def __init__(self, open_store: Callable[[StorageSettings], Objects], *, step_seconds: float = STEP_SECONDS) -> None:
        """`open_store` blocks, and raises OSError for settings that cannot be used."""
        self._open_store = open_store
        self._step_seconds = step_seconds
        self._one = asyncio.Lock()
        self._pool = ThreadPoolExecutor(BLOCKED, "store trial")

    def aclose(self) -> None:
        """Ends it; a thread that waits for a store ends with its own time limit."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def run(self, storage: StorageSettings, origin: str = "") -> list[Step]:
        """Tries that store; the steps up to the first that makes further ones useless. Takes 30 s at most.

        `origin` is that of the pages that viewers watch on. Raises SettingError while another trial runs.
        """
        if self._one.locked():
            raise SettingError("A trial of the store is running already; wait for what it says.")
        async with self._one:
            name, body = NAME.format(secrets.token_hex(12)), secrets.token_bytes(512)
            opened = list[Objects]()

            def write() -> str:
                opened.append(self._open_store(storage))
                return opened[0].put(name, body)

            try:
                address = await self._blocking(write)
            except OSError as error:
                return [Step("write", False, f"Nothing can be written to the store at {storage.endpoint}: {error}")]
            steps = [Step("write", True, f"An object was written to the bucket {storage.bucket}.")]
            steps += await self._read(address, body, origin or VIEWER)
            try:
                await self._blocking(lambda: opened[0].delete(name))
            except OSError as error:
                steps.append(Step("delete", False, f"What was written cannot be deleted: {error}"))
            else:
                steps.append(Step("delete", True, "The object was deleted again."))
            return steps

    async def _blocking(self, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(self._step_seconds):
                return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except TimeoutError:
            raise OSError(f"there was no answer within {self._step_seconds:g} s.") from None

    async def _read(self, address: str, body: bytes, origin: str) -> list[Step]:
        """Fetches the object as a page at `origin` does."""
        where = host_of(address)
        try:
            async with session() as client:
                found = await read(client, address, seconds=self._step_seconds, limit=len(body) + 1, origin=origin)
        except OSError as error:
            return [Step("read", False, f"Viewers cannot read from {where}: {error}")]
        if found.body != body:
            sentence = f"{where} answers with something else than was written: it serves another bucket, or a page."
            return [Step("read", False, sentence)]
        done = Step("read", True, f"Viewers can read from {where}.")
        if found.allowed not in ("*", origin):
            sentence = (
                f"Browsers do not let pages of {origin} read from {where}: Access-Control-Allow-Origin is "
                f"{repr(found.allowed[:100]) if found.allowed else 'missing'}. Allow GET and HEAD from * in the CORS "
                "rules of the bucket or the CDN."
            )
            return [done, Step("cors", False, sentence)]
        return [done, Step("cors", True, "Browsers let pages read from there.")]
