"""Request bodies and queries → values, or a sentence that says what is wrong with them.

Owns the reading of JSON from clients: whatever Content-Type they send it under, for Owncast's scripts name none. Shapes
are pydantic models beside the routes that take them.
"""

from __future__ import annotations

from typing import TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

MAX_QUERY_VALUE = 1_000
"""Characters of one value in a query."""

I = TypeVar("I", bound="Input")  # noqa: E741


class Input(BaseModel):
    """What a request brings. Unknown fields are ignored: clients of other versions send more."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)


class Query(Input):
    """What a request brings in its address, where everything is text."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=False)


async def read(request: web.Request, shape: type[I]) -> I:
    """The document in the body. Raises HTTPBadRequest with a sentence that names the field."""
    raw = await request.read()
    try:
        document: object = orjson.loads(raw) if raw.strip() else {}
    except orjson.JSONDecodeError as error:
        raise web.HTTPBadRequest(text=f"The body is not valid JSON: {error}.") from None
    if not isinstance(document, dict) and "value" in shape.model_fields:
        document = {"value": document}  # the 0.0.7 document shows some setters with the bare value
    if not isinstance(document, dict):
        raise web.HTTPBadRequest(text='The body must be a JSON object, such as {"value": "…"}.')
    return _validated(shape, document, "field")


def parse_query(request: web.Request, shape: type[I]) -> I:
    """The values in the address. Raises HTTPBadRequest with a sentence that names the one at fault."""
    for name, value in request.query.items():
        if name in shape.model_fields and len(value) > MAX_QUERY_VALUE:
            raise web.HTTPBadRequest(text=f"The parameter {name!r} is longer than {MAX_QUERY_VALUE} characters.")
    return _validated(shape, dict(request.query), "parameter")


def _validated(shape: type[I], document: dict[str, object] | dict[str, str], kind: str) -> I:
    try:
        return shape.model_validate(document)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "missing":
            raise web.HTTPBadRequest(text=f"The {kind} {where!r} is missing.") from None
        given = repr(fault["input"])
        shown = given if len(given) <= 60 else given[:57] + "…"
        raise web.HTTPBadRequest(text=f"The {kind} {where!r} cannot be {shown}: {fault['msg'].lower()}.") from None
