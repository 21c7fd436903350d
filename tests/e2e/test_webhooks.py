"""Webhooks from outside: a receiver that refuses, is away and comes back, and a server that is killed meanwhile."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from owner import ADMIN, Json, Owner, at, public
from rig import PASSTHROUGH, PATIENCE, Server, ServerFactory, eventually, publishing, settles
from websockets.asyncio.client import ClientConnection, connect

Samples = Callable[[str], Path]

pytestmark = pytest.mark.e2e

CREATE, DELETE = "/api/admin/webhooks/create", "/api/admin/webhooks/delete"
PRIVATE = "notifications: {allow_private_targets: true}\n"
CONFIG = PASSTHROUGH + PRIVATE + "chat: {rate_limit: false}\n"
EVERYTHING = [
    *("CHAT", "NAME_CHANGE", "USER_JOINED", "USER_PARTED", "VISIBILITY-UPDATE"),
    *("STREAM_STARTED", "STREAM_STOPPED", "STREAM_TITLE_UPDATED"),
]


@dataclass
class Receiver:
    """A webhook's other end: takes what comes while `status` is 200, and refuses it otherwise."""

    url: str = ""
    port: int = 0
    status: int = 200
    arrived: dict[str, Json] = field(default_factory=dict)
    """What was taken, by the id that came with it."""
    refused: dict[str, Json] = field(default_factory=dict)
    doubles: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """It is up, on the port where it was before."""
        application = web.Application()
        application.router.add_post("/hook", self._take)
        runner = web.AppRunner(application, shutdown_timeout=1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True)
            await site.start()
            self.port = runner.addresses[0][1]
            self.url = f"http://127.0.0.1:{self.port}/hook"
            yield
        finally:
            await runner.cleanup()

    @contextmanager
    def away(self) -> Iterator[socket.socket]:
        """It is down: connections to its port are refused, and nobody else gets the port before that is closed."""
        with socket.socket() as held:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(("127.0.0.1", self.port))
            yield held

    async def _take(self, request: web.Request) -> web.Response:
        identity, event = request.headers["webhook-id"], await request.json()
        if self.status == 200:
            if identity in self.arrived:
                self.doubles.append(identity)
            self.arrived[identity] = event
        else:
            self.refused[identity] = event
        return web.Response(status=self.status)

    @property
    def events(self) -> list[Json]:
        """What arrived, in the order of the ids, which is that in which it happened."""
        return [self.arrived[identity] for identity in sorted(self.arrived)]

    @property
    def kinds(self) -> list[str]:
        """The types of what arrived."""
        return [str(event["type"]) for event in self.events]

    async def has(self, kind: str, number: int = 1) -> Json:
        """The data of the last event of that kind, once so many are there."""
        await eventually(lambda: self.kinds.count(kind) >= number, f"{kind} arrives, not only {self.kinds}")
        found: Json = [event["eventData"] for event in self.events if event["type"] == kind][-1]  # type: ignore[assignment]
        return found


@asynccontextmanager
async def chatting(owner: Owner, name: str) -> AsyncIterator[tuple[ClientConnection, str]]:
    """Somebody in chat: the socket, and the user's id."""
    made = await owner.post("/api/chat/register", {"displayName": name})
    async with connect(f"{owner.server.http.replace('http', 'ws', 1)}/ws?accessToken={made['accessToken']}") as client:
        yield client, str(made["id"])


async def send(client: ClientConnection, **event: object) -> None:
    """Sends it, and waits until everybody has heard of it."""
    await client.send(json.dumps(event))
    async with asyncio.timeout(PATIENCE):
        while json.loads(await client.recv())["type"] != event["type"]:
            pass


async def bot(owner: Owner) -> dict[str, str]:
    """The headers of a bot that may write."""
    made = await owner.post("/api/admin/accesstokens/create", {"name": "Beep", "scopes": ["CAN_SEND_MESSAGES"]})
    return {"Authorization": f"Bearer {made['token']}"}


async def say(server: Server, words: str, headers: dict[str, str]) -> None:
    """A bot's message, which is kept when this returns."""
    await Owner(server, headers).post("/api/integrations/chat/send", {"body": words})


async def show(owner: Owner, source: Path) -> None:
    """A short show."""
    async with publishing(owner.server, source):
        await settles(lambda: public(owner.server, "/api/status"), lambda found: found["online"], "the show is on")
        await owner.post("/api/admin/disconnect")
    await settles(lambda: public(owner.server, "/api/status"), lambda found: not found["online"], "the show is over")


