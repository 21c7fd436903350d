"""HAL: what every representation of this dialect has in common.

Owns links, profiles, the collection with its pages, and the answer as bytes. HAL is draft-kelly-json-hal-11; profiles
and link relations are those of Apiture Notifications 0.4.1. All links are absolute, as the client knows this server.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Generic, NotRequired, TypeVar
from urllib.parse import urlencode

import orjson
from aiohttp import hdrs, web
from typing_extensions import TypedDict

from web.addresses import origin

T_co = TypeVar("T_co", covariant=True)

BASE = "/notifications"
HAL_TYPE = "application/hal+json"
JSON_TYPE = "application/json"
REVALIDATED = "private, no-cache"
"""Of what has an entity tag: the client may keep it, and asks each time whether it is still so."""
PROFILE = "https://api.apiture.com/schemas/{name}/v1.0.0/profile.json"


class Link(TypedDict):
    """Where something is. `templated` is for URI templates (RFC 6570)."""

    href: str
    templated: NotRequired[bool]


Links = dict[str, Link]


class Pages(TypedDict):
    """What all collections tell of a page."""

    _profile: str
    name: str
    count: int
    start: int
    limit: int
    _links: Links


class Hal(web.Response, Generic[T_co]):
    """A document of the type T, as `application/hal+json` for whoever asks for that."""

    def __init__(
        self,
        request: web.Request,
        document: T_co,
        status: int = 200,
        *,
        etag: str = "",
        location: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`etag` is the quoted tag."""
        told = {hdrs.CACHE_CONTROL: REVALIDATED if etag else "no-store", hdrs.VARY: hdrs.ACCEPT, **(headers or {})}
        if etag:
            told[hdrs.ETAG] = etag
        if location:
            told[hdrs.LOCATION] = location
        super().__init__(body=orjson.dumps(document), status=status, content_type=media_type(request), headers=told)


def media_type(request: web.Request) -> str:
    """How the client wants documents called; the octets are the same."""
    accepted = ",".join(request.headers.getall(hdrs.ACCEPT, ())).lower()
    return HAL_TYPE if HAL_TYPE in accepted else JSON_TYPE


def profile(name: str) -> str:
    """The profile of a representation, such as notifications/topic."""
    return PROFILE.format(name=name)


def moment(time: datetime) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def uri(request: web.Request, *parts: str) -> str:
    """The absolute address of something of this dialect."""
    return "/".join((origin(request) + BASE, *parts))


def link(request: web.Request, *parts: str) -> Link:
    """A link to something of this dialect."""
    return {"href": uri(request, *parts)}


def page(request: web.Request, kind: str, name: str, *, start: int, limit: int, count: int, as_of: str = "") -> Pages:
    """What a collection tells of one page, with links to the others, which keep what was asked for.

    With `as_of` they show what was there when the first page was made, whatever has come since.
    """
    here = origin(request) + request.path
    # A parameter that is given twice counts once, as it was read.
    kept = dict(request.query)
    if as_of:
        kept["asOf"] = as_of

    def at(index: int) -> Link:
        query = urlencode(kept | {"start": str(index), "limit": str(limit)})
        return {"href": f"{here}?{query}"}

    links: Links = {"self": at(start), "collection": {"href": here}, "first": at(0)}
    if start > 0:
        links["prev"] = at(max(0, start - limit))
    if start + limit < count:
        links["next"] = at(start + limit)
    if count > 0:
        links["last"] = at((count - 1) // limit * limit)
    return {
        "_profile": profile(kind),
        "name": name,
        "count": count,
        "start": start,
        "limit": limit,
        "_links": links,
    }


def raw(octets: bytes) -> dict[str, object]:
    """A JSON object that is octets already, to be part of a document."""
    return orjson.Fragment(octets)  # type: ignore[return-value]  # it becomes an object when it is written
