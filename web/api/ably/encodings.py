"""Data on the wire ↔ the one form in which it is kept: octets, and the chain of steps that made them.

Owns which data is text, which is octets, and what each kind of reader gets; carries every step that it does not know,
ciphers among them, as it came. A chain is written as `json/utf-8/cipher+aes-128-cbc`, the last step last (features
specification, RSL4 to RSL6). Of the steps, `base64` is of the wire alone: JSON has no octets, MessagePack has.

    wire                                       kept
    text, encoding E                           its UTF-8, E/utf-8
    text, encoding E/base64                    what it stands for, E
    octets (MessagePack), encoding E           the octets, E
    an object, list, number or boolean         its JSON, json/utf-8
    null, or nothing                           nothing, ABSENT

A chain that ends with `utf-8` or `json` is shown as a text, without that `utf-8`. Whatever else is octets.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from typing import NamedTuple

import orjson

from owncast_py.realtime.messages import ABSENT
from web.api.ably.errors import AblyError

MAX_ENCODING = 90
"""Characters of an encoding, so that a step can be added to it."""

BASE64 = "base64"
JSON = "json"
UTF_8 = "utf-8"
_STEP = re.compile(r"[A-Za-z0-9][\w.+-]*", re.ASCII)


class Payload(NamedTuple):
    """Data as it is kept."""

    octets: bytes
    chain: str


class Shown(NamedTuple):
    """Data as a reader gets it. None stands for nothing, in either."""

    data: str | bytes | None
    encoding: str | None


def stored(data: object, encoding: object = None) -> Payload:
    """The form in which data is kept. Raises AblyError (40013)."""
    steps = _steps(encoding)
    if data is None:
        return Payload(b"", ABSENT)
    if isinstance(data, str):
        if steps[-1:] == [BASE64]:
            return _checked(_octets(data), steps[:-1])
        return Payload(data.encode(), "/".join([*steps, UTF_8]))
    if isinstance(data, bytes):
        return _checked(data, steps)
    if steps not in ([], [JSON]):
        kind = "an object or a list" if isinstance(data, (dict, list)) else "a number or a boolean"
        raise _refusal(f"Data with the encoding {str(encoding)!r} cannot be {kind}, only a text or octets.")
    try:
        return Payload(orjson.dumps(data), f"{JSON}/{UTF_8}")
    except (TypeError, orjson.JSONEncodeError):
        raise _refusal("Octets cannot be within an object or a list; only data as a whole can be octets.") from None


def shown(octets: bytes, chain: str, *, binary: bool) -> Shown:
    """What a reader gets: one of MessagePack if `binary`, else one of JSON."""
    if chain == ABSENT:
        return Shown(None, None)
    before, _, last = chain.rpartition("/")
    if last == UTF_8:
        return Shown(octets.decode(errors="replace"), before or None)
    if last == JSON:
        return Shown(octets.decode(errors="replace"), chain)
    if binary:
        return Shown(octets, chain or None)
    return Shown(b64encode(octets).decode(), f"{chain}/{BASE64}" if chain else BASE64)


def _steps(encoding: object) -> list[str]:
    if encoding is None or encoding == "":
        return []
    if not isinstance(encoding, str):
        raise _refusal(f"An encoding must be a text, not {type(encoding).__name__}.")
    if len(encoding) > MAX_ENCODING:
        raise _refusal(f"An encoding has at most {MAX_ENCODING} characters, not {len(encoding)}.")
    steps = encoding.strip("/").split("/")
    for step in steps:
        if not _STEP.fullmatch(step) or step == ABSENT:
            raise _refusal(f"The encoding {encoding!r} has the step {step!r}, which is none.")
    return steps


def _octets(data: str) -> bytes:
    try:
        return b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise _refusal("The encoding ends with base64, but the data is not in base64.") from None


def _checked(octets: bytes, steps: list[str]) -> Payload:
    if steps and steps[-1] in (UTF_8, JSON):
        try:
            octets.decode()
        except UnicodeDecodeError:
            raise _refusal(f"The encoding says that the data is {steps[-1]}, but its octets are no UTF-8.") from None
    return Payload(octets, "/".join(steps))


def _refusal(sentence: str) -> AblyError:
    return AblyError(40013, 400, sentence)
