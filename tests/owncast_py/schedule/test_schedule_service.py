"""The schedule: planned, changed, cancelled, topped up, and there after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from house import Clock

from owncast_py.schedule import service
from owncast_py.schedule.errors import ScheduleError, ScheduleNotFound
from owncast_py.schedule.model import EventStatus, ScheduledEvent, Series
from owncast_py.schedule.service import Schedule
from owncast_py.storage import schedule as repository
from owncast_py.storage.database import Database

MONDAYS = "DTSTART;TZID=Europe/Berlin:20260302T180000\nRRULE:FREQ=WEEKLY;BYDAY=MO"
DAILY = "DTSTART;TZID=Europe/Berlin:20260302T180000\nRRULE:FREQ=DAILY"
FAR = datetime(2028, 1, 1, tzinfo=UTC)
DAY = 86_400.0


@asynccontextmanager
async def opened(address: str, clock: Clock) -> AsyncIterator[Schedule]:
    async with AsyncExitStack() as stack:
        database = Database(address)
        await database.start()
        stack.push_async_callback(database.aclose)
        schedule = Schedule(database, clock.now)
        await schedule.start()
        stack.push_async_callback(schedule.aclose)
        yield schedule


@pytest.fixture
async def schedule(address: str, clock: Clock) -> AsyncIterator[Schedule]:
    async with opened(address, clock) as schedule:
        yield schedule


async def starts(schedule: Schedule, clock: Clock) -> list[str]:
    return [f"{event.starts_at:%m-%d %H}" for event in await schedule.events(clock.moment, FAR)]


async def one(
    schedule: Schedule, clock: Clock, hours: float = 1, minutes: int = 60, name: str = "Tea"
) -> ScheduledEvent:
    return await schedule.add_event(name, "", clock.moment + timedelta(hours=hours), minutes, "Europe/Berlin")


async def test_an_event_is_kept_and_there_after_a_restart(address: str, clock: Clock) -> None:
    async with opened(address, clock) as first:
        at = datetime(2026, 3, 5, 20, tzinfo=UTC)
        event = await first.add_event(" Tea \n time ", "With *milk*", at, 90, "Europe/Berlin", "Soon!")
        assert (event.name, event.series_id, event.original_start, event.status) == (
            "Tea time",
            None,
            None,
            "scheduled",
        )
        assert event.ends_at == at + timedelta(minutes=90)
        series = await first.add_series("Weekly", "", MONDAYS, 60)
    async with opened(address, clock) as second:
        assert second.next_event() == event
        assert second.series() == [series]
        assert [found.id for found in await second.events(clock.moment, at + timedelta(hours=1))] == [event.id]


async def test_a_series_becomes_the_events_of_ninety_days_at_the_same_wall_time(
    schedule: Schedule, clock: Clock
) -> None:
    series = await schedule.add_series("Weekly", "d", MONDAYS, 60, "r")
    events = await schedule.events(clock.moment, FAR)
    assert await starts(schedule, clock) == [
        "03-09 17", "03-16 17", "03-23 17", "03-30 16", "04-06 16", "04-13 16",
        "04-20 16", "04-27 16", "05-04 16", "05-11 16", "05-18 16", "05-25 16",
        "06-01 16",
    ]  # fmt: skip
    assert {(e.series_id, e.name, e.description, e.reminder_message, e.timezone) for e in events} == {
        (series.id, "Weekly", "d", "r", "Europe/Berlin")
    }
    assert all(event.original_start == event.starts_at for event in events)
    assert schedule.next_event() == events[0]


async def test_tidy_tops_up_makes_nothing_twice_and_forgets_after_a_year(schedule: Schedule, clock: Clock) -> None:
    await schedule.add_series("Weekly", "", MONDAYS, 60)
    before = await schedule.events(clock.moment, FAR)
    await schedule.tidy()
    assert await schedule.events(clock.moment, FAR) == before
    clock.turn(14 * DAY)
    await schedule.tidy()
    assert len(await schedule.events(clock.moment - timedelta(days=14), FAR)) == 15
    clock.turn(373 * DAY)
    await schedule.tidy()
    kept = await schedule.events(datetime(2026, 1, 1, tzinfo=UTC), FAR)
    assert clock.moment - timedelta(days=367) < kept[0].starts_at < clock.moment - timedelta(days=358)
    assert len([event for event in kept if event.starts_at > clock.moment]) == 13


async def test_next_is_the_running_one_until_it_is_over(schedule: Schedule, clock: Clock) -> None:
    assert schedule.next_event() is None
    later = await one(schedule, clock, 5)
    long = await one(schedule, clock, 1, 180)
    short = await one(schedule, clock, 2, 30)
    assert schedule.next_event() == long
    clock.turn(3.9 * 3600)
    assert schedule.next_event() == long, "the short one was over before"
    clock.turn(0.1 * 3600)
    assert schedule.next_event() == later
    assert short.ends_at < clock.moment
    clock.turn(2 * 3600)
    assert schedule.next_event() is None


async def test_a_cancelled_event_stays_and_is_never_made_again(address: str, clock: Clock) -> None:
    async with opened(address, clock) as schedule:
        series = await schedule.add_series("Weekly", "", MONDAYS, 60)
        first, second, *_ = await schedule.events(clock.moment, FAR)
        await schedule.delete(first.id, cancel=True)
        assert schedule.next_event() == second
        await schedule.update(series.id, description="new")
        with pytest.raises(ScheduleError, match="was cancelled; add a new one"):
            await schedule.update(first.id, name="x")
        with pytest.raises(ScheduleError, match="The series of 'Weekly' would make it again; cancel it instead"):
            await schedule.delete(second.id, cancel=False)
    clock.turn(DAY)
    async with opened(address, clock) as schedule:
        again = await schedule.events(clock.moment, FAR)
        assert [(event.id, event.status) for event in again[:2]] == [
            (first.id, EventStatus.CANCELLED),
            (second.id, EventStatus.SCHEDULED),
        ]
        assert len({event.starts_at for event in again}) == len(again)


async def test_a_single_event_is_changed_and_removed(schedule: Schedule, clock: Clock) -> None:
    event = await one(schedule, clock)
    moved = await schedule.update(event.id, starts_at=clock.moment + timedelta(hours=9), timezone="UTC", name="Milk")
    assert isinstance(moved, ScheduledEvent)
    assert (moved.name, moved.duration_minutes, moved.timezone) == ("Milk", 60, "UTC")
    assert schedule.next_event() == moved
    with pytest.raises(ScheduleError, match="One event does not recur"):
        await schedule.update(event.id, recurrence=DAILY)
    await schedule.delete(event.id, cancel=False)
    assert schedule.next_event() is None
    with pytest.raises(ScheduleNotFound, match="no series and no event with the id"):
        await schedule.delete(event.id, cancel=False)
    with pytest.raises(ScheduleNotFound):
        await schedule.update("nothing", name="x")


async def test_a_changed_series_replaces_its_future_only(schedule: Schedule, clock: Clock) -> None:
    series = await schedule.add_series("Daily", "", DAILY, 60)
    clock.turn(2.5 * DAY)  # the 6th, 17:06: one is on
    before = await schedule.events(clock.moment - timedelta(days=9), FAR)
    running = schedule.next_event()
    assert running is not None
    assert running.starts_at < clock.moment
    ids = {event.starts_at: event.id for event in before}
    changed = await schedule.update(series.id, name="Nightly", duration_minutes=30)
    assert isinstance(changed, Series)
    after = await schedule.events(clock.moment - timedelta(days=9), FAR)
    assert {event.name for event in after if event.starts_at <= clock.moment} == {"Daily"}
    assert {(e.name, e.duration_minutes) for e in after if e.starts_at > clock.moment} == {("Nightly", 30)}
    assert all(ids.get(event.starts_at, event.id) == event.id for event in after), "ids stay"
    await schedule.update(series.id, recurrence=MONDAYS)
    assert await schedule.events(clock.moment + timedelta(hours=1), clock.moment + timedelta(days=2)) == []
    assert schedule.series()[0].recurrence == MONDAYS
    with pytest.raises(ScheduleError, match="begins when its recurrence says"):
        await schedule.update(series.id, starts_at=clock.moment + timedelta(hours=1))


async def test_an_event_moved_across_now_is_neither_lost_nor_doubled(schedule: Schedule, clock: Clock) -> None:
    series = await schedule.add_series("Weekly", "", MONDAYS, 60)
    first, second, *_ = await schedule.events(clock.moment, FAR)
    await schedule.update(second.id, starts_at=first.starts_at - timedelta(hours=5))
    await schedule.update(first.id, starts_at=second.starts_at + timedelta(hours=5))
    clock.moment = first.starts_at + timedelta(hours=1)
    await schedule.tidy()
    await schedule.update(series.id, description="new")
    events = await schedule.events(datetime(2026, 3, 1, tzinfo=UTC), second.starts_at + timedelta(days=1))
    assert [event.id for event in events] == [second.id, first.id]


async def test_a_cancelled_series_ends(schedule: Schedule, clock: Clock) -> None:
    series = await schedule.add_series("Daily", "", DAILY, 60)
    clock.turn(2.5 * DAY)
    await schedule.delete(series.id, cancel=True)
    assert [found.active for found in schedule.series()] == [False]
    running = schedule.next_event()
    assert running is not None
    assert running.starts_at < clock.moment, "what is on now goes on"
    future = await schedule.events(running.ends_at, FAR)
    assert {event.status for event in future} == {EventStatus.CANCELLED}
    clock.turn(30 * DAY)
    await schedule.tidy()
    assert schedule.next_event() is None
    assert len(await schedule.events(running.ends_at, FAR)) == len(future)
    with pytest.raises(ScheduleError, match="The series 'Daily' was cancelled"):
        await schedule.update(series.id, name="x")
    await schedule.delete(future[-1].id, cancel=False)
    assert len(await schedule.events(running.ends_at, FAR)) == len(future) - 1


async def test_a_removed_series_takes_its_future_along(schedule: Schedule, clock: Clock) -> None:
    series = await schedule.add_series("Daily", "", DAILY, 60)
    clock.turn(2.5 * DAY)
    await schedule.delete(series.id, cancel=False)
    left = await schedule.events(clock.moment - timedelta(days=9), FAR)
    assert schedule.series() == []
    assert [(event.series_id, event.name) for event in left] == [(None, "Daily")] * 3
    assert all(event.starts_at <= clock.moment for event in left)
    await schedule.delete(left[0].id, cancel=False)


async def test_events_are_those_that_run_in_the_window(schedule: Schedule, clock: Clock) -> None:
    event = await one(schedule, clock, 1, 60)
    half = event.starts_at + timedelta(minutes=30)
    assert await schedule.events(half, half + timedelta(seconds=1)) == [event]
    assert await schedule.events(event.ends_at, FAR) == []
    assert await schedule.events(clock.moment, event.starts_at) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "  "}, "A planned stream needs a name."),
        ({"name": "x" * 201}, "The name has at most 200 characters, this one has 201."),
        ({"description": "x" * 5_001}, "The description has at most 5000 characters"),
        ({"description": "\0"}, "The description has a NUL character"),
        ({"reminder_message": "x" * 501}, "The reminder message has at most 500"),
        ({"duration_minutes": 0}, "A stream is planned for 1 to 10080 minutes (7 days), not for 0."),
        ({"duration_minutes": 10_081}, "A stream is planned for 1 to 10080 minutes"),
        ({"starts_at": datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)}, "A stream is planned for the future, but 2026-03"),
        ({"starts_at": datetime(2046, 3, 4, tzinfo=UTC)}, "A stream is planned for the next five years"),
        ({"starts_at": datetime(2026, 4, 1)}, "2026-04-01T00:00:00 has no time zone; add one"),
        ({"timezone": "Mars/Base"}, "'Mars/Base' is not a time zone"),
    ],
)
async def test_what_cannot_be_planned(
    schedule: Schedule, clock: Clock, changes: dict[str, object], sentence: str
) -> None:
    good: dict[str, object] = {
        "name": "Tea",
        "description": "",
        "starts_at": clock.moment + timedelta(hours=1),
        "duration_minutes": 60,
        "timezone": "UTC",
    }
    with pytest.raises(ScheduleError) as caught:
        await schedule.add_event(**(good | changes))  # type: ignore[arg-type]
    assert str(caught.value).startswith(sentence)
    event = await schedule.add_event(**good)  # type: ignore[arg-type]
    with pytest.raises(ScheduleError) as caught:
        await schedule.update(event.id, **changes)  # type: ignore[arg-type]
    assert str(caught.value).startswith(sentence)
    assert schedule.next_event() == event


async def test_a_rule_that_is_over_is_refused_and_a_preview_needs_no_series(schedule: Schedule) -> None:
    with pytest.raises(ScheduleError, match="gives no event in the next five years"):
        await schedule.add_series("Past", "", "DTSTART:20250101T180000Z\nRRULE:FREQ=DAILY;COUNT=3", 60)
    assert [f"{moment:%m-%d %H}" for moment in schedule.preview(MONDAYS, 2)] == ["03-09 17", "03-16 17"]
    assert len(schedule.preview(DAILY)) == 5
    assert len(schedule.preview(DAILY, 10_000)) == service.MAX_PREVIEW
    assert schedule.series() == []


async def test_the_limits_hold(schedule: Schedule, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_EVENTS", 100)
    monkeypatch.setattr(service, "MAX_SERIES", 2)
    await schedule.add_series("Daily", "", DAILY, 60)
    with pytest.raises(ScheduleError, match="More than 100 events would be planned"):
        await schedule.add_series("Daily too", "", DAILY, 60)
    assert len(schedule.series()) == 1, "a series that does not fit is not kept either"
    yearly = await schedule.add_series("Yearly", "", "DTSTART:20270301T180000Z\nRRULE:FREQ=YEARLY", 60)
    with pytest.raises(ScheduleError, match="There are 2 series already"):
        await schedule.add_series("Third", "", MONDAYS, 60)
    for _ in range(10):
        await one(schedule, clock)
    with pytest.raises(ScheduleError, match="More than 100"):
        await one(schedule, clock)
    with pytest.raises(ScheduleError, match="More than 100"):
        await schedule.update(yearly.id, recurrence=DAILY)
    clock.turn(-5 * DAY)
    await schedule.tidy()
    assert len(await schedule.events(clock.moment, FAR)) == 100


async def test_a_series_that_cannot_be_read_any_more_stops_nothing(
    address: str, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    database = Database(address)
    await database.start()
    broken = Series("broken", "Broken", "", "", "DTSTART;TZID=Mars/Base:…", 60, True, clock.moment)
    await database.write(lambda connection: repository.add_series(connection, broken))
    await database.aclose()
    async with opened(address, clock) as schedule:
        assert "a series makes no more events" in capsys.readouterr().out
        await schedule.add_series("Weekly", "", MONDAYS, 60)
        assert len(schedule.series()) == 2
        await schedule.delete("broken", cancel=False)
