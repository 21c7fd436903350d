"""Owncast's webhooks: a thin view of the endpoints of `owncast_py.notifications`.

Owns the wire format: a webhook is an endpoint of the channel `webhook`, its events are the topics that it subscribes
to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NotRequired

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.chat.content import timestamp
from owncast_py.chat.moderation import Moderation
from owncast_py.notifications.model import Endpoint
from owncast_py.notifications.service import Notifications
from owncast_py.topics import TOPICS
from web.api.owncast import answers
from web.api.owncast.answers import Done, done
from web.authentication import Authentication
from web.body import Input
from web.operations import Call, Operation

CHANNEL = "webhook"


class NewWebhook(Input):
    """Where events go, and which."""

    url: str = Field(max_length=2_048)
    events: list[str] = Field(max_length=100)


class WebhookId(Input):
    """A webhook. Releases up to 0.1 number them."""

    id: str | int


class WebhookView(TypedDict):
    """A webhook. `lastUsed` is when an event last arrived there; `active` is false once it has answered 410.

    `signed` tells whether what is sent there is signed; the `secret` for that is told once, by what made it.
    """

    id: str
    url: str
    events: list[str]
    active: bool
    timestamp: str
    lastUsed: str | None
    signed: bool
    secret: NotRequired[str]


class WebhooksApi:
    """The routes of webhooks."""

    def __init__(
        self,
        notifications: Notifications,
        moderation: Moderation,
        authentication: Authentication,
        check_target: Callable[[str], None],
    ) -> None:
        """`check_target` raises for an address that must not be called."""
        self._check_target = check_target
        self._notifications = notifications
        self._moderation = moderation
        self._authentication = authentication

    def operations(self) -> list[Operation]:
        """All of them."""
        admin = self._authentication.as_admin
        api = answers.api("Webhooks")
        api.add("GET", "/api/admin/webhooks", self._list, admin)
        api.add("POST", "/api/admin/webhooks/create", self._create, admin)
        api.add("POST", "/api/admin/webhooks/delete", self._delete, admin)
        api.add("POST", "/api/admin/webhooks/secret", self._renew_secret, admin)
        return api.operations

    async def _list(self, _call: Call[None]) -> list[WebhookView]:
        """Every webhook, the oldest first."""
        # What only other topics are sent to was made by another API, and is seen there.
        return [_view(*found) for found in self._notifications.endpoints.listing(CHANNEL) if found[1]]

    async def _create(self, call: Call[NewWebhook]) -> WebhookView:
        """Makes a webhook. What happens from now on is posted there until it arrives, for up to four days."""
        unknown = [event for event in call.input.events if event not in TOPICS]
        if unknown or not call.input.events:
            what = f"There is no event {unknown[0][:60]!r}" if unknown else "A webhook needs events"
            raise web.HTTPBadRequest(text=f"{what}; they are among {', '.join(TOPICS)}.")
        self._check_target(call.input.url)
        topics = list(dict.fromkeys(call.input.events))
        endpoint = await self._notifications.endpoints.create(CHANNEL, call.input.url, {}, topics)
        await self._moderation.record(call.actor, "create webhook", endpoint.id, endpoint.url)
        return {**_view(endpoint, topics), "secret": endpoint.secret}

    async def _renew_secret(self, call: Call[WebhookId]) -> WebhookView:
        """Gives a webhook a new secret to sign with. The one before it is good for another 24 hours."""
        wanted = str(call.input.id)
        await self._notifications.endpoints.renew_secret(wanted)
        await self._moderation.record(call.actor, "renew webhook secret", wanted)
        endpoint, topics = next(each for each in self._notifications.endpoints.listing(CHANNEL) if each[0].id == wanted)
        return {**_view(endpoint, topics), "secret": endpoint.secret}

    async def _delete(self, call: Call[WebhookId]) -> Done:
        """Deletes a webhook, and with it what has not arrived there."""
        wanted = str(call.input.id)
        if not await self._notifications.endpoints.delete(wanted):
            raise web.HTTPBadRequest(text=f"There is no webhook with the id {wanted[:60]!r}.")
        await self._moderation.record(call.actor, "delete webhook", wanted)
        return done("deleted webhook")


def _view(endpoint: Endpoint, topics: Sequence[str]) -> WebhookView:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "events": list(topics),
        "active": endpoint.active,
        "timestamp": timestamp(endpoint.created_at),
        "lastUsed": timestamp(endpoint.last_used_at) if endpoint.last_used_at else None,
        "signed": bool(endpoint.secret),
    }
