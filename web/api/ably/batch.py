"""Several channels with one request: publishing into them, and who is present there.

Owns the operations `/messages` and `/presence`, which the libraries of 2023 and later use (RSC22, RSC24). What fails in
one channel is told there, and harms none of the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from owncast_py.errors import StorageError
from owncast_py.realtime.members import Members
from owncast_py.realtime.revocations import Grant
from web.api.ably.channels import PUBLISHED, Published, is_binary, present, publish
from web.api.ably.errors import ENVELOPE, AblyError, ErrorInfo, from_domain
from web.api.ably.formats import CODEC, MAX_BODY
from web.api.ably.gate import Gate, granted
from web.api.ably.messages import PresenceAction, PresenceView, fields, member_view
from web.api.ably.names import MAX_CHANNEL, parse_channel
from web.api.ably.paging import MAX_LIMIT
from web.api.ably.publishing import Publishing
from web.body import Input, Query
from web.operations import Api, Call, Contract, Operation, Wrapper

MAX_CHANNELS = 100
"""Of one request."""

SPECS: dict[str, object] = {
    "description": "Which messages go into which channels; a list of such is done in its order.",
    "type": ["object", "array"],
    "properties": {"channels": {"type": "array", "items": {"type": "string"}}, "messages": PUBLISHED},
}


class Failed(TypedDict):
    """What went wrong with one channel."""

    channel: str
    error: ErrorInfo


class Presence(TypedDict):
    """Who is present in one channel."""

    channel: str
    presence: Sequence[PresenceView]


class PublishResults(TypedDict):
    """What became of messages in each channel."""

    successCount: int
    failureCount: int
    results: Sequence[Published | Failed]


class PresenceResults(TypedDict):
    """Who is present in each channel."""

    successCount: int
    failureCount: int
    results: Sequence[Presence | Failed]


class Specs(Input):
    """What is published where."""

    value: Annotated[object, WithJsonSchema(SPECS)]


class Asked(Query):
    """Which channels."""

    longest: ClassVar[int] = MAX_CHANNELS * (MAX_CHANNEL + 1)

    channels: str = Field(description="Their names, comma between.")


class BatchApi:
    """Both operations."""

    def __init__(self, members: Members, publishing: Publishing, gate: Gate) -> None:
        self._members = members
        self._publishing = publishing
        self._gate = gate

    def operations(self, wrapper: Wrapper) -> list[Operation]:
        """Both."""
        guard = self._gate.guard
        api = Api("Batch", wrapper, ENVELOPE, CODEC)
        contract = Contract("batchPublish", 201, refusals=(413,))
        api.add("POST", "/messages", self._publish, guard, max_body=MAX_BODY, contract=contract)
        api.add("GET", "/presence", self._presence, guard, contract=Contract("batchPresence"))
        return api.operations

    async def _publish(self, call: Call[Specs]) -> PublishResults | list[PublishResults]:
        """Publishes messages into several channels. A list of specifications is answered with a list."""
        value, grant = call.input.value, granted(call.request)
        specs = [_spec(each) for each in (value if isinstance(value, list) else [value])]
        _check_count(sum(len(channels) for channels, _ in specs))
        # All are begun in their order before the first is waited for, so that they share a commit.
        outcomes = iter(
            await asyncio.gather(
                *(self._into(grant, channel, messages) for channels, messages in specs for channel in channels)
            )
        )
        results = [_publish_results([next(outcomes) for _ in channels]) for channels, _ in specs]
        return results if isinstance(value, list) else results[0]

    async def _presence(self, call: Call[Asked]) -> PresenceResults:
        """Lists who is present in several channels."""
        names = call.input.channels.split(",")
        _check_count(len(names))
        grant, binary = granted(call.request), is_binary(call.request)
        results = [await self._of(grant, name, binary=binary) for name in names]
        failures = sum("error" in each for each in results)
        return {"successCount": len(results) - failures, "failureCount": failures, "results": results}

    async def _into(self, grant: Grant, name: object, messages: object) -> Published | Failed:
        try:
            channel = parse_channel(name).channel
            return await publish(self._publishing, grant, channel, messages)
        except (AblyError, StorageError) as error:
            return {"channel": str(name)[:MAX_CHANNEL], "error": from_domain(error).info()}

    async def _of(self, grant: Grant, name: str, *, binary: bool) -> Presence | Failed:
        try:
            channel = parse_channel(name).channel
            found = await present(self._members, grant, channel)
        except AblyError as error:
            return {"channel": name[:MAX_CHANNEL], "error": error.info()}
        views = [member_view(member, PresenceAction.PRESENT, binary=binary) for _, member in found[:MAX_LIMIT]]
        return {"channel": channel, "presence": views}


def _spec(value: object) -> tuple[list[object], object]:
    spec = fields(value, "specification")
    channels = spec.get("channels")
    found = channels if isinstance(channels, list) else [channels]
    if not found or not all(isinstance(each, str) for each in found):
        raise AblyError(40000, 400, "The field channels must be the name of a channel, or a list of names.")
    return found, spec.get("messages")


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_CHANNELS:
        raise AblyError(40000, 400, f"A request is for 1 to {MAX_CHANNELS} channels, not {count}.")


def _publish_results(results: Sequence[Published | Failed]) -> PublishResults:
    failures = sum("error" in each for each in results)
    return {"successCount": len(results) - failures, "failureCount": failures, "results": results}
