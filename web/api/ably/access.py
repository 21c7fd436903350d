"""What this dialect asks of whoever lets people in."""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from owncast_py.realtime.capability import Capability
from web.operations import Guard


class Grant(Protocol):
    """What somebody may do."""

    @property
    def app(self) -> str: ...
    @property
    def client_id(self) -> str: ...
    @property
    def capability(self) -> Capability: ...


class Gate(Protocol):
    """Who is there, and may they."""

    @property
    def guard(self) -> Guard: ...
    def granted(self, request: web.Request) -> Grant: ...
    def demand(self, grant: Grant, operation: str, channel: str = "*") -> None: ...
