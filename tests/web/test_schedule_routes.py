"""The schedule over HTTP: planned, seen by everybody, in a calendar, in the status, and after a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import icalendar
import pytest
from admin_wire import Admin, Json, administered, found_at
from house import Clock

from owncast_py.chat.errors import MessageRefused
from owncast_py.schedule_watch import ScheduleWatch
from owncast_py.setting_groups import ChatSettings

EVENT, DELETE = "/api/admin/schedule/event", "/api/admin/schedule/event/delete"
WEEKLY = "DTSTART;TZID=Europe/Berlin:20260309T180000\nRRULE:FREQ=WEEKLY;BYDAY=MO"


def start_in(clock: Clock, **ahead: int) -> str:
    return (clock.now() + timedelta(**ahead)).isoformat()


async def plan(admin: Admin, **fields: object) -> Json:
    return await admin.post(EVENT, {"name": "Tea time", "start": start_in(admin.home.clock, hours=3)} | fields)


async def test_an_event_is_planned_shown_changed_and_kept(tmp_path: Path) -> None:
    clock = Clock()
    async with administered(tmp_path, clock=clock) as admin:
        planned = await plan(admin, description="Green", durationMinutes=90, timezone="Europe/Berlin")
        event = found_at(planned, "events.0")
        assert isinstance(event, dict)
        assert {name: event[name] for name in ("name", "description", "durationMinutes", "timezone", "status")} == {
            "name": "Tea time",
            "description": "Green",
            "durationMinutes": 90,
            "timezone": "Europe/Berlin",
            "status": "scheduled",
        }
        # Nobody sees it before the schedule is switched on.
        assert await admin.get("/api/schedule") == []
        assert found_at(await admin.get("/api/status"), "scheduledEvent") is None
        assert (await admin.ask("GET", "/api/schedule.ics"))[0] == 404
        await admin.set("schedule/enabled", True)
        assert await admin.get("/api/schedule") == [event]
        assert found_at(await admin.get("/api/status"), "scheduledEvent") == event
        moved = start_in(clock, hours=5)
        await admin.post(EVENT, {"id": event["id"], "name": "Later tea", "start": moved})
    async with administered(tmp_path, clock=clock) as again:
        (found,) = await again.get("/api/schedule")  # type: ignore[misc]
        assert (found["name"], found["description"], found["id"]) == ("Later tea", "Green", event["id"])
        assert datetime.fromisoformat(found["startTime"]) == datetime.fromisoformat(moved)
        await again.post(DELETE, {"id": event["id"], "cancel": True})
        assert found_at(await again.get("/api/schedule"), "0.status") == "cancelled"
        assert found_at(await again.get("/api/status"), "scheduledEvent") is None
        await again.post(DELETE, {"id": event["id"]})
        assert await again.get("/api/schedule") == []


async def test_a_show_far_ahead_can_be_changed_and_every_act_is_in_the_log(tmp_path: Path) -> None:
    clock = Clock()
    async with administered(tmp_path, clock=clock) as admin:
        planned = await plan(admin, start=start_in(clock, hours=24 * 400))
        event = str(found_at(planned, "events.0.id"))
        found = await admin.get("/api/admin/schedule")
        assert found_at(found, "events.0.id") == event
        await admin.post(DELETE, {"id": event})
        assert found_at(await admin.get("/api/admin/schedule"), "events") == []
        await admin.post("/api/admin/yp/reset", {})
        log = await admin.get("/api/admin/chat/audit?limit=3")
        assert isinstance(log, list)
        assert [entry["action"] for entry in log] == ["reset registration", "delete show", "plan show"]


async def test_a_series_comes_back_every_week_at_the_same_local_time(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        preview = await admin.post("/api/admin/schedule/preview", {"recurrence": WEEKLY})
        assert preview["occurrences"][:4] == [  # type: ignore[index]
            "2026-03-09T17:00:00.000Z",
            "2026-03-16T17:00:00.000Z",
            "2026-03-23T17:00:00.000Z",
            "2026-03-30T16:00:00.000Z",  # daylight saving began
        ]
        planned = await admin.post(EVENT, {"name": "Mondays", "recurrence": WEEKLY})
        series = found_at(planned, "series.0")
        assert isinstance(series, dict)
        assert (series["recurrence"], series["active"], series["durationMinutes"]) == (WEEKLY, True, 60)
        assert found_at(planned, "events.0.seriesId") == series["id"]
        await admin.set("schedule/enabled", True)
        status, body = await admin.ask("GET", "/api/schedule.ics")
        assert status == 200
        calendar = icalendar.Calendar.from_ical(str(body))
        starts = [event.decoded("dtstart") for event in calendar.walk("VEVENT")]
        assert starts[0] == datetime(2026, 3, 9, 17, tzinfo=UTC)
        assert len(starts) == len(await admin.get("/api/schedule"))  # type: ignore[arg-type]
        await admin.post(DELETE, {"id": series["id"]})
        assert found_at(await admin.get("/api/admin/schedule"), "series") == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"name": "", "start": "2026-04-01T00:00:00Z"}, "name"),
        ({"name": "x"}, "needs a `start`"),
        ({"name": "x", "start": "2020-01-01T00:00:00Z"}, "future"),
        ({"name": "x", "start": "soon"}, "start"),
        ({"name": "x", "start": "2026-04-01T00:00:00Z", "timezone": "Mars/Base"}, "Mars/Base"),
        ({"name": "x", "start": "2026-04-01T00:00:00Z", "recurrence": WEEKLY}, "leave out `start`"),
        ({"name": "x", "recurrence": "RRULE:FREQ=SECONDLY"}, "DTSTART"),
        ({"name": "x", "start": "2026-04-01T00:00:00Z", "durationMinutes": 0}, "minute"),
        ({"name": "x", "start": "2026-04-01T00:00:00Z", "durationMinutes": 99_999}, "minute"),
    ],
)
async def test_what_cannot_be_planned(tmp_path: Path, body: Json, words: str) -> None:
    async with administered(tmp_path) as admin:
        status, sentence = await admin.refused("POST", EVENT, body)
        assert (status, words in sentence) == (400, True), sentence
        assert found_at(await admin.get("/api/admin/schedule"), "events") == []


async def test_ids_and_ranges_that_are_none(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        assert (await admin.refused("POST", DELETE, {"id": "nobody"}))[0] == 404
        assert (await admin.refused("POST", EVENT, {"id": "nobody", "name": "x"}))[0] == 404
        await admin.set("schedule/enabled", True)
        for query in ("from=2026-01-01T00:00:00Z&to=2025-01-01T00:00:00Z", "from=2020-01-01&to=2026-01-01", "from=x"):
            assert (await admin.refused("GET", f"/api/schedule?{query}"))[0] == 400


async def test_chat_opens_before_an_event_and_the_reminder_is_said_once(tmp_path: Path) -> None:
    clock = Clock()
    async with administered(tmp_path, clock=clock) as admin:
        chat, services = admin.home.chat, admin.home.services
        await admin.home.settings.change(ChatSettings, open_minutes_after_stream=0)
        await plan(admin)
        await admin.set("schedule/enabled", True)
        await admin.set("schedule/chatopenminutes", 30)
        await admin.set("schedule/remindermessage", "Tea in **ten** minutes")
        ended = admin.home.status.__class__(
            *(admin.home.status.state, 0, 0, 0, None, clock.now() - timedelta(hours=1), "")
        )
        admin.home.status = ended
        person, _ = await chat.people.register("Ana", None, "")
        clock.turn(2 * 3600)
        with pytest.raises(MessageRefused, match="closed"):
            await chat.posting.message(person, "hello")
        assert found_at(await admin.get("/api/status"), "chatOpen") is False
        clock.turn(31 * 60)
        await chat.posting.message(person, "hello")
        assert found_at(await admin.get("/api/status"), "chatOpen") is True
        watch = ScheduleWatch(services.schedule, admin.home.settings, chat.posting, clock.now)
        clock.turn(20 * 60)
        for _ in range(3):
            await watch.look()
        bodies = [message["body"] for message in await admin.get("/api/chat")]  # type: ignore[union-attr]
        assert bodies.count("<p>Tea in <strong>ten</strong> minutes</p>") == 1
