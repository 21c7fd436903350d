"""One request to an address that somebody typed in: time-outs, redirects and whatever may come back.

Owns the HTTP that the delivery channels share. The other side is hostile: it may hang, lie about lengths or never stop.
A 2xx counts once its head is there; the rest of an answer is kept as far as it comes in time, and no more.

Redirects are followed, as the same request, at most MAX_REDIRECTS times and only on the same scheme, host and port.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

import aiohttp
from yarl import URL

from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.errors import TargetRefused
from owncast_py.notifications.schedule import retry_after
from owncast_py.notifications.targets import RefusedAddress, check_url

HEAD_SECONDS = 13.0
"""For the answer to begin, with looking up the name, connecting and redirects; with ANSWER_SECONDS it makes 15."""
ANSWER_SECONDS = 2.0
"""For the rest of the answer."""
MAX_ANSWER = 16 * 1024
"""Octets of an answer that are read."""
MAX_REDIRECTS = 2
REDIRECTS = frozenset({301, 302, 303, 307, 308})
GONE = 410
UNAUTHENTICATED = frozenset({401, 403})
THROTTLED = frozenset({429, 503})


class Poster:
    """Posts for delivery channels. Make it in a running loop; `aclose` ends its connections."""

    def __init__(
        self,
        connector: aiohttp.BaseConnector,
        user_agent: str,
        now: Callable[[], datetime],
        *,
        head_seconds: float = HEAD_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        """`connector` comes from `targets.connector` and becomes this poster's own; `now` is aware UTC."""
        self._now = now
        self._head_seconds = head_seconds
        self._answer_seconds = answer_seconds
        # Compressed answers are not unpacked: a small one could become a huge one.
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )

    async def aclose(self) -> None:
        """Ends every connection."""
        await self._session.close()

    async def post(self, address: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Posts once. Never raises for what the other side or the network does."""
        outcome, _ = await self._send("POST", address, headers, body)
        return outcome

    async def options(self, address: str, headers: Mapping[str, str]) -> tuple[Outcome, Mapping[str, str]]:
        """Asks what an address takes. With the outcome come the answer's headers, their names in any case.

        Never raises for what the other side or the network does.
        """
        return await self._send("OPTIONS", address, headers, None)

    async def _send(
        self, method: str, address: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[Outcome, Mapping[str, str]]:
        try:
            url = check_url(address, allow_private=True)
        except TargetRefused as error:
            return Outcome(error=str(error)), {}
        try:
            async with asyncio.timeout(self._head_seconds):
                response, fault = await self._follow(method, url, headers, body)
        except TimeoutError:
            return Outcome(error=f"{_place(url)} did not answer within {self._head_seconds:g} seconds."), {}
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Outcome(error=_sentence(url, error)), {}
        try:
            answer = await self._read(response)
        finally:
            response.release()
        outcome = Outcome(response.status, fault, answer)
        return outcome if outcome.received else self._failure(url, response, fault, answer), response.headers

    async def _follow(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[aiohttp.ClientResponse, str]:
        """The last answer, unread, and what is wrong with it if it is a redirect."""
        current = url
        for hop in range(MAX_REDIRECTS + 1):
            response = await self._session.request(method, current, data=body, headers=headers, allow_redirects=False)
            if response.status not in REDIRECTS:
                return response, ""
            target = _target(current, response.headers.get("Location", ""))
            if target is None:
                return response, f"{_place(url)} answered {response.status}, a redirect that leads nowhere."
            if target.user is not None or target.origin() != url.origin():
                return response, (
                    f"{_place(url)} redirects to another place, {str(target.origin())[:200]}, which is not followed; "
                    "give that address instead if you trust it."
                )
            if hop < MAX_REDIRECTS:
                response.close()
                current = target
        return response, f"{_place(url)} redirects more than {MAX_REDIRECTS} times; give the last address instead."

    async def _read(self, response: aiohttp.ClientResponse) -> str:
        kept = bytearray()
        try:
            async with asyncio.timeout(self._answer_seconds):
                while len(kept) < MAX_ANSWER:
                    chunk = await response.content.read(MAX_ANSWER - len(kept))
                    if not chunk:
                        break
                    kept += chunk
        except (TimeoutError, aiohttp.ClientError, OSError):
            # The status told what became of the notification; these were only words.
            response.close()
        return kept.decode("utf-8", "replace")

    def _failure(self, url: URL, response: aiohttp.ClientResponse, fault: str, answer: str) -> Outcome:
        pause = None
        if response.status in THROTTLED:
            pause = retry_after(response.headers.get("Retry-After", ""), self._now())
        return Outcome(
            response.status,
            fault or f"{_place(url)} answered {response.status}.",
            answer,
            retry_after=pause,
            gone=response.status == GONE,
            unauthenticated=response.status in UNAUTHENTICATED,
        )


def _target(current: URL, location: str) -> URL | None:
    try:
        target = current.join(URL(location)) if location else None
        return target if target is not None and target.scheme in ("http", "https") and target.host else None
    except ValueError:
        return None


def _place(url: URL) -> str:
    """Where a URL leads, without its path: that can be a secret."""
    return f"{url.host}:{url.port}"[:260]


def _sentence(url: URL, error: Exception) -> str:
    place = _place(url)
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"The host name {url.host} cannot be found."
        case aiohttp.ClientConnectorCertificateError():
            return f"The certificate of {place} cannot be trusted: {str(error.certificate_error)[:300]}."
        case aiohttp.ClientConnectorError(os_error=RefusedAddress() as refused):
            return str(refused)
        case aiohttp.ClientConnectorError():
            return f"There is no connection to {place}: {(error.os_error.strerror or str(error.os_error))[:300]}."
        case aiohttp.InvalidURL():
            return f"The host {str(url.host)[:200]!r} cannot be called; give a name, or an address in its usual form."
        case aiohttp.ClientResponseError() | ValueError():
            return f"What {place} answers is not HTTP."
        case _:
            return f"The connection to {place} broke before an answer came."
