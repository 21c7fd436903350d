"""Statistics by request: both shapes, bounds, pages, and the way back from what test suites insert."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from push_house import now
from push_wire import APP, JSON, MSGPACK, Wire, push_wire

from owncast_py.realtime.stats_entries import Unit
from web.api.ably.errors import AblyError
from web.api.ably.stats import inserted

FIRST = datetime(2025, 2, 3, 15, 3, tzinfo=UTC)
FIXTURES = [
    {
        "intervalId": f"2025-02-03:15:0{3 + number}",
        "inbound": {"realtime": {"messages": {"count": 50 + number, "data": 5000}}},
        "outbound": {"realtime": {"messages": {"count": 20, "data": 2000}}},
        "persisted": {"presence": {"count": 20, "data": 2000}},
        "connections": {"tls": {"peak": 20 - number, "opened": 10}},
        "channels": {"peak": 50, "opened": 30},
        "apiRequests": {"succeeded": 50, "failed": 10},
        "tokenRequests": {"succeeded": 60, "failed": 20},
    }
    for number in range(3)
]


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    async with push_wire(tmp_path) as found:
        await found.house.stats.insert(APP, inserted(FIXTURES))
        yield found


async def intervals(wire: Wire, **query: object) -> list[str]:
    answer = await wire.ask("GET", "/stats", **query)
    assert isinstance(answer.body, list), answer
    return [each["intervalId"][-2:] for each in answer.body]


@pytest.mark.parametrize("type", [JSON, MSGPACK])
async def test_todays_clients_read_flat_entries(wire: Wire, type: str) -> None:
    answer = await wire.saying(Accept=type).ask("GET", "/stats", unit="hour", end="2025-02-03:15")
    assert (answer.status, answer.type) == (200, type)
    assert isinstance(answer.body, list)
    (hour,) = answer.body
    assert {name: hour[name] for name in ("intervalId", "unit", "appId")} == {
        "intervalId": "2025-02-03:15",
        "unit": "hour",
        "appId": APP,
    }
    assert "inProgress" not in hour
    wanted = {
        "messages.inbound.realtime.messages.count": 153,
        "messages.inbound.realtime.all.count": 153,
        "messages.inbound.all.messages.count": 153,
        "messages.outbound.realtime.all.data": 6000,
        "messages.outbound.all.messages.count": 60,
        "messages.all.messages.count": 213,
        "messages.persisted.all.count": 60,
        "connections.all.peak": 20,
        "connections.all.opened": 30,
        "channels.peak": 50,
        "apiRequests.other.failed": 30,
        "apiRequests.tokenRequests.succeeded": 180,
        "apiRequests.all.succeeded": 330,
    }
    assert {name: hour["entries"][name] for name in wanted} == wanted


async def test_older_clients_read_objects_within_objects(wire: Wire) -> None:
    answer = await wire.saying(X_Ably_Version="1.2").ask("GET", "/stats", limit=1)
    assert isinstance(answer.body, list)
    (minute,) = answer.body
    assert minute["intervalId"] == "2025-02-03:15:05"
    assert {"entries", "schema"}.isdisjoint(minute)
    both = {"all": {"count": 52, "data": 5000}, "messages": {"count": 52, "data": 5000}}
    assert minute["inbound"] == {"all": both, "realtime": both}
    assert minute["all"] == {"all": {"count": 72, "data": 7000}, "messages": {"count": 72, "data": 7000}}
    assert minute["persisted"]["all"] == minute["persisted"]["presence"] == {"count": 20, "data": 2000}
    assert (minute["connections"], minute["channels"]) == (
        {"all": {"peak": 18, "opened": 10}},
        {"peak": 50, "opened": 30},
    )
    assert minute["apiRequests"] == {"succeeded": 50, "failed": 10}
    assert minute["tokenRequests"] == {"succeeded": 60, "failed": 20}


async def test_bounds_and_directions(wire: Wire) -> None:
    assert await intervals(wire) == ["05", "04", "03"]
    assert await intervals(wire, direction="forwards") == ["03", "04", "05"]
    for bounds in (
        {"start": "2025-02-03:15:04", "end": "2025-02-03:15:04"},
        {"start": milliseconds(FIRST + timedelta(seconds=61)), "end": milliseconds(FIRST + timedelta(seconds=119))},
    ):
        assert await intervals(wire, **bounds) == ["04"]
    assert await intervals(wire, start="2025-02-03:15") == ["05", "04", "03"]
    assert await intervals(wire, end="2025-02") == ["05", "04", "03"]
    assert await intervals(wire, end="2025-02-02") == []
    assert await intervals(wire, end="now", unit="month") == ["02"]


@pytest.mark.parametrize("direction", ["forwards", "backwards"])
@pytest.mark.parametrize("unit", ["minute", "hour"])
async def test_pages_follow_each_other(wire: Wire, direction: str, unit: str) -> None:
    later = [
        {"intervalId": Unit.MINUTE.interval_id(FIRST + timedelta(hours=each)), "channels": {"peak": 1}}
        for each in range(1, 4)
    ]
    await wire.house.stats.insert(APP, inserted(later))
    whole = await wire.ask("GET", "/stats", unit=unit, direction=direction)
    assert isinstance(whole.body, list)
    found: list[object] = []
    address = f"/stats?unit={unit}&direction={direction}&limit=2"
    while address:
        page = await wire.ask("GET", address)
        assert isinstance(page.body, list)
        assert len(page.body) <= 2
        found += page.body
        address = page.next.removeprefix(".")
    assert found == whole.body
    assert len(found) == (6 if unit == "minute" else 4)


@pytest.mark.parametrize(
    "query",
    [
        {"unit": "year"},
        {"direction": "sideways"},
        {"limit": 0},
        {"limit": 1001},
        {"start": "yesterday"},
        {"end": "2025-13"},
        {"start": "9" * 30},
        {"start": "٣"},
        {"start": "2025-02-03:15:05", "end": "2025-02-03:15:04"},
        {"start": 2000, "end": 1000},
        {"cursor": "x"},
    ],
)
async def test_what_cannot_be_asked(wire: Wire, query: dict[str, object]) -> None:
    assert (await wire.ask("GET", "/stats", **query)).fault == (400, 40000)


async def test_what_runs_now_is_in_progress(wire: Wire) -> None:
    wire.house.stats.count(APP, {"messages.inbound.rest.messages.count": 1})
    answer = await wire.ask("GET", "/stats", unit="month", start=Unit.MONTH.interval_id(now()))
    assert isinstance(answer.body, list)
    assert answer.body[0]["entries"]["messages.all.all.count"] == 1
    assert answer.body[0]["inProgress"].startswith(answer.body[0]["intervalId"])


async def test_only_those_with_the_capability_read_and_only_their_own(wire: Wire) -> None:
    keyring = wire.house.keyring
    blind = wire.as_key(await keyring.create_key(capability={"*": ["publish"]}))
    assert (await blind.ask("GET", "/stats")).fault == (401, 40160)
    assert (await blind.saying(Authorization="").ask("GET", "/stats")).fault == (401, 40101)
    stranger = wire.as_key(await keyring.create_key((await keyring.create_app("other")).id))
    assert await intervals(stranger) == []


@pytest.mark.parametrize("fixtures", [None, {}, [1], [{}], [{"intervalId": "x"}], [{"intervalId": 7}]])
def test_what_cannot_be_inserted(fixtures: object) -> None:
    with pytest.raises(AblyError):
        inserted(fixtures)


VALUES = st.recursive(
    st.none() | st.integers(-5, 2**60) | st.floats() | st.text(max_size=3),
    lambda inner: st.dictionaries(
        st.sampled_from(["inbound", "realtime", "messages", "count", "channels", "peak", "all", "x"]), inner, max_size=3
    ),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["inbound", "outbound", "channels", "connections", "persisted"]), VALUES))
def test_whatever_is_inserted_are_numbers_by_known_names(fixture: dict[str, object]) -> None:
    ((at, entries),) = inserted([{**fixture, "intervalId": "2025-02-03:15:03"}])
    assert at == FIRST
    assert all(0 <= value <= 2**53 for value in entries.values())
    assert all(name.split(".")[0] in {"messages", "channels", "connections"} for name in entries)


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
