"""JSON, MessagePack, JSONP, HTML and forms ↔ values of plain Python.

Owns which of them a request asks for, and what none of them may hold: more than MAX_BODY octets, values within values
deeper than MAX_DEPTH, keys that are no text, numbers that JSON does not know. Of a key that comes twice, the last one
counts. What the values mean is for others. Old writers of MessagePack have one type for texts and for octets ("raw"):
what is no UTF-8 becomes octets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from html import escape
from math import isfinite
from typing import Generic, TypeVar
from urllib.parse import parse_qsl

import msgpack  # type: ignore[import-untyped]
import orjson
from aiohttp import web

from web.body import Input, validated
from web.operations import Codec

MAX_BODY = 2 * 1024 * 1024
"""Octets of one body."""
MAX_DEPTH = 64
"""Of lists and maps within each other."""
MAX_FIELDS = 1_000
"""Of a form."""
SERVER_ID = "owncast"

_CALLBACK = re.compile(r"[A-Za-z_$][\w$]{0,63}(\.[A-Za-z_$][\w$]{0,63}){0,4}", re.ASCII)
_SHOWN = 40

T = TypeVar("T")


class Format(Enum):
    """How an answer is written; the value is its media type."""

    JSON = "application/json"
    MSGPACK = "application/x-msgpack"
    HTML = "text/html"
    JSONP = "application/javascript"


class Answer(web.Response, Generic[T]):
    """A document of the type T, written in the format that was asked for."""


class FormatError(ValueError):
    """A body or a wish that cannot be read. The message is a sentence."""


_BY_NAME: Mapping[str, Format] = {each.name.lower(): each for each in Format}
_BY_TYPE: Mapping[str, Format] = {
    **{each.value: each for each in Format},
    "application/msgpack": Format.MSGPACK,
    "text/javascript": Format.JSONP,
}
FORM = "application/x-www-form-urlencoded"


def wanted(request: web.Request) -> Format:
    """What the request asks for: by `format` in its address, else by the header Accept, else JSON.

    Raises FormatError for a `format` that there is not.
    """
    name = request.query.get("format")
    if name is not None:
        if name not in _BY_NAME:
            raise FormatError(f"The format {name[:_SHOWN]!r} is not one of {', '.join(_BY_NAME)}.")
        return _BY_NAME[name]
    best, weight = Format.JSON, 0.0
    for part in request.headers.get("Accept", "").split(","):
        media, *parameters = (each.strip().lower() for each in part.split(";"))
        found = _BY_TYPE.get(media)
        if found is not None and (given := _quality(parameters)) > weight:
            best, weight = found, given
    return best


def encode(format: Format, value: object, callback: str = "") -> bytes:
    """The value in that format. Octets are for MessagePack alone; `callback` is for JSONP.

    Raises FormatError for a callback that is no name of a function.
    """
    if format is Format.MSGPACK:
        return bytes(msgpack.packb(value, use_bin_type=True))
    document = orjson.dumps(value)
    if format is Format.JSONP:
        if not _CALLBACK.fullmatch(callback):
            raise FormatError(f"The callback {callback[:_SHOWN]!r} is no name of a function; give one in `callback`.")
        # The comment keeps what follows from being taken for another file type by its first octets. These two end a
        # line in a script, though not in JSON.
        text = document.replace(b"\xe2\x80\xa8", rb"\u2028").replace(b"\xe2\x80\xa9", rb"\u2029")
        return b"/**/" + callback.encode() + b"(" + text + b");"
    if format is Format.HTML:
        shown = escape(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
        return f"<!doctype html>\n<meta charset=utf-8>\n<title>Channels</title>\n<pre>{shown}</pre>\n".encode()
    return document


def decode(body: bytes, content_type: str = "") -> object:
    """What a body holds; nothing at all is None. Any type but MessagePack and forms is read as JSON.

    Raises FormatError.
    """
    if len(body) > MAX_BODY:
        raise FormatError(f"The body has {len(body)} octets; at most {MAX_BODY} are taken.")
    media = content_type.partition(";")[0].strip().lower()
    if media == FORM:
        return _form(body)
    if not body:
        return None
    if _BY_TYPE.get(media) is Format.MSGPACK:
        return _plain(_unpacked(body), 0)
    try:
        document: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise FormatError(f"The body is not valid JSON: {error}.") from None
    return _plain(document, 0)


def answer(request: web.Request, value: T, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer[T]:
    """The value as an answer in the format that the request asks for. None is an answer without a body.

    Raises FormatError when that format cannot be had.
    """
    common = {"Cache-Control": "no-store", "X-Ably-ServerId": SERVER_ID, **(headers or {})}
    if value is None:
        return Answer(status=204, headers=common)
    format = wanted(request)
    body = encode(format, value, request.query.get("callback", ""))
    if format is Format.HTML:
        common["Content-Security-Policy"] = "default-src 'none'"
        return Answer(status=status, body=body, content_type=format.value, charset="utf-8", headers=common)
    # A browser runs no script that came with another status; the document says the status of a refusal.
    shown = 200 if format is Format.JSONP else status
    return Answer(status=shown, body=body, content_type=format.value, headers=common)


async def read_value(request: web.Request) -> object:
    """What the body of a request holds. Raises FormatError."""
    return decode(await request.read(), request.headers.get("Content-Type", ""))


async def _read(request: web.Request, shape: type[Input]) -> Input:
    document = await read_value(request)
    if list(shape.model_fields) == ["value"]:
        # Such a shape takes the whole document, whatever it is.
        return validated(shape, {"value": document}, "field")
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise FormatError(f"The body must be an object with fields, not {type(document).__name__}.")
    return validated(shape, document, "field")


CODEC = Codec(read=_read, write=answer)
"""Reads bodies and writes answers in all of these. A shape with `value` as its only field takes the whole document."""


def _quality(parameters: list[str]) -> float:
    for each in parameters:
        name, _, value = each.partition("=")
        if name == "q":
            try:
                given = float(value)
            except ValueError:
                return 0.0
            return given if isfinite(given) else 0.0
    return 1.0


def _unpacked(body: bytes) -> object:
    try:
        document: object = msgpack.unpackb(body, raw=False, strict_map_key=True, unicode_errors="surrogateescape")
    except (ValueError, TypeError, OverflowError, msgpack.exceptions.UnpackException) as error:
        # ExtraData and FormatError of msgpack say no more than their names.
        raise FormatError(f"The body is not valid MessagePack ({type(error).__name__}).") from None
    return document


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise FormatError(f"The form is not UTF-8 in percent-encoding, or has more than {MAX_FIELDS} fields.") from None
    return dict(pairs)


def _plain(value: object, depth: int) -> object:
    """The value of nothing but None, bool, int, float, str, bytes, list and dict with texts for keys."""
    if isinstance(value, (list, dict)) and depth >= MAX_DEPTH:
        raise FormatError(f"The body has values within values deeper than {MAX_DEPTH}.")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or isinstance(_text(key), bytes):
                raise FormatError(f"A key in the body is no text: {str(key)[:_SHOWN]!r}.")
        return {key: _plain(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, depth + 1) for each in value]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float) and not isfinite(value):
        raise FormatError(f"The body has the number {value}, which JSON does not know; leave it out.")
    if value is None or isinstance(value, (bool, int, float, bytes)):
        return value
    raise FormatError(f"The body has a value of the MessagePack type {type(value).__name__}, which is not taken here.")


def _text(value: str) -> str | bytes:
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="surrogateescape")
    return value
