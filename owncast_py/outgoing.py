"""What this server asks of others over HTTP, apart from webhooks: the directory, a logo that lies elsewhere.

Owns the session, its time-outs and the size of what is read. Which addresses may be called is `notifications.targets`'.
"""

from __future__ import annotations

import aiohttp
import orjson

from owncast_py.errors import ImageRefused, OutgoingError
from owncast_py.images import LOGO
from owncast_py.notifications.errors import TargetRefused
from owncast_py.notifications.targets import check_url, connector

TIMEOUT_SECONDS = 15.0
MAX_ANSWER = 256 * 1024


class Outgoing:
    """Asks other servers, from `start` to `aclose`."""

    def __init__(self, user_agent: str, *, allow_private: bool) -> None:
        """`allow_private` lets it call addresses of private networks."""
        self._user_agent = user_agent
        self._allow_private = allow_private
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Makes the session; nothing is asked yet."""
        self._session = aiohttp.ClientSession(
            connector=connector(self._allow_private),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            headers={"User-Agent": self._user_agent},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def aclose(self) -> None:
        """Ends it."""
        if self._session is not None:
            await self._session.close()

    def check(self, url: str) -> None:
        """Raises TargetRefused for an address that is not called, as far as its text tells."""
        check_url(url, allow_private=self._allow_private)

    async def post(self, url: str, document: object) -> object:
        """Posts JSON and returns the JSON that is answered. Raises OutgoingError or TargetRefused."""
        body = await self._ask("POST", url, MAX_ANSWER, orjson.dumps(document))
        try:
            answer: object = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise OutgoingError(f"{url} did not answer with JSON.") from None
        return answer

    async def image(self, url: str) -> bytes:
        """What lies at an address, for a logo. Raises ImageRefused."""
        try:
            return await self._ask("GET", url, LOGO.max_bytes)
        except (OutgoingError, TargetRefused) as error:
            raise ImageRefused(str(error)) from error

    async def _ask(self, method: str, url: str, limit: int, data: bytes | None = None) -> bytes:
        if self._session is None:
            raise OutgoingError("The server is stopping.")
        target = check_url(url, allow_private=self._allow_private)
        headers = {"Content-Type": "application/json"} if data is not None else {}
        try:
            async with self._session.request(
                method, target, data=data, headers=headers, allow_redirects=False
            ) as response:
                if response.status >= 300:
                    raise OutgoingError(f"{url} answered {response.status}; check the address.")
                body = bytearray()
                async for chunk in response.content.iter_chunked(64 * 1024):
                    body += chunk
                    if len(body) > limit:
                        raise OutgoingError(f"{url} answered with more than {limit // 1000} kB.")
                return bytes(body)
        except TimeoutError:
            raise OutgoingError(f"{url} did not answer within {TIMEOUT_SECONDS:g} s.") from None
        except aiohttp.ClientError as error:
            raise OutgoingError(f"{url} was not reached: {error}.") from error
