"""The Discord channel: a sentence in a chat room, by way of Discord's own webhooks.

Owns what is said. An endpoint's document is `{"message": …, "username"?: …, "avatarUrl"?: …}`; the event adds the title
of the stream and the address of the server, where it has them.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.channels.posting import Poster
from owncast_py.notifications.channels.wording import GONE_LIVE, event_data, text
from owncast_py.notifications.model import Endpoint, Parcel
from owncast_py.notifications.targets import check_url

MAX_CONTENT = 2000
"""Characters that Discord takes."""
MAX_USERNAME = 80


class Discord:
    """A DeliveryChannel."""

    authenticates = False
    lasting = True

    def __init__(self, poster: Poster, *, allow_private: bool = False) -> None:
        """`allow_private` lets endpoints have addresses of private networks."""
        self._poster = poster
        self._allow_private = allow_private

    def check(self, endpoint: Endpoint) -> None:
        """Looks at the address."""
        check_url(endpoint.url, allow_private=self._allow_private)

    async def greet(self, endpoint: Endpoint) -> str:
        """Whoever has the address may post; there is nothing to ask."""
        return ""

    async def deliver(self, endpoint: Endpoint, parcel: Parcel) -> Outcome:
        """Says the endpoint's message."""
        said = orjson.dumps(saying(endpoint.document, parcel.body))
        return await self._poster.post(endpoint.url, said, {"Content-Type": "application/json"})


def saying(document: Mapping[str, object], body: bytes) -> dict[str, str]:
    """What Discord is told of the event `body`, `{"type", "eventData"}`: `{"content", "username"?, "avatar_url"?}`."""
    event = event_data(body)
    lines = [text(document, "message") or GONE_LIVE, text(event, "streamTitle"), text(event, "serverURL")]
    told = {"content": "\n".join(line for line in lines if line)[:MAX_CONTENT]}
    if username := text(document, "username"):
        told["username"] = username[:MAX_USERNAME]
    if avatar := text(document, "avatarUrl"):
        told["avatar_url"] = avatar
    return told
