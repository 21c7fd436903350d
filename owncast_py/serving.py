"""What viewers meet at the serving endpoint of the store, found out by asking there as they do.

Owns the request, its time limits and the sentences, and the watch that asks again and again while a show is on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

MAX_REDIRECTS = 3
READ_BYTES = 64 * 1024
WATCH_SECONDS = 4.0
"""How often the newest object is asked for."""
AGAIN_SECONDS = 1.0
"""The same after a failure that does not count yet."""
ANSWER_SECONDS = 4.0
FAILURES = 2
"""In a row, until it counts: one may be a connection that ended that moment."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found."""

    body: bytes
    allowed: str
    """Of which origin pages may read it; empty when none may."""


class Refused(OSError):
    """Somebody answers there, and not with the object."""


def session() -> aiohttp.ClientSession:
    """A client that keeps nothing of what it is told."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())


async def read(
    client: aiohttp.ClientSession, address: str, *, seconds: float, limit: int, origin: str = "", first: bool = False
) -> Answer:
    """What lies there, as far as `limit` octets, for a page at `origin`; `first`: only the first octet is asked for.

    Raises Refused, or another OSError when nobody answers, each with the end of a sentence.
    """
    headers = ({"Origin": origin} if origin else {}) | ({"Range": "bytes=0-0"} if first else {})
    try:
        async with (
            asyncio.timeout(seconds),
            client.get(address, headers=headers, max_redirects=MAX_REDIRECTS) as response,
        ):
            if response.status not in (200, 206):
                raise Refused(_refusal(response.status))
            body = bytearray()
            while len(body) < limit and (more := await response.content.read(min(READ_BYTES, limit - len(body)))):
                body += more
            return Answer(bytes(body), response.headers.get("Access-Control-Allow-Origin", ""))
    except aiohttp.TooManyRedirects as error:
        raise Refused(_reason(error, seconds)) from error
    except (TimeoutError, aiohttp.ClientError, ValueError) as error:
        raise OSError(_reason(error, seconds)) from error


def host_of(address: str) -> str:
    """The beginning of an address, which is all that a sentence needs of it."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


class ServingWatch:
    """Asks for the newest object at the serving endpoint while new ones come, from `start` to `aclose`.

    An endpoint that never let itself be reached may be reached by viewers all the same: this server's own network need
    not lead there. Any other failure is one for viewers, too.
    """

    def __init__(
        self,
        base: str,
        told: Callable[[bool, str], None],
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`base` stands before every key. `told` hears after each look whether viewers can read, and what is wrong."""
        self._base = base
        self._told = told
        self._sleep = sleep
        self._newest = ""
        self._came = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def note(self, key: str) -> None:
        """That object is there now."""
        self._newest = key
        self._came.set()

    async def start(self) -> None:
        """Begins to look once an object is there."""
        self._task = asyncio.create_task(self._watching(), name="serving watch")

    async def aclose(self) -> None:
        """Ends it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watching(self) -> None:
        failures, reached = 0, False
        async with session() as client:
            while True:
                await self._came.wait()
                self._came.clear()
                try:
                    await read(client, self._base + self._newest, seconds=ANSWER_SECONDS, limit=1, first=True)
                except OSError as error:
                    failures += 1
                    reached = reached or isinstance(error, Refused)
                    if failures >= FAILURES:
                        self._tell(error, reached)
                    self._came.set()
                    await self._sleep(AGAIN_SECONDS if failures < FAILURES else WATCH_SECONDS)
                else:
                    failures, reached = 0, True
                    self._told(True, "")
                    await self._sleep(WATCH_SECONDS)

    def _tell(self, error: OSError, reached: bool) -> None:
        where = host_of(self._base)
        if reached:
            self._told(False, f"Viewers cannot read from {where}: {error}")
        else:
            self._told(True, f"This server cannot read from {where}, where viewers are sent: {error}")


def _reason(error: Exception, seconds: float) -> str:
    """Why nothing came, as the end of a sentence."""
    match error:
        case TimeoutError():
            return f"there was no answer within {seconds:g} s."
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
    """What a status means that brings no object, as the end of a sentence."""
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


def _plain(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
