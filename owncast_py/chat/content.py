"""What a chat message consists of, as the JSON document that its channel carries.

Owns the names of events in the channel `chat` and the shape of their data, which every dialect shows in its own way:

    message            {body, rawBody, user, inReplyTo?}          body is safe HTML, rawBody what was typed
    system             {body, rawBody, user: {displayName}}
    action             {body, rawBody, author?}
    joined, parted     {user}                                      transient
    joined, parted     {body, count}                               transient; of many at once, for people
    joined, parted     {users}                                     transient; who those are, for programs
    renamed            {oldName, newName, user}                    transient
    pinned             {id, message, at}                           transient; unpinned has {id}
    user               {id, displayName, displayColor, createdAt, previousNames, nameChangedAt?, disabledAt?, scopes,
                        isBot, authenticated}
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import NotRequired

import orjson
from typing_extensions import TypedDict

from owncast_py.accounts.model import Scope, User
from owncast_py.realtime.messages import Draft, Message


class Name(StrEnum):
    """Events of the channel."""

    MESSAGE = "message"
    SYSTEM = "system"
    ACTION = "action"
    JOINED = "joined"
    PARTED = "parted"
    RENAMED = "renamed"
    PINNED = "pinned"
    UNPINNED = "unpinned"


HISTORY = frozenset({Name.MESSAGE, Name.SYSTEM, Name.ACTION})
"""What is kept, and shown to those who come later."""

Content = Mapping[str, object]


class Quote(TypedDict):
    """The message that another one answers."""

    id: str
    displayName: str
    body: str


class UserContent(TypedDict):
    """A user as everybody may see them; only moderators are told `timedOutUntil`."""

    id: str
    displayName: str
    displayColor: int
    createdAt: str
    previousNames: list[str]
    scopes: list[str]
    isBot: bool
    authenticated: bool
    nameChangedAt: NotRequired[str]
    disabledAt: NotRequired[str]
    timedOutUntil: NotRequired[str]


@lru_cache(maxsize=4096)
def user_content(user: User) -> UserContent:
    """A user as everybody may see them. The same object for the same user, so it must not be changed."""
    scopes = [scope.value for scope in sorted(user.scopes)]
    if user.may_moderate and Scope.MODERATOR not in user.scopes:
        scopes.append(Scope.MODERATOR.value)
    content: UserContent = {
        "id": user.id,
        "displayName": user.display_name,
        "displayColor": user.color,
        "createdAt": timestamp(user.created_at),
        "previousNames": [*user.previous_names, user.display_name],
        "scopes": scopes,
        "isBot": user.is_bot,
        "authenticated": user.authenticated,
    }
    if user.name_changed_at is not None:
        content["nameChangedAt"] = timestamp(user.name_changed_at)
    if user.disabled_at is not None:
        content["disabledAt"] = timestamp(user.disabled_at)
    return content


def dump(content: Content) -> bytes:
    """The document as octets."""
    return orjson.dumps(content)


def load(message: Message) -> dict[str, object]:
    """The document of a message. Whatever else a channel may hold has none."""
    if message.encoding != "json":
        return {}
    found: object = orjson.loads(message.data)
    return found if isinstance(found, dict) else {}


def kept(name: Name, content: Content, *, client_id: str = "", text: str) -> Draft:
    """An event that stays in the history; `text` is what it can be found by."""
    return Draft(name.value, dump(content), client_id=client_id, text=text)


def passing(name: Name, content: Content, *, client_id: str = "") -> Draft:
    """An event for those who are there, and for nobody later."""
    return Draft(name.value, dump(content), client_id=client_id, transient=True)


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
