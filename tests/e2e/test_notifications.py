"""The delivery API from outside: how a newcomer receives, and that no crash loses what was accepted."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from owner import ADMIN, Json, Owner, at
from rig import PATIENCE, Server, ServerFactory, eventually
from standardwebhooks import Webhook

pytestmark = pytest.mark.e2e

CRASHES = int(os.environ.get("OWNCAST_CRASHES", "6"))
PUBLISHERS = 8
TOO_MUCH = 150
"""Messages that are enough between two crashes: what is tested is not how fast the disk is."""
CONFIG = "notifications: {allow_private_targets: true}\nhls: {disk: false}\nbackups: {enabled: false}\n"
LOAD_SECONDS = 1.0
"""The longest time under load before a crash."""


@dataclass
class Receiver:
    """Verifies, remembers, and now and then refuses what it gets."""

    chance: random.Random
    secrets: dict[str, str] = field(default_factory=dict)
    """By the path at which a subscription's pushes come."""
    got: dict[str, dict[int, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    """The ids under which each number was accepted, by path."""
    order: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    forged: int = 0
    refusing: bool = True
    url: str = ""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        application = web.Application()
        application.router.add_post("/{name}", self._take)
        runner = web.AppRunner(application, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await request.text()
        event = json.loads(body)
        if event.get("type") == "TEST":
            return web.Response()
        try:
            Webhook(self.secrets[name]).verify(body, dict(request.headers))
        except Exception:
            self.forged += 1
            raise
        if self.refusing and self.chance.random() < 0.05:
            return web.Response(status=500)
        number = int(event["number"])
        self.got[name][number].add(request.headers["webhook-id"])
        self.order[name].append(number)
        return web.Response(status=204)


async def _publish(
    server: Server, headers: dict[str, str], topic: str, numbers: list[int], accepted: list[int]
) -> None:
    """One after another until the server is gone."""
    while numbers:
        number = numbers.pop()
        message = {"body": {"number": number}, "_links": {"apiture:topic": {"href": topic}}}
        try:
            async with server.session.post(
                f"{server.http}/notifications/messages", json=message, headers=headers
            ) as response:
                assert response.status == 202, await response.text()
                accepted.append(number)
        except (aiohttp.ClientError, ConnectionError):
            return


async def _make(owner: Owner, collection: str, body: Json) -> Json:
    """A new one in that collection."""
    status, made = await owner.ask("POST", f"/notifications/{collection}", body)
    assert status == 201, made
    assert isinstance(made, dict)
    return made


async def _subscribe(owner: Owner, topic: str, **values: object) -> Json:
    links = {"apiture:topic": {"href": topic}, "apiture:subscriber": {"href": "urn:example:test"}}
    return await _make(owner, "subscriptions", {"_links": links, **values})


async def test_whatever_was_accepted_arrives_though_the_server_is_killed_again_and_again(start: ServerFactory) -> None:
    chance = random.Random(11)
    receiver, next_number = Receiver(chance), 0
    accepted: list[int] = []
    topic = pulling = ""
    headers: dict[str, str] = {}
    async with receiver.listening():
        for crash in range(CRASHES + 1):
            # What is refused often waits for minutes, by the schedule; after the last crash nothing is.
            receiver.refusing = crash < CRASHES
            async with start(config=CONFIG) as server:
                owner = Owner(server, ADMIN)
                if crash == 0:
                    bot = {"name": "Beep", "scopes": ["data/full"]}
                    headers = {"API-Key": str((await owner.post("/api/admin/accesstokens/create", bot))["token"])}
                    made = await _make(owner, "topics", {"domain": "example.org", "name": "crash"})
                    topic = str(made["_id"])
                    for name, ordered in (("plain", False), ("ordered", True)):
                        endpoint = {"recipientUrl": f"{receiver.url}/{name}", "token": "t"}
                        subscribed = await _subscribe(
                            owner,
                            topic,
                            deliveryMethod="push",
                            deliveryChannel="webhook",
                            ordered=ordered,
                            endpoint=endpoint,
                        )
                        receiver.secrets[name] = str(at(subscribed, "endpoint.signingSecret"))
                    pulling = str(
                        (await _subscribe(owner, topic, deliveryMethod="pull", deliveryChannel="desk"))["_id"]
                    )
                if crash == CRASHES:
                    while missing := len(_missing(receiver, accepted)):
                        await eventually(lambda: len(_missing(receiver, accepted)) < missing, "more arrives")
                    await _all_can_be_pulled(owner, pulling, set(accepted))
                    break
                numbers = list(range(next_number, next_number + TOO_MUCH))[::-1]
                next_number += TOO_MUCH
                publishers = [
                    asyncio.create_task(_publish(server, headers, topic, numbers, accepted)) for _ in range(PUBLISHERS)
                ]
                await asyncio.wait(publishers, timeout=chance.uniform(0.01, LOAD_SECONDS))
                await server.kill()
                await asyncio.gather(*publishers)
    assert len(accepted) > CRASHES
    assert receiver.forged == 0
    doubles = 0
    for name in ("plain", "ordered"):
        assert all(len(ids) == 1 for ids in receiver.got[name].values()), "a message keeps its id"
        ids = [next(iter(each)) for each in receiver.got[name].values()]
        assert len(set(ids)) == len(ids), "and no other has it"
        doubles += len(receiver.order[name]) - len(receiver.got[name])
    first = list(dict.fromkeys(receiver.order["ordered"]))
    by_id = sorted(receiver.got["ordered"], key=lambda number: next(iter(receiver.got["ordered"][number])))
    assert first == by_id, "in order"
    print(f"\n{CRASHES} crashes, {len(accepted)} messages accepted, {doubles} came more than once")


def _missing(receiver: Receiver, accepted: list[int]) -> set[tuple[str, int]]:
    return {(name, number) for name in ("plain", "ordered") for number in accepted if number not in receiver.got[name]}


async def _all_can_be_pulled(owner: Owner, subscription: str, accepted: set[int]) -> None:
    address: str = f"/notifications/pullNotifications?subscription={subscription}&limit=1000"
    pulled: list[int] = []
    while address:
        page = await owner.get(address)
        pulled += [int(at(item, "body.number")) for item in at(page, "_embedded.items")]  # type: ignore[call-overload]
        following = page["_links"].get("next", {}).get("href", "")  # type: ignore[attr-defined]
        address = following.removeprefix(owner.server.http)
    assert len(pulled) == page["count"]
    assert len(set(pulled)) == len(pulled), "once each"
    assert set(pulled) >= accepted


async def test_a_newcomer_receives_and_verifies_as_the_page_says(start: ServerFactory, tmp_path: Path) -> None:
    """The receiver is the one in `docs/notifications.md`, word for word but for its port."""
    page = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    port = _free_port()
    assert "port=9000" in code
    receiver = tmp_path / "receiver.py"
    receiver.write_text(code.replace("port=9000", f"port={port}"))
    async with start(config=CONFIG) as server:
        owner = Owner(server, ADMIN)
        topics = await owner.get("/notifications/topics?name=CHAT")
        topic = str(at(topics, "_embedded.items.0._links.self.href"))
        endpoint = {"recipientUrl": f"http://127.0.0.1:{port}/hook"}
        made = await _subscribe(owner, topic, deliveryMethod="push", deliveryChannel="webhook", endpoint=endpoint)
        assert (made["state"], made["authenticationState"]) == ("inactive", "unauthenticated")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-u", str(receiver)),
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"SECRET": str(at(made, "endpoint.signingSecret"))},
        )
        try:
            assert process.stdout is not None

            async def printed(words: str) -> str:
                async with asyncio.timeout(PATIENCE):
                    while words not in (line := (await process.stdout.readline()).decode()):  # type: ignore[union-attr]
                        assert line, "the receiver has ended"
                return line

            await printed("Running on")
            address = f"/notifications/subscriptions/{made['_id']}"
            token = {"state": "active", "endpoint": {"token": "TOKEN-OF-YOURS"}}
            status, patched = await owner.ask("PATCH", address, token)
            assert (status, at(patched, "state"), at(patched, "authenticationState")) == (
                200,
                "active",
                "authenticated",
            )
            await printed("'TEST'")
            tested = await owner.post(f"{address}/test")
            assert (tested["status"], tested["error"]) == (204, "")
            await printed("'TEST'")
            bot = await owner.post("/api/admin/accesstokens/create", {"name": "Beep", "scopes": ["CAN_SEND_MESSAGES"]})
            said = Owner(server, {"Authorization": f"Bearer {bot['token']}"})
            await said.post("/api/integrations/chat/send", {"body": "the kettle is on"})
            assert "the kettle is on" in await printed("'CHAT'")
        finally:
            process.kill()
            await process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
