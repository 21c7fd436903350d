"""The names of channels: which there can be, and where they stand in an address.

Owns the grammar of qualifiers, such as `[meta]` and `[filter=…]`; what they do is for others. `%2F` in an address stays
within a name. `+` in an address is a space: Ably's library for Python writes it so, and every library writes `%2B` for
a plus.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from aiohttp import web

from web.api.ably.errors import AblyError

MAX_CHANNEL = 200
"""Characters of a name."""
CHANNEL = "{channel_id:[^/]+}"
"""In the path of an operation."""
CHANNEL_AT_END = r"{channel_id:[\s\S]+}"
"""In a path that ends with it, where a slash is part of the name."""
_QUALIFIED = re.compile(r"\[(?P<qualifier>[^\[\]?]*)(?:\?(?P<params>[^\[\]]*))?\](?P<name>.*)", re.DOTALL)
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_SHOWN = 60


class ChannelName(NamedTuple):
    """A name taken apart."""

    name: str
    """Without any qualifier; the channel that is meant."""
    qualifier: str = ""
    """`meta`, `filter=…`, or nothing."""
    params: str = ""
    """As in `[?rewind=1]name`."""

    @property
    def channel(self) -> str:
        """The name with what makes it a channel of its own: `[meta]`, but neither filters nor parameters."""
        return f"[{META}]{self.name}" if self.qualifier == META else self.name


META = "meta"
FILTER = "filter="


def parse_channel(name: object) -> ChannelName:
    """A channel's name. Raises AblyError (40010)."""
    if not isinstance(name, str):
        raise AblyError(40010, 400, f"The name of a channel must be a text, not {type(name).__name__}.")
    if not name or len(name) > MAX_CHANNEL:
        raise AblyError(40010, 400, f"The name of a channel has 1 to {MAX_CHANNEL} characters, not {len(name)}.")
    if _UNPRINTABLE.search(name):
        raise AblyError(40010, 400, f"The name {name[:_SHOWN]!r} has a character that cannot be shown.")
    parsed = ChannelName(name)
    if name.startswith("["):
        found = _QUALIFIED.fullmatch(name)
        if found is None:
            raise AblyError(40010, 400, f"The channel {name[:_SHOWN]!r} begins with a qualifier that does not end.")
        parsed = ChannelName(found["name"], found["qualifier"], found["params"] or "")
        if parsed.qualifier not in ("", META) and not parsed.qualifier.startswith(FILTER):
            raise AblyError(40010, 400, f"The channel {name[:_SHOWN]!r} has a qualifier that there is not.")
        if not parsed.qualifier and found["params"] is None:
            raise AblyError(40010, 400, f"The channel {name[:_SHOWN]!r} has a qualifier that says nothing.")
    if not parsed.name or parsed.name[0] in ":[":
        raise AblyError(40010, 400, f"The name {name[:_SHOWN]!r} begins with a colon or a second qualifier.")
    return parsed


def channel_of(request: web.Request) -> str:
    """The channel that the third part of an address names. Raises AblyError (40010)."""
    return parse_channel(_decoded(request.rel_url.raw_path.split("/")[2].replace("+", " "))).channel


def channel_at_end(request: web.Request) -> str:
    """The same where nothing follows it; a slash is part of it then, and a plus is a plus, for there nobody escapes."""
    return parse_channel(_decoded(request.rel_url.raw_path.split("/", 2)[2])).channel


def _decoded(part: str) -> str:
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise AblyError(40010, 400, f"The name {part[:_SHOWN]!r} in the address is not UTF-8.") from None
