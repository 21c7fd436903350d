"""The time of this server, as clients ask for it whose clock is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from web.api.ably.errors import ENVELOPE
from web.api.ably.formats import CODEC
from web.api.ably.messages import milliseconds
from web.operations import Api, Call, Contract, Operation, Wrapper


class TimeApi:
    """It has one operation, for everybody."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        """`now` is aware, in UTC."""
        self._now = now

    def operations(self, wrapper: Wrapper) -> list[Operation]:
        """All of it."""
        api = Api("Stats", wrapper, ENVELOPE, CODEC)
        api.add("GET", "/time", self._time, contract=Contract("getTime", refusals=(400,)))
        return api.operations

    async def _time(self, call: Call[None]) -> list[int]:
        """Says what time it is, in milliseconds since 1970."""
        return [milliseconds(self._now())]
