"""Channels as Server-Sent Events, for readers without a library: `/sse` and `/event-stream`.

Owns the two operations, their parameters, where a stream begins, and why it ends. Frames and what waits are `feeds`'.
A stream catches up from the log, then goes on live: nothing is missed, nothing comes twice, and all channels of a
stream are in one order. Parameters are those of Ably's SSE API.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import datetime
from typing import ClassVar, Literal

import orjson
import structlog
from aiohttp import hdrs, web
from pydantic import Field

from owncast_py.errors import StorageError
from owncast_py.realtime.channels import Channels
from owncast_py.realtime.messages import Address, Message
from owncast_py.realtime.occupancy import Attachments, Mode
from owncast_py.realtime.revocations import Grant
from web.api.ably.attaching import Wanted, wanted
from web.api.ably.counting import Counter
from web.api.ably.errors import ENVELOPE, AblyError, from_domain
from web.api.ably.feeds import Feeds, Reader, event, message_event, without_hidden
from web.api.ably.formats import CODEC
from web.api.ably.gate import Gate, demand, granted
from web.api.ably.protocol import ProtocolAction, ProtocolMessage
from web.api.ably.realtime import Realtime
from web.body import Query
from web.operations import Api, Call, Contract, Media, Operation, Wrapper

MAX_STREAMS = 2_000
"""Open at once; each holds a connection."""
MAX_CHANNELS = 25
"""Of one stream."""
PAGE = 50
"""Messages of a channel that are read from the log at once."""
CATCHING_UP = 4
"""Streams that read the log at the same time."""
HEARTBEAT_SECONDS = 15.0
SLOW_SECONDS = 10.0
"""Whoever takes nothing for so long is dropped."""
RETRY_MILLISECONDS = 3_000
"""After which a client comes back."""
LAST_EVENT_ID = "Last-Event-ID"

_POSITION = re.compile(r"\d{13}-\d{6}", re.ASCII)

log = structlog.get_logger(__name__)


class Wish(Query):
    """What is to be streamed."""

    longest: ClassVar[int] = 6_000

    channels: str = Field("", description="Names of channels, with commas between them.")
    channel: str = Field("", description="The same.")
    separator: str = Field(",", min_length=1, max_length=10, description="What stands between names, if no comma.")
    rewind: str = Field("", description="How much of the past comes first: 10 messages of each channel, 30s or 2m.")
    last_event: str = Field("", alias="lastEvent", description="As the header Last-Event-ID.")
    enveloped: Literal["true", "false"] = Field("true", description="Whole messages as JSON, or their data alone.")


class SseApi:
    """The operations, and every open stream."""

    def __init__(
        self,
        channels: Channels,
        attachments: Attachments,
        realtime: Realtime,
        gate: Gate,
        count: Counter,
        now: Callable[[], datetime],
    ) -> None:
        """`now` is aware UTC."""
        self._channels = channels
        self._attachments = attachments
        self._realtime = realtime
        self._gate = gate
        self._now = now
        self._feeds = Feeds(channels, count)
        self._readers: dict[Reader, None] = {}
        self._reading = asyncio.Semaphore(CATCHING_UP)

    def __len__(self) -> int:
        return len(self._readers)

    def operations(self, wrapper: Wrapper) -> list[Operation]:
        """Both."""
        api = Api("Events", wrapper, ENVELOPE, CODEC)
        for path, name in (("/sse", "getServerSentEvents"), ("/event-stream", "getEventStream")):
            api.add(
                *("GET", path, self._stream, self._gate.guard),
                media=Media("text/event-stream", "Events until the client or the server ends it."),
                contract=Contract(name, takes={LAST_EVENT_ID: "The id of the event after which to go on."}),
            )
        return api.operations

    def close(self) -> None:
        """Ends every stream."""
        for reader in self._readers:
            reader.end(AblyError(80003, 503, "The server is stopping."))

    async def _stream(self, call: Call[Wish]) -> web.StreamResponse:
        """Streams the messages of channels as they come, as Server-Sent Events.

        Each has the event `message`. The id is a position in all channels of the stream: named by `lastEvent` or by
        the header, the stream goes on from there, if that is no more than ten minutes ago. An event `discontinuity`
        says that it was more; an event `error` says why a stream ends. Comments keep it alive.
        """
        request, grant = call.request, granted(call.request)
        asked = _asked(grant, call.input)
        position = request.headers.get(LAST_EVENT_ID, "") or call.input.last_event
        if position and not _POSITION.fullmatch(position):
            raise AblyError(40000, 400, f"The event {position[:40]!r} is none that this server sent.")
        if len(self._readers) >= MAX_STREAMS:
            raise AblyError(50003, 503, f"There are {MAX_STREAMS} streams already.")
        missed = position and not self._realtime.continues(position)
        afters = {}
        for address, each in asked.items():
            after = self._channels.position
            if position and not missed:
                after = position
            elif each.rewind is not None:
                after = await self._realtime.since(address, each.rewind)
            afters[address] = after
        headers = {hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-store", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        with ExitStack() as stack:
            # No await from here until all channels are joined: what is not greater than this is in the log.
            reader = Reader(self._channels.position, enveloped=call.input.enveloped == "true")
            self._readers[reader] = None
            stack.callback(self._readers.pop, reader)
            reader_id = secrets.token_urlsafe(12)
            for address in asked:
                stack.callback(self._feeds.join(address, reader))
                self._attachments.attach(address, reader_id, Mode.SUBSCRIBE)
                stack.callback(self._attachments.detach, address, reader_id)
            stack.callback(self._gate.watch(grant, reader.end))
            reason = await self._send(request, response, reader, afters, grant.expires_at, missed=bool(missed))
        log.info("events closed: " + reason, channels=len(asked), key=grant.key_name)
        return response

    async def _send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        reader: Reader,
        afters: Mapping[Address, str],
        expires_at: datetime | None,
        *,
        missed: bool,
    ) -> str:
        """Why it ended. Nothing is raised: what has begun as a stream cannot become a refusal."""
        try:
            await _write(response, b"retry: %d\n\n" % RETRY_MILLISECONDS)
            if missed:
                told = AblyError(80018, 400, "That event is too long ago to go on from it.")
                await _write(response, _told("discontinuity", told))
            noted = sent = reader.last
            async for messages in self._missed(afters, noted):
                frames = b"".join(message_event(each, enveloped=reader.enveloped) for each in messages)
                await _write(response, frames)
            # Whoever is cut off before the next event goes on from here.
            await _write(response, b"id: %b\n\n" % noted.encode())
            while True:
                left = HEARTBEAT_SECONDS
                if expires_at is not None and (left := (expires_at - self._now()).total_seconds()) <= 0:
                    reader.end(AblyError(40142, 401, "The token has expired."))
                if reader.over is not None:
                    await _write(response, _told("error", reader.over))
                    return reader.over.sentence
                if frames := reader.take():
                    sent = reader.last
                    await _write(response, frames)
                elif not await reader.wait(min(left, HEARTBEAT_SECONDS)):
                    # What was delivered before the last heartbeat has arrived, so that silence moves the position, too.
                    await _write(response, b": still here\nid: %b\n\n" % max(noted, sent).encode())
                    noted = self._channels.position
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            return "the reader stalled"
        except ConnectionError:
            return "the reader left"
        except StorageError as error:
            with suppress(TimeoutError, ConnectionError):
                await _write(response, _told("error", from_domain(error)))
            return str(error)

    async def _missed(self, afters: Mapping[Address, str], upto: str) -> AsyncIterator[list[Message]]:
        """What came in all those channels after what each names, up to that version, in one order."""
        while any(after < upto for after in afters.values()):
            found, horizon = list[Message](), upto
            async with self._reading:
                for address, after in afters.items():
                    if after < upto:
                        page = await self._channels.log(address, after, PAGE)
                        if len(page) == PAGE:
                            horizon = min(horizon, page[-1].version)
                        found += await without_hidden(self._channels, address, page)
            yield sorted((each for each in found if each.version <= horizon), key=lambda each: each.version)
            afters = {address: max(after, horizon) for address, after in afters.items()}


def _asked(grant: Grant, wish: Wish) -> dict[Address, Wanted]:
    """The channels of a stream. Raises AblyError."""
    names = [name for name in (wish.channels or wish.channel).split(wish.separator) if name]
    if not 1 <= len(names) <= MAX_CHANNELS:
        raise AblyError(40003, 400, f"A stream is of 1 to {MAX_CHANNELS} channels, not {len(names)}.")
    params = {"rewind": wish.rewind} if wish.rewind else None
    found = {}
    for name in names:
        each = wanted(ProtocolMessage(ProtocolAction.ATTACH, channel=name, params=params))
        demand(grant, "subscribe", each.channel)
        found[Address(grant.app, each.channel)] = each
    return found


def _told(name: str, error: AblyError) -> bytes:
    return event(name, orjson.dumps(error.info()))


async def _write(response: web.StreamResponse, octets: bytes) -> None:
    async with asyncio.timeout(SLOW_SECONDS):
        await response.write(octets)
