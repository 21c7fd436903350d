"""Request bodies and queries → values, or a sentence that says what is wrong with them.

Owns the reading of JSON from clients: whatever Content-Type they send it under, for Owncast's scripts name none. Shapes
are pydantic models beside the routes that take them.
"""

from __future__ import annotations

from typing import TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

B = TypeVar("B", bound="Body")


class Body(BaseModel):
    """A request's document. Unknown fields are ignored: clients of other versions send more."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


async def read(request: web.Request, shape: type[B]) -> B:
    """The document in the body. Raises HTTPBadRequest with a sentence that names the field."""
    raw = await request.read()
    try:
        document: object = orjson.loads(raw) if raw.strip() else {}
    except orjson.JSONDecodeError as error:
        raise web.HTTPBadRequest(text=f"The body is not valid JSON: {error}.") from None
    if not isinstance(document, dict):
        raise web.HTTPBadRequest(text='The body must be a JSON object, such as {"value": "…"}.')
    try:
        return shape.model_validate(document)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "missing":
            raise web.HTTPBadRequest(text=f"The field {where!r} is missing.") from None
        given = repr(fault["input"])
        shown = given if len(given) <= 60 else given[:57] + "…"
        raise web.HTTPBadRequest(text=f"The field {where!r} cannot be {shown}: {fault['msg'].lower()}.") from None


def whole(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number from the query. Raises HTTPBadRequest when it is none or out of range."""
    text = request.query.get(name)
    if text is None:
        return default
    try:
        value = int(text) if len(text) <= 20 else most + 1
    except ValueError:
        raise web.HTTPBadRequest(text=f"{name} must be a whole number, not {text[:40]!r}.") from None
    if not least <= value <= most:
        raise web.HTTPBadRequest(text=f"{name} must be from {least} to {most}, not {text[:40]}.")
    return value
