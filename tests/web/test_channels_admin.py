"""Channels as the owner sees them by request: who is attached, what was counted, which devices are pushed to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from admin_wire import Admin, Json, administered, found_at
from aiohttp import ClientWebSocketResponse

from owncast_py.realtime.messages import DEFAULT_APP, Address
from owncast_py.realtime.occupancy import Mode
from owncast_py.realtime.push_devices import Registration
from web.api.owncast import channels_admin

LIVE, STATS, DEVICES = (f"/api/admin/channels/{name}" for name in ("live", "stats", "devices"))
ATTACH, ATTACHED, PRESENCE, ACK = 10, 11, 14, 1
ENTER = 2


@asynccontextmanager
async def connected(admin: Admin) -> AsyncIterator[ClientWebSocketResponse]:
    """A client that was greeted."""
    key = await admin.home.foundations.keyring.create_key()
    query = {"key": key.text, "clientId": "ana", "format": "json", "v": "3"}
    async with admin.session.ws_connect(admin.web.server.make_url("/").with_query(query)) as socket:
        await said(socket, 4)
        yield socket


async def said(socket: ClientWebSocketResponse, action: int) -> Json:
    """The next protocol message of that action."""
    while True:
        message: Json = await socket.receive_json()
        if message["action"] == action:
            return message


async def attached(socket: ClientWebSocketResponse, channel: str) -> None:
    await socket.send_json({"action": ATTACH, "channel": channel})
    assert (await said(socket, ATTACHED))["channel"] == channel


async def test_live_channels_say_who_is_attached_what_for(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        assert await admin.get(LIVE) == {"connections": 0, "count": 0, "channels": []}
        async with connected(admin) as one, connected(admin) as other:
            await attached(one, "tea")
            await attached(other, "tea")
            await attached(one, "a/b%2F [x]")
            await one.send_json({"action": PRESENCE, "msgSerial": 0, "channel": "tea", "presence": [{"action": ENTER}]})
            await said(one, ACK)
            row = {"app": "owncast", "connections": 2, "publishers": 2, "subscribers": 2, "members": 1, "name": "tea"}
            alone = row | {"connections": 1, "publishers": 1, "subscribers": 1, "members": 0}
            assert await admin.get(LIVE) == {
                "connections": 2,
                "count": 2,
                "channels": [row, alone | {"name": "a/b%2F [x]"}],
            }
            await one.send_json({"action": 12, "channel": "tea"})
            await said(one, 13)
            found = await admin.get(LIVE)
            # A member that detaches leaves.
            assert (found_at(found, "channels.1.name"), found_at(found, "channels.1.connections")) == ("tea", 1)
            assert found_at(found, "channels.1.members") == 0


async def test_of_very_many_channels_the_most_used_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels_admin, "MAX_LIVE", 2)
    async with administered(tmp_path) as admin:
        for name, connections in (("a", 1), ("b", 3), ("c", 2)):
            for each in range(connections):
                admin.home.foundations.occupancy.attach(Address("other", name), f"{each}", Mode.SUBSCRIBE)
        found = await admin.get(LIVE)
        assert found_at(found, "count") == 3
        names = [[found_at(found, f"channels.{at}.{what}") for what in ("app", "name")] for at in range(2)]
        assert names == [["other", "b"], ["other", "c"]]
        channels = found_at(found, "channels")
        assert isinstance(channels, list)
        assert len(channels) == 2


async def test_statistics_have_every_interval_and_outlive_a_restart(tmp_path: Path) -> None:
    entries = {
        "messages.inbound.realtime.messages.count": 3.0,
        "messages.inbound.rest.messages.count": 4.0,
        "messages.outbound.realtime.messages.count": 70.0,
        "messages.outbound.realtime.presence.count": 900.0,
        "connections.all.peak": 5.0,
        "channels.peak": 2.0,
        "apiRequests.other.succeeded": 8.0,
        "apiRequests.other.failed": 1.0,
        "apiRequests.tokenRequests.refused": 2.0,
    }
    at = datetime(2026, 3, 4, 4, 59, tzinfo=UTC)
    async with administered(tmp_path) as admin:
        await admin.home.services.stats.insert(DEFAULT_APP, [(at, entries)])
        await admin.home.services.stats.insert(DEFAULT_APP, [(at - timedelta(days=40), entries)])
        await admin.home.services.stats.insert("other", [(at, entries)])
    async with administered(tmp_path) as admin:
        nothing = dict.fromkeys(("messagesIn", "messagesOut", "connections", "channels", "requests", "refused"), 0)
        counted = {
            "messagesIn": 7,
            "messagesOut": 70,
            "connections": 5,
            "channels": 2,
            "requests": 11,
            "refused": 3,
        }
        for unit, count, begin, last in (
            ("minute", 180, "2026-03-04T04:59:00.000Z", "2026-03-04T05:06:00.000Z"),
            ("hour", 168, "2026-03-04T04:00:00.000Z", "2026-03-04T05:00:00.000Z"),
            ("day", 92, "2026-03-04T00:00:00.000Z", "2026-03-04T00:00:00.000Z"),
            ("month", 36, "2026-03-01T00:00:00.000Z", "2026-03-01T00:00:00.000Z"),
        ):
            found = await admin.get(f"{STATS}?unit={unit}")
            assert isinstance(found, list)
            assert len(found) == count
            assert found[-1]["time"] == last
            times = [each["time"] for each in found]
            assert times == sorted(set(times))
            some = [each for each in found if each != {"time": each["time"]} | nothing]
            earlier = {"day": ["2026-01-23T00:00:00.000Z"], "month": ["2026-01-01T00:00:00.000Z"]}.get(unit, [])
            assert some == [{"time": time} | counted for time in (*earlier, begin)]


async def test_devices_are_listed_without_their_secrets_and_forgotten(tmp_path: Path) -> None:
    recipient = {"transportType": "ablyChannel", "channel": "the-secret-place"}
    async with administered(tmp_path) as admin:
        push = admin.home.services.push
        await push.register(DEFAULT_APP, Registration("phone", "phone", "ios", recipient, "ana", secret="boiling"))
        admin.home.clock.turn(60)
        device, _ = await push.register(DEFAULT_APP, Registration("tablet", "tablet", "android", recipient))
        assert await push.settled(
            {"app": DEFAULT_APP, "device": "tablet", "recipient": recipient},
            received=False,
            gone=False,
            error="There is no kettle.",
        )
        common = {"app": "owncast", "transport": "ablyChannel"}
        phone = common | {
            "id": "phone",
            "clientId": "ana",
            "platform": "ios",
            "formFactor": "phone",
            "state": "Active",
            "error": "",
            "failingSince": None,
            "createdAt": "2026-03-04T05:06:07.000Z",
            "updatedAt": "2026-03-04T05:06:07.000Z",
        }
        tablet = common | {
            "id": "tablet",
            "clientId": "",
            "platform": "android",
            "formFactor": "tablet",
            "state": "Failing",
            "error": "There is no kettle.",
            "failingSince": "2026-03-04T05:07:07.000Z",
            "createdAt": "2026-03-04T05:07:07.000Z",
            "updatedAt": "2026-03-04T05:07:07.000Z",
        }
        assert await admin.get(DEVICES) == [tablet, phone]
        await admin.post(f"{DEVICES}/delete", {"id": "phone"})
        assert await admin.get(DEVICES) == [tablet]
        acts = await admin.get("/api/admin/chat/audit")
        act = [found_at(acts, f"0.{name}") for name in ("action", "target", "detail")]
        assert act == ["delete push device", "phone", "ana"]
    async with administered(tmp_path) as admin:
        assert await admin.get(DEVICES) == [tablet]
        endpoints = admin.home.services.notifications.endpoints.listing("device")
        assert [each.id for each, _ in endpoints] == [device.endpoint_id]


async def test_what_cannot_be_is_refused_with_a_sentence(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        for method, path, body, word in (
            ("GET", f"{STATS}?unit=year", None, "'unit' cannot be 'year'"),
            ("POST", f"{DEVICES}/delete", {"id": "kettle"}, "no device with the id 'kettle'"),
            ("POST", f"{DEVICES}/delete", {}, "'id' is missing"),
        ):
            status, sentence = await admin.refused(method, path, body)
            assert (status, word in sentence) == (400, True), sentence
        for method, path in (("GET", LIVE), ("GET", STATS), ("GET", DEVICES), ("POST", f"{DEVICES}/delete")):
            status, sentence = await admin.refused(method, path, {} if method == "POST" else None, headers=None)
            assert (status, "Only the owner" in sentence) == (401, True)
