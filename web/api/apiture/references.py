"""What a client names: by id, or by the URI of a resource of this server, absolute or relative.

Owns only what a text says; whether there is such a resource, the services know. A URI of another server is refused,
and so is one of another kind of resource.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from aiohttp import web

from owncast_py.notifications import ids
from owncast_py.notifications.model import Shelf
from web.addresses import origin
from web.api.apiture.errors import Refused
from web.api.apiture.hal import BASE

COLLECTIONS = {
    Shelf.QUEUE: "deliveryQueue",
    Shelf.PULL: "pullNotifications",
    Shelf.RECEIVED: "receivedNotifications",
    Shelf.FAILED: "failedNotifications",
}
"""Where the notifications of each shelf are."""
MAX_ALTERNATIVES = 100
"""Values between `|` in one parameter."""
SHOWN = 80


class Kind(NamedTuple):
    """A kind of resource."""

    noun: str
    prefix: str
    collections: frozenset[str]


TOPIC = Kind("topic", ids.TOPIC, frozenset({"topics"}))
SUBSCRIPTION = Kind("subscription", ids.SUBSCRIPTION, frozenset({"subscriptions"}))
NOTIFICATION = Kind("notification", ids.NOTIFICATION, frozenset(COLLECTIONS.values()))


def identifier(request: web.Request, text: str, kind: Kind, where: str) -> str:
    """The id that a text names. `where` is the parameter or field. Raises Refused."""
    found = text if "/" not in text and ":" not in text else _in_uri(request, text, kind)
    if found is None or not is_id(found, kind):
        raise Refused(
            422,
            "referenceInvalid",
            f"{where} is {text[:SHOWN]!r}, which names no {kind.noun} of this server; give its id, or a URI such as "
            f"{origin(request)}{BASE}/{min(kind.collections)}/{{id}}.",
            attributes={"reference": where},
        )
    return found


def alternatives(request: web.Request, text: str, kind: Kind, where: str) -> list[str]:
    """The ids that are between `|`, each once. Raises Refused."""
    return list(dict.fromkeys(identifier(request, each, kind, where) for each in values(text, where)))


def values(text: str, where: str) -> list[str]:
    """What is between `|`. Raises Refused for too many."""
    found = text.split("|")
    if len(found) > MAX_ALTERNATIVES:
        sentence = f"{where} names {len(found)} values; name at most {MAX_ALTERNATIVES}."
        raise Refused(422, "parameterInvalid", sentence, attributes={"parameter": where})
    return found


def is_id(text: str, kind: Kind) -> bool:
    """Whether that is an id of such a resource, as far as its text tells."""
    return text.startswith(kind.prefix) and ids.number_of(text) >= 0


def _in_uri(request: web.Request, text: str, kind: Kind) -> str | None:
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    if parts.query or parts.fragment:
        return None
    if (parts.scheme or parts.netloc) and f"{parts.scheme}://{parts.netloc}".lower() != origin(request).lower():
        return None
    path = unquote(parts.path)
    if not path.startswith(f"{BASE}/"):
        return None
    collection, _, found = path.removeprefix(f"{BASE}/").partition("/")
    return found if collection in kind.collections else None
