"""The Discord channel: a sentence in a chat room, by way of Discord's own webhooks.

Owns what is said. An endpoint's document is `{"message": …, "username"?: …, "avatarUrl"?: …}`; the event adds the title
of the stream and the address of the server, where it has them.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.channels.posting import Poster
from owncast_py.notifications.model import Endpoint, Notification

MAX_CONTENT = 2000
"""Characters that Discord takes."""
MAX_USERNAME = 80
DEFAULT_MESSAGE = "I've gone live!"


class Discord:
    """A DeliveryChannel."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster

    async def deliver(self, endpoint: Endpoint, notification: Notification, body: bytes) -> Outcome:
        """Says the endpoint's message. `body` is the event, `{"type", "eventData"}`."""
        said = orjson.dumps(saying(endpoint.document, body))
        return await self._poster.post(endpoint.url, said, {"Content-Type": "application/json"})


def saying(document: Mapping[str, object], body: bytes) -> dict[str, str]:
    """What Discord is told: `{"content", "username"?, "avatar_url"?}`."""
    event = _event_data(body)
    lines = [_text(document, "message") or DEFAULT_MESSAGE, _text(event, "streamTitle"), _text(event, "serverURL")]
    told = {"content": "\n".join(line for line in lines if line)[:MAX_CONTENT]}
    if username := _text(document, "username"):
        told["username"] = username[:MAX_USERNAME]
    if avatar := _text(document, "avatarUrl"):
        told["avatar_url"] = avatar
    return told


def _event_data(body: bytes) -> Mapping[str, object]:
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    data = event.get("eventData") if isinstance(event, dict) else None
    return data if isinstance(data, dict) else {}


def _text(values: Mapping[str, object], name: str) -> str:
    value = values.get(name)
    return value.strip() if isinstance(value, str) else ""
