"""Owncast's public API: the fields, their forms, and that they are rendered once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from aiohttp import ClientSession

from owncast_py.broadcast.session import State, Status
from web.api.owncast.status import StatusDocument

BEGIN = datetime(2026, 5, 1, 11, 0, 0, 999_999, tzinfo=UTC)
LIVE = Status(State.LIVE, 7, 12, 420, BEGIN, None, "Tea")

Connect = Callable[..., Awaitable[ClientSession]]


async def test_status_offline_and_live(connect: Connect, world: object) -> None:
    client = await connect()
    async with client.get("/api/status") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Cache-Control"] == "no-store"
        assert await response.json() == {
            "serverTime": "2026-05-01T12:00:00Z",
            "lastConnectTime": None,
            "lastDisconnectTime": None,
            "online": False,
            "viewerCount": 0,
            "overallMaxViewerCount": 0,
            "sessionMaxViewerCount": 0,
            "versionNumber": "0.1.0",
            "streamTitle": "",
            "scheduledEvent": None,
            "chatOpen": True,
        }
    vars(world)["status"] = LIVE
    async with client.get("/api/status") as response:
        live = await response.json()
    assert live["online"] is True
    assert live["lastConnectTime"] == "2026-05-01T11:00:00Z"
    assert (live["viewerCount"], live["sessionMaxViewerCount"], live["overallMaxViewerCount"]) == (7, 12, 420)
    assert live["streamTitle"] == "Tea"


def test_a_status_is_rendered_once_per_change_and_second() -> None:
    now = BEGIN
    status = LIVE
    document = StatusDocument(lambda: status, lambda: now, "1")
    first = document.body()
    now = BEGIN.replace(microsecond=1)
    assert document.body() is first
    now = BEGIN + timedelta(seconds=1)
    second = document.body()
    assert second != first
    status = Status(State.HOLDING, 8, 12, 420, BEGIN, None, "Tea")
    third = document.body()
    assert b'"viewerCount":8' in third
    assert b'"online":true' in third
    assert document.body() is third
