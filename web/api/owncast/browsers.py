"""How a viewer's browser asks to be told that the show begins.

Owns that route's wire format: what the Push API's `PushSubscription.toJSON()` gives, which Owncast's page sends as an
object and others as text. Who is told, and how, is `owncast_py.go_live`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import orjson
from aiohttp import web
from pydantic import BaseModel, Field, ValidationError

from owncast_py.buckets import TokenBuckets
from owncast_py.go_live import GoLive
from web.addresses import client_address
from web.api.owncast import answers
from web.api.owncast.answers import Done, done
from web.authentication import Authentication
from web.body import Input
from web.operations import Call, Operation

AT_ONCE = 5
PER_HOUR = 20
"""Registrations of one address."""


class BrowserKeys(BaseModel):
    """By what a message is encrypted for a browser, each in base64url."""

    p256dh: str = Field(max_length=120)
    auth: str = Field(max_length=60)


class Browser(BaseModel):
    """Where a browser's push service is, and by what it reads."""

    endpoint: str = Field(max_length=2_048)
    keys: BrowserKeys


class Registration(Input):
    """A browser that wants to be told. `destination` is its subscription, as an object or as JSON in a text."""

    channel: Literal["BROWSER_PUSH_NOTIFICATION"]
    destination: Browser | str


class BrowsersApi:
    """The route."""

    def __init__(self, go_live: GoLive, authentication: Authentication, monotonic: Callable[[], float]) -> None:
        self._go_live = go_live
        self._authentication = authentication
        self._buckets = TokenBuckets(AT_ONCE, PER_HOUR / 3600, monotonic)

    def operations(self) -> list[Operation]:
        """It."""
        api = answers.api("Users")
        api.add("POST", "/api/notifications/register", self._register, self._authentication.as_chatter)
        return api.operations

    async def _register(self, call: Call[Registration]) -> Done:
        """Has a browser told, from now on, when a show begins."""
        if self._buckets.take(client_address(call.request)) > 0:
            raise web.HTTPTooManyRequests(text="Too many browsers registered from your address; try again later.")
        given = call.input.destination
        if isinstance(given, str):
            try:
                given = Browser.model_validate(orjson.loads(given))
            except (orjson.JSONDecodeError, ValidationError):
                raise web.HTTPBadRequest(
                    text="The destination is no push subscription; send what the browser's PushManager gave."
                ) from None
        await self._go_live.add_browser(given.endpoint, {"keys": given.keys.model_dump()})
        return done("this browser will be told when a show begins")
