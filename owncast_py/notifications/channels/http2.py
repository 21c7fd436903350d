"""Posts over HTTP/2, for the one push service that speaks nothing else.

Owns the use of `httpx` with `h2`, the packages of the extra `apns`: where they are installed, pushes to Apple's devices
are sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from ssl import SSLContext

from owncast_py.errors import ConfigError
from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.channels.posting import MAX_ANSWER

SECONDS = 15.0
"""For one post, with connecting and the answer."""
MISSING = 'Apple\'s push service speaks HTTP/2 alone; for its packages run: pip install "owncast-py[apns]"'


class Http2Poster:
    """Posts to one service that the configuration names. `aclose` ends its connection."""

    def __init__(self, verify: SSLContext | bool = True) -> None:
        """`verify` is what a server is trusted by. Raises ConfigError where the packages are missing."""
        try:
            import httpx

            # It looks for h2 here.
            self._client = httpx.AsyncClient(http1=False, http2=True, verify=verify, timeout=SECONDS, trust_env=False)
        except ImportError:
            raise ConfigError([f"notifications.apns: {MISSING}"]) from None
        self._faults = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)

    async def aclose(self) -> None:
        """Ends its connection."""
        await self._client.aclose()

    async def post(self, address: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Posts once. Never raises for what the other side or the network does."""
        place = address.split("/")[2]
        try:
            async with asyncio.timeout(SECONDS):
                answer = await self._client.post(address, content=body, headers=headers)
        except TimeoutError:
            return Outcome(error=f"{place} did not answer within {SECONDS:g} seconds.")
        except self._faults as error:
            return Outcome(error=f"Nothing was sent to {place}: {str(error)[:300] or type(error).__name__}.")
        said = answer.content[:MAX_ANSWER].decode("utf-8", "replace")
        failed = "" if 200 <= answer.status_code <= 299 else f"{place} answered {answer.status_code}."
        return Outcome(answer.status_code, failed, said)
