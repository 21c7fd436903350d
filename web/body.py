"""Request bodies and queries → values, or a sentence that says what is wrong with them.

Owns the reading of JSON from clients: whatever Content-Type they send it under, for Owncast's scripts name none. Shapes
are pydantic models beside the routes that take them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

MAX_QUERY_VALUE = 1_000
"""Characters of one value in a query."""
MAX_FAULTS = 20
"""Of one request that are told."""

I = TypeVar("I", bound="Input")  # noqa: E741


class Input(BaseModel):
    """What a request brings. Unknown fields are ignored: clients of other versions send more."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)


class Query(Input):
    """What a request brings in its address, where everything is text."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=False)

    longest: ClassVar[int] = MAX_QUERY_VALUE
    """Characters of one value."""


class Fault(NamedTuple):
    """What is wrong with one part of a request."""

    part: Literal["body", "field", "parameter"]
    where: str
    """The field, as a.b.0, or the parameter; empty for the body."""
    type: str
    """pydantic's name for it, or `not_json`, `not_an_object`, `string_too_long`."""
    sentence: str


class InputRefused(web.HTTPBadRequest):
    """A request that cannot be taken. Its text is the sentence of the first fault."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(text=faults[0].sentence)
        self.faults = tuple(faults)


async def read(request: web.Request, shape: type[I]) -> I:
    """The document in the body. Raises InputRefused with a sentence that names the field."""
    raw = await request.read()
    try:
        document: object = orjson.loads(raw) if raw.strip() else {}
    except orjson.JSONDecodeError as error:
        raise InputRefused([Fault("body", "", "not_json", f"The body is not valid JSON: {error}.")]) from None
    if not isinstance(document, dict) and "value" in shape.model_fields:
        document = {"value": document}  # the 0.0.7 document shows some setters with the bare value
    if not isinstance(document, dict):
        sentence = 'The body must be a JSON object, such as {"value": "…"}.'
        raise InputRefused([Fault("body", "", "not_an_object", sentence)])
    return validated(shape, document, "field")


def parse_query(request: web.Request, shape: type[I]) -> I:
    """The values in the address. Raises InputRefused with a sentence that names the one at fault."""
    longest = shape.longest if issubclass(shape, Query) else MAX_QUERY_VALUE
    names = {field.alias or name for name, field in shape.model_fields.items()}
    for name, value in request.query.items():
        if name in names and len(value) > longest:
            sentence = f"The parameter {name!r} is longer than {longest} characters."
            raise InputRefused([Fault("parameter", name, "string_too_long", sentence)])
    return validated(shape, dict(request.query), "parameter")


def validated(shape: type[I], document: dict[str, object] | dict[str, str], part: Literal["field", "parameter"]) -> I:
    """The document as that shape. Raises InputRefused with every fault, of `MAX_FAULTS`."""
    try:
        return shape.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)[:MAX_FAULTS]
        raise InputRefused([_fault(part, dict(each)) for each in found]) from None


def _fault(part: Literal["field", "parameter"], found: dict[str, object]) -> Fault:
    location = found["loc"]
    where = ".".join(str(each) for each in location) if isinstance(location, tuple) else ""
    if found["type"] == "missing":
        return Fault(part, where, "missing", f"The {part} {where!r} is missing.")
    given = repr(found["input"])
    shown = given if len(given) <= 60 else given[:57] + "…"
    sentence = f"The {part} {where!r} cannot be {shown}: {str(found['msg']).lower()}."
    return Fault(part, where, str(found["type"]), sentence)
