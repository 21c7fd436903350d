"""Channels by request: what there is, what was published and by whom, who is present, and publishing.

Owns the operations below `/channels`: those of the Ably REST API 1.1.0, and beside them those of single messages and
their versions (RSL11, RSL14, RSL15).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from aiohttp import web
from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from owncast_py.realtime.channels import Channels
from owncast_py.realtime.members import Members
from owncast_py.realtime.messages import Address, Member, Message
from owncast_py.realtime.occupancy import Attachments
from owncast_py.realtime.revocations import Grant
from web.api.ably.errors import ENVELOPE, AblyError
from web.api.ably.formats import CODEC, MAX_BODY, Answer, Format, answer, wanted
from web.api.ably.gate import Gate, demand, granted
from web.api.ably.messages import (
    MAX_CLIENT_ID,
    MessageView,
    PresenceAction,
    PresenceView,
    drafts,
    is_shown,
    member_view,
    message_view,
)
from web.api.ably.names import CHANNEL, CHANNEL_AT_END, channel_at_end, channel_of
from web.api.ably.paging import LINKS, Limited, Span, link_header
from web.api.ably.publishing import Publishing
from web.api.ably.revising import Revising, parse_revision
from web.body import Input
from web.operations import Api, Call, Contract, Operation, Wrapper

PUBLISHED: dict[str, object] = {
    "description": "A message, or a list of them.",
    "type": ["object", "array"],
    "properties": {
        "name": {"type": "string"},
        "data": {"description": "A text, JSON, or in MessagePack octets."},
        "encoding": {"type": "string"},
        "clientId": {"type": "string"},
        "id": {"type": "string", "description": "What is sent again with the same id is not published again."},
        "extras": {"type": "object"},
    },
}
REVISED: dict[str, object] = {
    "description": "What the message shall be like; what is left out stays.",
    "type": "object",
    "properties": {
        "action": {"enum": [1, 2, 5], "description": "Update, delete, or append to its data."},
        "name": {"type": "string"},
        "data": {"description": "A text, JSON, or in MessagePack octets."},
        "encoding": {"type": "string"},
        "extras": {"type": "object"},
        "version": {
            "type": "object",
            "properties": {
                "clientId": {"type": "string"},
                "description": {"type": "string"},
                "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        },
    },
}


class Metrics(TypedDict):
    """How many connections are attached to a channel and for what, and how many members it has."""

    connections: int
    publishers: int
    subscribers: int
    presenceConnections: int
    presenceMembers: int
    presenceSubscribers: int


class OccupancyView(TypedDict):
    """Who uses a channel."""

    metrics: Metrics


class ChannelStatus(TypedDict):
    """What a channel does. One that is asked for is active."""

    isActive: bool
    occupancy: OccupancyView


class ChannelDetails(TypedDict):
    """A channel."""

    channelId: str
    name: str
    status: ChannelStatus


class Published(TypedDict):
    """What was published: how the ids of the messages begin, and the serial of each."""

    channel: str
    messageId: str
    serials: Sequence[str]


class Revised(TypedDict):
    """The version that a message has now."""

    versionSerial: str


class Listed(Limited):
    """Which channels."""

    prefix: str = Field("", description="Only those whose names begin so.")
    by: Literal["value", "id"] = Field("value", description="All of each, or its name alone.")


class Whole(Span):
    """Which messages."""

    from_serial: str = Field("", max_length=40, description="No message that is newer than this version.")


class Present(Limited):
    """Which members."""

    client_id: str = Field("", alias="clientId", description="Only this client.")
    connection_id: str = Field("", alias="connectionId", description="Only this connection.")

    longest: ClassVar[int] = 2 * MAX_CLIENT_ID + 200


class Publication(Input):
    """What is published."""

    value: Annotated[object, WithJsonSchema(PUBLISHED)]


class Change(Input):
    """What becomes of a message."""

    value: Annotated[object, WithJsonSchema(REVISED)]


class ChannelsApi:
    """Every operation on channels."""

    def __init__(
        self,
        channels: Channels,
        members: Members,
        attachments: Attachments,
        publishing: Publishing,
        revising: Revising,
        gate: Gate,
    ) -> None:
        self._channels = channels
        self._members = members
        self._attachments = attachments
        self._publishing = publishing
        self._revising = revising
        self._gate = gate

    def operations(self, wrapper: Wrapper) -> list[Operation]:
        """All of them. The last one takes any path below `/channels` that the others do not."""
        guard = self._gate.guard
        one, messages = f"/channels/{CHANNEL}", f"/channels/{CHANNEL}/messages"
        message = f"{messages}/{{serial}}"
        status = Api("Status", wrapper, ENVELOPE, CODEC)
        status.add("GET", "/channels", self._list, guard, contract=Contract("getMetadataOfAllChannels", headers=LINKS))
        status.add(
            "GET", f"{one}/presence", self._present, guard, contract=Contract("getPresenceOfChannel", headers=LINKS)
        )
        history = Api("History", wrapper, ENVELOPE, CODEC)
        history.add("GET", messages, self._history, guard, contract=Contract("getMessagesByChannel", headers=LINKS))
        history.add(
            "GET",
            f"{one}/presence/history",
            self._past,
            guard,
            contract=Contract("getPresenceHistoryOfChannel", headers=LINKS),
        )
        history.add("GET", message, self._message, guard, contract=Contract("getMessage", refusals=(404,)))
        history.add(
            "GET",
            f"{message}/versions",
            self._versions,
            guard,
            contract=Contract("getMessageVersions", headers=LINKS, refusals=(404,)),
        )
        publishing = Api("Publishing", wrapper, ENVELOPE, CODEC)
        publishing.add(
            "POST",
            messages,
            self._publish,
            guard,
            max_body=MAX_BODY,
            contract=Contract("publishMessagesToChannel", 201, refusals=(403, 413)),
        )
        publishing.add(
            "PATCH",
            message,
            self._revise,
            guard,
            max_body=MAX_BODY,
            contract=Contract("updateMessage", refusals=(403, 404, 413)),
        )
        # The library for Python leaves a slash in a name as it is, here alone.
        last = Api("Status", wrapper, ENVELOPE, CODEC)
        last.add("GET", "/channels/" + CHANNEL_AT_END, self._one, guard, contract=Contract("getMetadataOfChannel"))
        return [*status.operations, *history.operations, *publishing.operations, *last.operations]

    async def _list(self, call: Call[Listed]) -> Answer[Sequence[ChannelDetails | str]]:
        """Lists the channels to which anybody is attached."""
        grant, wanted = granted(call.request), call.input
        demand(grant, "channel-metadata")
        names = [
            name
            for name in self._attachments.channels(grant.app)
            if name.startswith(wanted.prefix) and (not wanted.cursor or name > wanted.cursor)
        ]
        page = names[: wanted.limit]
        shown: Sequence[ChannelDetails | str] = (
            page if wanted.by == "id" else [await self._details(Address(grant.app, name)) for name in page]
        )
        links = link_header(call.request, page[-1] if len(names) > len(page) else None)
        return answer(call.request, shown, headers=links)

    async def _one(self, call: Call[None]) -> ChannelDetails:
        """Says what a channel does, and who uses it."""
        grant, channel = granted(call.request), channel_at_end(call.request)
        demand(grant, "channel-metadata", channel)
        return await self._details(Address(grant.app, channel))

    async def _history(self, call: Call[Whole]) -> Answer[Sequence[MessageView]]:
        """Lists messages, each in its latest version."""
        _, address = self._asked(call.request, "history")
        span = call.input
        first, last = span.bounds
        found = await self._channels.page(
            address,
            first=first,
            last=min(last, span.from_serial or last),
            forwards=span.forwards,
            limit=span.limit + 1,
            after=span.after,
        )
        page = found[: span.limit]
        links = link_header(call.request, page[-1].serial if len(found) > len(page) else None)
        return answer(call.request, _views(call.request, page), headers=links)

    async def _publish(self, call: Call[Publication]) -> Published:
        """Publishes messages. When it answers they are kept, and on their way."""
        grant, channel = granted(call.request), channel_of(call.request)
        return await publish(self._publishing, grant, channel, call.input.value)

    async def _message(self, call: Call[None]) -> MessageView:
        """Gets a message in its latest version."""
        _, address = self._asked(call.request, "history")
        found = await self._channels.find(address, [call.part("serial")])
        if not found:
            raise _unknown(address.channel, call.part("serial"))
        return _views(call.request, found)[0]

    async def _revise(self, call: Call[Change]) -> Revised:
        """Updates, deletes or appends to a message."""
        grant, channel = granted(call.request), channel_of(call.request)
        revision = parse_revision(call.input.value, grant.client_id, call.part("serial"))
        message = await self._revising.revise(grant, channel, revision)
        return {"versionSerial": message.version}

    async def _versions(self, call: Call[Span]) -> Answer[Sequence[MessageView]]:
        """Lists the versions of a message. Of one that moderators removed from view there is only the last."""
        _, address = self._asked(call.request, "history")
        span, serial = call.input, call.part("serial")
        found = await self._channels.versions(address, serial)
        if not found:
            raise _unknown(address.channel, serial)
        if not is_shown(found[-1]):
            found = found[-1:]
        (first, last), after = span.bounds, span.after
        found = [each for each in found if first <= each.version <= last]
        if not span.forwards:
            found.reverse()
        if after is not None:
            found = [each for each in found if (each.version > after if span.forwards else each.version < after)]
        page = found[: span.limit]
        links = link_header(call.request, page[-1].version if len(found) > len(page) else None)
        return answer(call.request, _views(call.request, page), headers=links)

    async def _present(self, call: Call[Present]) -> Answer[Sequence[PresenceView]]:
        """Lists who is present."""
        grant, channel, wanted = granted(call.request), channel_of(call.request), call.input
        found = [
            (place, member)
            for place, member in await present(self._members, grant, channel)
            if wanted.client_id in ("", member.client_id)
            and wanted.connection_id in ("", member.connection_id)
            and place > wanted.cursor
        ]
        page, binary = found[: wanted.limit], is_binary(call.request)
        views = [member_view(member, PresenceAction.PRESENT, binary=binary) for _, member in page]
        links = link_header(call.request, page[-1][0] if len(found) > len(page) else None)
        return answer(call.request, views, headers=links)

    async def _past(self, call: Call[Span]) -> Answer[Sequence[PresenceView]]:
        """Lists who came, changed and went."""
        _, address = self._asked(call.request, "history")
        span = call.input
        first, last = span.bounds
        found = await self._members.history(
            address, first=first, last=last, forwards=span.forwards, limit=span.limit + 1, after=span.after
        )
        page, binary = found[: span.limit], is_binary(call.request)
        views = [member_view(each.member, PresenceAction.of(each.change), binary=binary) for _, each in page]
        links = link_header(call.request, page[-1][0] if len(found) > len(page) else None)
        return answer(call.request, views, headers=links)

    def _asked(self, request: web.Request, operation: str) -> tuple[Grant, Address]:
        grant, channel = granted(request), channel_of(request)
        demand(grant, operation, channel)
        return grant, Address(grant.app, channel)

    async def _details(self, address: Address) -> ChannelDetails:
        occupancy = self._attachments.of(address)
        metrics: Metrics = {
            "connections": occupancy.connections,
            "publishers": occupancy.publishers,
            "subscribers": occupancy.subscribers,
            "presenceConnections": occupancy.presence_connections,
            "presenceMembers": len(await self._members.of(address)),
            "presenceSubscribers": occupancy.presence_subscribers,
        }
        return {
            "channelId": address.channel,
            "name": address.channel,
            "status": {"isActive": True, "occupancy": {"metrics": metrics}},
        }


async def publish(publishing: Publishing, grant: Grant, channel: str, value: object) -> Published:
    """Publishes what somebody sends, and says what becomes of it. Raises AblyError or StorageError."""
    demand(grant, "publish", channel)
    found = drafts(value, grant.client_id)
    messages = await (await publishing.publish(grant, Address(grant.app, channel), found))
    base = messages[0].id.removesuffix(":0")
    return {"channel": channel, "messageId": base, "serials": [message.serial for message in messages]}


async def present(members: Members, grant: Grant, channel: str) -> list[tuple[str, Member]]:
    """The members of a channel with what puts them in an order. Raises AblyError (40160)."""
    if not grant.capability.allows(channel, "subscribe"):
        demand(grant, "presence", channel)
    found = await members.of(Address(grant.app, channel))
    return sorted((f"{member.connection_id}:{member.client_id}", member) for member in found)


def is_binary(request: web.Request) -> bool:
    """Whether the answer can hold octets."""
    return wanted(request) is Format.MSGPACK


def _views(request: web.Request, messages: Sequence[Message]) -> list[MessageView]:
    binary = is_binary(request)
    return [message_view(message, binary=binary) for message in messages]


def _unknown(channel: str, serial: str) -> AblyError:
    return AblyError(40400, 404, f"The channel {channel[:60]!r} has no message {serial[:60]!r}.")
