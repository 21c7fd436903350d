"""The topics of this server, and how its messages become them: what Owncast's webhooks carry, word for word.

Owns the names of the topics in the domain `owncast` and the bodies `{"type", "eventData"}`. It is handed messages of
the channels `chat` and `stream` in the transaction that keeps them, and records what somebody subscribed to in that
same transaction; sending is `notifications`'. Events of the store come by `store_watch`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.broadcast.session import Status
from owncast_py.chat import content
from owncast_py.chat.content import Name, timestamp
from owncast_py.notifications.service import Notifications
from owncast_py.realtime.messages import CHAT, STREAM, Action, Message
from owncast_py.setting_groups import InstanceSettings
from owncast_py.settings import Settings

CHAT_MESSAGE = "CHAT"
NAME_CHANGE = "NAME_CHANGE"
USER_JOINED = "USER_JOINED"
USER_PARTED = "USER_PARTED"
VISIBILITY = "VISIBILITY-UPDATE"
STREAM_STARTED = "STREAM_STARTED"
STREAM_STOPPED = "STREAM_STOPPED"
STREAM_TITLE_UPDATED = "STREAM_TITLE_UPDATED"
STORAGE_TROUBLE = "STORAGE_TROUBLE"
STORAGE_RECOVERED = "STORAGE_RECOVERED"

TOPICS = (
    CHAT_MESSAGE,
    NAME_CHANGE,
    USER_JOINED,
    USER_PARTED,
    VISIBILITY,
    STREAM_STARTED,
    STREAM_STOPPED,
    STREAM_TITLE_UPDATED,
    STORAGE_TROUBLE,
    STORAGE_RECOVERED,
)
"""Every topic that there is something to hear on."""

_STREAM = {"started": STREAM_STARTED, "stopped": STREAM_STOPPED, "titled": STREAM_TITLE_UPDATED}
_CHAT = {
    Name.MESSAGE.value: CHAT_MESSAGE,
    Name.JOINED.value: USER_JOINED,
    Name.PARTED.value: USER_PARTED,
    Name.RENAMED.value: NAME_CHANGE,
}

Event = tuple[str, datetime, bytes]
"""A topic, when it happened, and the body."""


class Topics:
    """A recorder of channels (see `realtime.channels.Recorder`)."""

    def __init__(
        self,
        notifications: Notifications,
        settings: Settings,
        status: Callable[[], Status],
        client_of: Callable[[str], str],
    ) -> None:
        """`client_of` gives the id of a user's newest connection, empty when there is none."""
        self._notifications = notifications
        self._settings = settings
        self._status = status
        self._client_of = client_of

    def wants(self, message: Message) -> bool:
        """Whether somebody subscribed to what that message is about."""
        topic = topic_of(message)
        return topic is not None and self._notifications.wants(topic)

    async def record(self, connection: AsyncConnection, messages: Sequence[Message]) -> Callable[[], None]:
        """Queues the events of messages that are wanted, in the transaction of `connection`."""
        return await self._notifications.record(connection, list(self._events(messages)))

    def _events(self, messages: Sequence[Message]) -> Iterator[Event]:
        hidden: list[Message] = []
        for message in messages:
            topic = topic_of(message)
            if hidden and (topic != VISIBILITY or message.visible != hidden[0].visible):
                yield _visibility(hidden)
                hidden = []
            if topic == VISIBILITY:
                hidden.append(message)
            elif topic is not None:
                for data in self._data(topic, message):
                    yield topic, message.at, _body(topic, data)
        if hidden:
            yield _visibility(hidden)

    def _data(self, topic: str, message: Message) -> Iterator[Mapping[str, object]]:
        document, at = content.load(message), timestamp(message.at)
        head: dict[str, object] = {"id": message.serial, "timestamp": at, "type": topic}
        match topic:
            case "CHAT":
                client = self._client_of(message.client_id)
                yield head | _picked(document, "user", "body", "rawBody") | {"clientId": client, "visible": True}
            case "USER_JOINED" | "USER_PARTED":
                for user in _users(document):
                    yield head | {"user": user, "clientId": self._client_of(str(user.get("id", "")))}
            case "NAME_CHANGE":
                client = self._client_of(message.client_id)
                yield head | _picked(document, "user", "newName", "oldName") | {"clientId": client}
            case _:
                yield self._stream(head, document)

    def _stream(self, head: Mapping[str, object], document: Mapping[str, object]) -> Mapping[str, object]:
        instance, status = self._settings.get(InstanceSettings), self._status()
        return {
            **head,
            "name": instance.name,
            "summary": instance.summary,
            "streamTitle": document.get("title", instance.title),
            "serverURL": instance.server_url,
            "status": {
                "online": head["type"] == STREAM_STARTED or (status.online and head["type"] != STREAM_STOPPED),
                "viewerCount": status.viewer_count,
                "overallMaxViewerCount": status.overall_max_viewer_count,
                "sessionMaxViewerCount": status.session_max_viewer_count,
                "lastConnectTime": _time(status.last_connect_time),
                "lastDisconnectTime": _time(status.last_disconnect_time),
                "streamTitle": document.get("title", instance.title),
            },
        }


def storage_event(topic: str, at: datetime, sentence: str) -> Event:
    """What became of the store of segments, for those who subscribed to `topic`."""
    data = {
        "id": f"{int(at.timestamp() * 1000)}-storage",
        "timestamp": timestamp(at),
        "type": topic,
        "message": sentence,
    }
    return topic, at, _body(topic, data)


def topic_of(message: Message) -> str | None:
    """The topic that a message is about; None for what no topic tells."""
    if message.address == STREAM:
        return _STREAM.get(message.name)
    if message.address != CHAT:
        return None
    if message.action is not Action.CREATE:
        return VISIBILITY
    return _CHAT.get(message.name)


def _users(document: Mapping[str, object]) -> list[dict[str, object]]:
    """Who joined or parted: one, or those who were told together."""
    many, one = document.get("users"), document.get("user")
    found = many if isinstance(many, list) else [one]
    return [user for user in found if isinstance(user, dict)]


def _visibility(messages: Sequence[Message]) -> Event:
    ids = [message.serial for message in messages]
    last = messages[-1]
    data = {
        "id": ids[0] if len(ids) == 1 else last.version,
        "timestamp": timestamp(last.at),
        "type": VISIBILITY,
        "ids": ids,
        "MessageIDs": ids,
        "visible": last.visible,
    }
    return VISIBILITY, last.at, _body(VISIBILITY, data)


def _body(topic: str, data: Mapping[str, object]) -> bytes:
    return orjson.dumps({"type": topic, "eventData": data})


def _picked(document: Mapping[str, object], *names: str) -> dict[str, object]:
    return {name: document[name] for name in names if name in document}


def _time(at: datetime | None) -> str | None:
    return timestamp(at) if at is not None else None
