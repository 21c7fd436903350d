"""What a client asks for when it attaches to a channel: parameters and modes. Sans-I/O.

Owns which parameters there are, and which modes are granted; names are `names`'. Features specification 6.1, RTL4 and
TB3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qsl

from owncast_py.realtime.capability import Capability
from owncast_py.realtime.occupancy import ALL, Mode
from web.api.ably.errors import AblyError
from web.api.ably.names import parse_channel
from web.api.ably.protocol import ProtocolMessage, modes_of

MAX_REWIND = 100
"""Messages."""
MAX_REWIND_TIME = timedelta(minutes=2)
MAX_PARAMS = 20
PARAMS = ("modes", "rewind", "occupancy")

_REWIND = re.compile(r"(\d{1,6})([sm]?)", re.ASCII)
_OPERATIONS = {
    Mode.PRESENCE: "presence",
    Mode.PUBLISH: "publish",
    Mode.SUBSCRIBE: "subscribe",
    Mode.PRESENCE_SUBSCRIBE: "subscribe",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an attachment is to be."""

    channel: str
    """Without what only says how to attach."""
    modes: Mode
    params: Mapping[str, str] = field(default_factory=dict)
    """Those that this server knows; the answer repeats them."""
    rewind: int | timedelta | None = None
    occupancy: bool = False


def wanted(message: ProtocolMessage) -> Wanted:
    """What an ATTACH asks for. What stands in its params wins over those of the name. Raises AblyError."""
    name = parse_channel(message.channel)
    given = dict(parse_qsl(name.params, max_num_fields=MAX_PARAMS)) | dict(message.params or {})
    params = {each: given[each] for each in PARAMS if each in given}
    return Wanted(
        channel=name.channel,
        modes=modes_of(message) or ALL,
        params=params,
        rewind=_rewind(params["rewind"]) if "rewind" in params else None,
        occupancy=params.get("occupancy", "").startswith("metrics"),
    )


def granted(modes: Mode, capability: Capability, channel: str) -> Mode:
    """Those of the modes that a capability allows."""
    found = Mode(0)
    for mode in modes:
        if capability.allows(channel, _OPERATIONS[mode]):
            found |= mode
    return found


def _rewind(text: str) -> int | timedelta:
    found = _REWIND.fullmatch(text)
    if found is None:
        raise AblyError(40000, 400, f"The parameter rewind cannot be {text[:40]!r}; give 10, 30s or 2m.")
    number = int(found[1])
    if not found[2]:
        return min(number, MAX_REWIND)
    return min(timedelta(seconds=number * (60 if found[2] == "m" else 1)), MAX_REWIND_TIME)