async def test_every_event_arrives_though_receiver_and_server_fail(start: ServerFactory, samples: Samples) -> None:
    """The witness gets the same events at once: what it has is what the other is owed, and a dead one delays nobody."""
    dead, witness = Receiver(status=500), Receiver()
    async with witness.listening():
        async with start(config=CONFIG) as server:
            owner = Owner(server, ADMIN)
            async with dead.listening():
                for receiver in (dead, witness):
                    await owner.post(CREATE, {"url": receiver.url, "events": EVERYTHING})
                headers = await bot(owner)
                await say(server, "tried and refused", headers)
                await eventually(lambda: dead.refused, "the first event is tried")
            with dead.away():
                async with chatting(owner, "Ana") as (ana, _), publishing(server, samples("plain.flv")):
                    await witness.has("STREAM_STARTED")
                    await owner.set("streamtitle", "Oolong")
                    await witness.has("STREAM_TITLE_UPDATED")
                    await send(ana, type="NAME_CHANGE", newName="Anna")
                    for number in range(8):
                        await say(server, f"message {number}", headers)
                    await witness.has("CHAT", 9)
                    await server.kill()
        assert dead.arrived == {}
        with dead.away() as hold:
            async with start(config=CONFIG) as server:
                hold.close()
                async with dead.listening():
                    dead.status = 200
                    # The show that was killed is over for those who heard of it.
                    await witness.has("STREAM_STOPPED")
                    # What failed before may be far from due. A success wakes the rest.
                    await say(server, "are you back?", headers)
                    await witness.has("CHAT", 10)
                    await eventually(lambda: len(dead.arrived) == len(witness.arrived), "everything arrives")
    assert dead.events == witness.events
    assert dead.kinds[0] == "CHAT"
    assert sorted(dead.kinds[1:3]) == ["STREAM_STARTED", "USER_JOINED"]
    assert dead.kinds[3:] == ["STREAM_TITLE_UPDATED", "NAME_CHANGE", *["CHAT"] * 8, "STREAM_STOPPED", "CHAT"]
    words = [event["eventData"]["rawBody"] for event in dead.events if event["type"] == "CHAT"]  # type: ignore[index]
    assert words == ["tried and refused", *(f"message {number}" for number in range(8)), "are you back?"]
    assert dead.arrived.keys() >= dead.refused.keys(), "an event keeps its id"
    assert {identity: dead.arrived[identity] for identity in dead.refused} == dead.refused
    assert dead.arrived.keys().isdisjoint(witness.arrived.keys())
    assert dead.doubles == []


async def test_every_kind_of_event_arrives_as_owncast_tells_it(start: ServerFactory, samples: Samples) -> None:
    kept, deleted = Receiver(), Receiver()
    async with kept.listening(), deleted.listening(), start(config=CONFIG) as server:
        owner = Owner(server, ADMIN)
        await owner.set("name", "Tea house")
        made = [await owner.post(CREATE, {"url": receiver.url, "events": EVERYTHING}) for receiver in (kept, deleted)]
        assert [each["events"] for each in made] == [EVERYTHING, EVERYTHING]
        async with chatting(owner, "Ana") as (ana, user):
            joined = await kept.has("USER_JOINED")
            assert (at(joined, "user.displayName"), at(joined, "user.id")) == ("Ana", user)
            await send(ana, type="CHAT", body="*hello*")
            said = await kept.has("CHAT")
            assert (said["body"], said["rawBody"], said["visible"]) == ("<p><em>hello</em></p>", "*hello*", True)
            assert (at(said, "user.id"), said["clientId"]) == (user, joined["clientId"])
            await send(ana, type="NAME_CHANGE", newName="Anna")
            renamed = await kept.has("NAME_CHANGE")
            assert (renamed["oldName"], renamed["newName"], at(renamed, "user.displayName")) == ("Ana", "Anna", "Anna")
            hide = {"visible": False, "idArray": [said["id"]]}
            await owner.post("/api/admin/chat/messagevisibility", hide)
            hidden = await kept.has("VISIBILITY-UPDATE")
            assert (hidden["ids"], hidden["visible"]) == ([said["id"]], False)
        await owner.set("streamtitle", "Oolong")
        titled = await kept.has("STREAM_TITLE_UPDATED")
        assert (titled["streamTitle"], at(titled, "status.online")) == ("Oolong", False)
        await show(owner, samples("plain.flv"))
        for kind, online in (("STREAM_STARTED", True), ("STREAM_STOPPED", False)):
            data = await kept.has(kind)
            assert (data["name"], data["streamTitle"], at(data, "status.online")) == ("Tea house", "Oolong", online)
        await deleted.has("STREAM_STOPPED")
        assert (await owner.post(DELETE, {"id": made[1]["id"]}))["success"] is True
        parted = await kept.has("USER_PARTED")  # a while after the socket is gone, so that a reload is no parting
        assert at(parted, "user.displayName") == "Anna"
        assert all(event.keys() == {"type", "eventData"} for event in kept.events)
        assert all(event["eventData"].keys() >= {"id", "timestamp"} for event in kept.events)  # type: ignore[attr-defined]
        assert sorted(kept.kinds) == sorted(EVERYTHING)
        await say(server, "is anybody left?", await bot(owner))
        await kept.has("CHAT", 2)
        assert deleted.kinds.count("CHAT") == 1, "nothing comes after its end"
        (left,) = await owner.listing("/api/admin/webhooks")
        assert left["url"] == kept.url
        await settles(lambda: owner.listing("/api/admin/webhooks"), lambda found: found[0]["lastUsed"], "its last use")


async def test_private_addresses_are_called_only_if_that_is_configured(start: ServerFactory) -> None:
    receiver = Receiver()
    async with receiver.listening():
        async with start(config=PRIVATE) as server:
            owner = Owner(server, ADMIN)
            made = await owner.post(CREATE, {"url": receiver.url, "events": ["CHAT"]})
            headers = await bot(owner)
            await say(server, "allowed", headers)
            await receiver.has("CHAT")
        async with start() as server:
            owner.server = server
            for url in (receiver.url, f"http://localhost:{receiver.port}/hook", "http://169.254.169.254/hook"):
                status, sentence = await owner.refused("POST", CREATE, {"url": url, "events": ["CHAT"]})
                assert (status, "does not call" in sentence) == (400, True), sentence
            assert [each["id"] for each in await owner.listing("/api/admin/webhooks")] == [made["id"]]
            # The one from before is judged again when it is called.
            for number in range(6):
                await say(server, f"secret {number}", headers)
            found = await server.logged("an endpoint takes nothing; it is probed")
            assert "does not call" in str(found["error"])
            assert receiver.kinds == ["CHAT"]
