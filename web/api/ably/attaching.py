"""What a client asks for when it attaches to a channel: the channel, its parameters, the modes. Sans-I/O.

Owns names with qualifiers such as `[?rewind=1]game`, and which modes are granted. Features specification 6.1, RTL4 and
TB; what the modes allow is `connection`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qsl

from owncast_py.realtime.occupancy import ALL, Mode
from web.api.ably.errors import AblyError

MAX_NAME = 200
"""Characters of a channel's name."""
MAX_REWIND = 100
"""Messages."""
MAX_REWIND_TIME = timedelta(minutes=2)
FLAGS = {Mode.PRESENCE: 1 << 16, Mode.PUBLISH: 1 << 17, Mode.SUBSCRIBE: 1 << 18, Mode.PRESENCE_SUBSCRIBE: 1 << 19}
"""Of the wire (TR3)."""

_QUALIFIED = re.compile(r"\[(?P<qualifier>[a-zA-Z]*)(?:\?(?P<params>[^\]]*))?\](?P<name>.*)", re.DOTALL)
_REWIND = re.compile(r"(\d{1,6})([sm]?)")
_NAMES = {
    "presence": Mode.PRESENCE,
    "publish": Mode.PUBLISH,
    "subscribe": Mode.SUBSCRIBE,
    "presence_subscribe": Mode.PRESENCE_SUBSCRIBE,
}
_OPERATIONS = {
    Mode.PRESENCE: "presence",
    Mode.PUBLISH: "publish",
    Mode.SUBSCRIBE: "subscribe",
    Mode.PRESENCE_SUBSCRIBE: "subscribe",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an attachment is to be."""

    name: str
    """The channel, without qualifiers."""
    params: Mapping[str, str] = field(default_factory=dict)
    """Those that this server knows; the answer repeats them."""
    modes: Mode = ALL
    explicit: bool = False
    """Whether the modes were asked for, rather than all that there are."""
    rewind: int | timedelta | None = None
    occupancy: bool = False


def channel_name(text: str) -> str:
    """A channel's name, with its qualifier taken off where that only has parameters. Raises AblyError 40010."""
    return _split(text)[0]


def wanted(channel: str, params: Mapping[str, object] | None, flags: int) -> Wanted:
    """What an ATTACH asks for. What stands in `params` wins over what the name says, and over the flags.

    Raises AblyError: 40010 for a name, 40000 for a parameter.
    """
    name, given = _split(channel)
    asked = given | {key: str(value) for key, value in (params or {}).items()}
    kept = {key: asked[key] for key in ("modes", "rewind", "occupancy") if key in asked}
    by_flags = _modes_of(flags)
    modes = by_flags or ALL
    if "modes" in kept:
        modes = _named_modes(kept["modes"])
    return Wanted(
        name=name,
        params=kept,
        modes=modes,
        explicit=bool(by_flags) or "modes" in kept,
        rewind=_rewind(kept["rewind"]) if "rewind" in kept else None,
        occupancy=kept.get("occupancy") == "metrics",
    )


def granted(modes: Mode, allows: Mapping[str, bool]) -> Mode:
    """Those of the modes that a capability allows; `allows` says so for each of its operations."""
    found = Mode(0)
    for mode in modes:
        if allows[_OPERATIONS[mode]]:
            found |= mode
    return found


def flags_of(modes: Mode) -> int:
    """The modes as flags of the wire."""
    return sum(FLAGS[mode] for mode in modes)


def _modes_of(flags: int) -> Mode:
    found = Mode(0)
    for mode, flag in FLAGS.items():
        if flags & flag:
            found |= mode
    return found


def _split(text: str) -> tuple[str, dict[str, str]]:
    found = _QUALIFIED.fullmatch(text)
    name, params = text, dict[str, str]()
    if found is not None and found["name"]:
        if found["qualifier"] not in ("", "meta"):
            raise AblyError(40010, 400, f"The channel {text[:60]!r} has a qualifier that is not known here.")
        params = dict(parse_qsl(found["params"] or "", max_num_fields=20))
        name = found["name"] if not found["qualifier"] else f"[meta]{found['name']}"
    plain = name.removeprefix("[meta]")
    if not plain or plain[0] in ":[" or len(name) > MAX_NAME or "\0" in name:
        raise AblyError(40010, 400, f"There can be no channel {text[:60]!r}, of at most {MAX_NAME} characters.")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise AblyError(40010, 400, "The name of a channel has half a character in it.") from None
    return name, params


def _named_modes(text: str) -> Mode:
    found = Mode(0)
    for each in text.split(","):
        mode = _NAMES.get(each.strip().lower())
        if mode is not None:
            found |= mode
    if not found:
        raise AblyError(40000, 400, f"Of the modes {text[:60]!r} none is known; there are {', '.join(_NAMES)}.")
    return found


def _rewind(text: str) -> int | timedelta:
    found = _REWIND.fullmatch(text)
    if found is None:
        raise AblyError(40000, 400, f"The parameter rewind cannot be {text[:40]!r}; give 10, 30s or 2m.")
    number = int(found[1])
    if not found[2]:
        return min(number, MAX_REWIND)
    seconds = number * (60 if found[2] == "m" else 1)
    return min(timedelta(seconds=seconds), MAX_REWIND_TIME)
