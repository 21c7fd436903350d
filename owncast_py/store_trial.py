"""A trial of the S3-compatible store: writes a small object, reads it as a viewer's browser would, deletes it.

Owns the steps, their time limits and the sentences about what a viewer meets. What the store itself refuses is said by
whoever writes there (`Objects`). It changes no setting, and no sentence has a secret in it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

import aiohttp

from owncast_py.errors import SettingError
from owncast_py.setting_groups import StorageSettings

STEP_SECONDS = 10.0
MAX_REDIRECTS = 3
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
        where = _host_of(address)
        try:
            async with (
                asyncio.timeout(self._step_seconds),
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.get(address, headers={"Origin": origin}, max_redirects=MAX_REDIRECTS) as response,
            ):
                status, allowed = response.status, response.headers.get("Access-Control-Allow-Origin", "")
                found = await response.content.read(len(body) + 1) if status == 200 else b""
                while status == 200 and len(found) <= len(body) and (more := await response.content.read(1024)):
                    found += more
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            return [Step("read", False, f"Viewers cannot read from {where}: {self._reason(error)}")]
        if status != 200:
            return [Step("read", False, f"Viewers cannot read from {where}: {_refusal(status)}")]
        if found != body:
            sentence = f"{where} answers with something else than was written: it serves another bucket, or a page."
            return [Step("read", False, sentence)]
        read = Step("read", True, f"Viewers can read from {where}.")
        if allowed not in ("*", origin):
            sentence = (
                f"Browsers do not let pages of {origin} read from {where}: Access-Control-Allow-Origin is "
                f"{repr(allowed[:100]) if allowed else 'missing'}. Allow GET and HEAD from * in the CORS rules of the "
                "bucket or the CDN."
            )
            return [read, Step("cors", False, sentence)]
        return [read, Step("cors", True, "Browsers let pages read from there.")]

    def _reason(self, error: Exception) -> str:
        """Why nothing came, as the end of a sentence."""
        match error:
            case TimeoutError():
                return f"there was no answer within {self._step_seconds:g} s."
            case aiohttp.ClientConnectorDNSError():
                return f"the name {error.host} is not found; check the serving endpoint."
            case aiohttp.ClientConnectorCertificateError():
                return f"its certificate is not valid for that name: {_plain(error.certificate_error)}."
            case aiohttp.ClientConnectorSSLError():
                return "it does not speak TLS on that port; check whether the address begins with https."
            case aiohttp.ClientConnectorError():
                return f"no connection could be made: {error.os_error.strerror or error.os_error}."
            case aiohttp.TooManyRedirects():
                return f"it redirects more than {MAX_REDIRECTS} times."
            case aiohttp.InvalidURL():
                return "that is no address; check the serving endpoint."
        return f"{_plain(error) or type(error).__name__}."


def _refusal(status: int) -> str:
    """What a status other than 200 means, as the end of a sentence."""
    match status:
        case 401 | 403:
            return (
                f"it answers {status}, so objects are not public. Set the ACL to public-read, or let everybody read by "
                "a policy of the bucket."
            )
        case 404 | 410:
            return (
                f"it answers {status}, so what is written does not appear there. Check that the serving endpoint leads "
                "to this bucket, and that the path prefix is not in it twice."
            )
        case 400 | 421:
            return f"it answers {status}. Check the serving endpoint, and whether the bucket belongs into the path."
        case _ if status >= 500:
            return f"it answers {status}, so what stands there is out of order or cannot reach the store."
    return f"it answers {status}."


def _host_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _plain(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
