"""The way in: links to everything, the API's own document, and how the queue does.

Owns `/notifications/`, `/notifications/apiDoc` and `/notifications/lanes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit

from typing_extensions import TypedDict

from owncast_py.accounts.model import Scope
from owncast_py.notifications.model import Method
from owncast_py.notifications.service import Notifications
from owncast_py.notifications.shelves import Lane
from web.api.apiture import callers
from web.api.apiture.errors import ENVELOPE
from web.api.apiture.hal import Hal, Links, link, profile
from web.authentication import Authentication
from web.operations import Api, Call, Contract, Operation, Rendered, Wrapper

API_VERSION = "0.4.1"
"""Of Apiture Notifications."""
RESOURCES = (
    "apiDoc",
    "messages",
    "pullNotifications",
    "deliveryQueue",
    "failedNotifications",
    "receivedNotifications",
    "subscriptions",
    "activeSubscriptions",
    "inactiveSubscriptions",
    "topics",
    "lanes",
)


class RootView(TypedDict):
    """This API. `apiture:subscriber` is who the caller subscribes as."""

    _id: str
    id: str
    _profile: str
    name: str
    apiVersion: str
    _links: Links


class LaneView(TypedDict):
    """How an endpoint does. `error` is what its last delivery failed with."""

    _id: str
    topics: list[str]
    deliveryChannel: str
    deliveryMethod: Literal["push", "pull"]
    host: str
    pending: int
    failed: int
    leftOut: int
    state: str
    error: str


class LaneItems(TypedDict):
    """Endpoints."""

    items: list[LaneView]


class LanesView(TypedDict):
    """How every endpoint does."""

    _profile: str
    name: str
    count: int
    _links: Links
    _embedded: LaneItems


class RootApi:
    """The routes of the way in."""

    def __init__(
        self, notifications: Notifications, authentication: Authentication, described: Callable[[], bytes]
    ) -> None:
        """`described` is the API's document."""
        self._shelves = notifications.shelves
        self._authentication = authentication
        self._described = described

    def operations(self, wrapper: Wrapper) -> list[Operation]:
        """All of them."""
        reading = self._authentication.as_data(Scope.DATA_READ)
        api = Api("Notifications", wrapper, ENVELOPE)
        api.add("GET", "/notifications/apiDoc", self._document, contract=Contract("getApiDoc"))
        api.add("GET", "/notifications/", self._root, reading, contract=Contract("getApi"))
        api.add("GET", "/notifications", self._root, reading, contract=Contract("getApiWithoutSlash"))
        api.add("GET", "/notifications/lanes", self._lanes, reading, contract=Contract("getLanes"))
        return api.operations

    async def _document(self, _call: Call[None]) -> Rendered[dict[str, object]]:
        """This API's document."""
        return Rendered(self._described(), "no-cache")

    async def _root(self, call: Call[None]) -> Hal[RootView]:
        """Links to everything that there is."""
        links: Links = {"self": link(call.request, "")}
        links |= {f"apiture:{name}": link(call.request, name) for name in RESOURCES}
        links["apiture:subscriber"] = {"href": callers.own_uri(call.actor)}
        view: RootView = {
            "_id": "notifications",
            "id": "notifications",
            "_profile": profile("common/root"),
            "name": "Notifications",
            "apiVersion": API_VERSION,
            "_links": links,
        }
        return Hal(call.request, view)

    async def _lanes(self, call: Call[None]) -> Hal[LanesView]:
        """How every endpoint does: what waits for it, what failed, and why."""
        items = [_lane(each) for each in self._shelves.lanes()]
        view: LanesView = {
            "_profile": profile("notifications/lanes"),
            "name": "lanes",
            "count": len(items),
            "_links": {"self": link(call.request, "lanes")},
            "_embedded": {"items": items},
        }
        return Hal(call.request, view)


def _lane(lane: Lane) -> LaneView:
    return {
        "_id": lane.endpoint.id,
        "topics": list(lane.topics),
        "deliveryChannel": lane.endpoint.channel,
        "deliveryMethod": "pull" if lane.endpoint.method is Method.PULL else "push",
        "host": _host(lane.endpoint.url),
        "pending": lane.pending,
        "failed": lane.failed,
        "leftOut": lane.left_out,
        "state": lane.state,
        "error": lane.error,
    }


def _host(url: str) -> str:
    """Of an address no more than its host: what follows is a secret with some services."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        # One that is never called, for it is pulled, may be anything.
        return ""
