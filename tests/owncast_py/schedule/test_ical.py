"""The calendar: read back by another program's parser, with hostile names."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from owncast_py.schedule.ical import render
from owncast_py.schedule.model import EventStatus, ScheduledEvent

START = datetime(2026, 3, 2, 17, tzinfo=UTC)


def event(name: str = "Tea", description: str = "", status: EventStatus = EventStatus.SCHEDULED) -> ScheduledEvent:
    return ScheduledEvent(
        "id-1", None, name, description, "", START, 90, "Europe/Berlin", status, None, datetime(2026, 3, 1, tzinfo=UTC)
    )


def test_a_calendar_program_reads_it() -> None:
    calendar = Calendar.from_ical(render([event("Tea; with, milk \\ sugar", "One\nTwo")], "My shows", "https://a.b/x"))
    assert str(calendar["X-WR-CALNAME"]) == "My shows"
    assert (str(calendar["VERSION"]), "owncast-py" in str(calendar["PRODID"])) == ("2.0", True)
    (read,) = calendar.walk("VEVENT")
    assert str(read["SUMMARY"]) == "Tea; with, milk \\ sugar"
    assert str(read["DESCRIPTION"]) == "One\nTwo"
    assert str(read["URL"]) == "https://a.b/x"
    assert str(read["UID"]) == "id-1@owncast-py"
    assert str(read["STATUS"]) == "CONFIRMED"
    assert read.decoded("DTSTAMP") == datetime(2026, 3, 1, tzinfo=UTC)
    assert read.decoded("DTSTART") == START
    assert read.decoded("DTEND") == datetime(2026, 3, 2, 18, 30, tzinfo=UTC)


def test_a_cancelled_event_says_so_and_keeps_its_uid() -> None:
    (read,) = Calendar.from_ical(render([event(status=EventStatus.CANCELLED)], "", "")).walk("VEVENT")
    assert (str(read["STATUS"]), str(read["UID"])) == ("CANCELLED", "id-1@owncast-py")
    assert "URL" not in read
    assert "DESCRIPTION" not in read


def test_nothing_that_a_text_holds_leaves_its_property() -> None:
    evil = "x\r\nEND:VEVENT\r\nBEGIN:VEVENT\nUID:evil\x00\x1b\x85"
    rendered = render([event(evil, evil)], evil, "https://a\r\nX-EVIL:1")
    assert rendered.count(b"\r\nBEGIN:VEVENT") == rendered.count(b"\r\nEND:VEVENT") == 1
    assert b"\r\nX-EVIL" not in rendered
    assert b"\r\nUID:evil" not in rendered
    assert not set(rendered) & {0, 0x1B}


@given(st.text(max_size=400), st.text(max_size=400))
def test_lines_are_folded_between_characters_and_unfold_to_the_same(name: str, description: str) -> None:
    rendered = render([event(name, description)], name, "")
    lines = rendered.split(b"\r\n")
    assert lines.pop() == b""
    for line in lines:
        assert len(line) <= 75
        assert b"\n" not in line
        assert b"\r" not in line
        line.decode()
    (read,) = Calendar.from_ical(rendered).walk("VEVENT")
    expected = name.replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(c for c in expected if c in "\t\n" or not (ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0))
    unfolded = rendered.replace(b"\r\n ", b"").decode()
    escaped = kept.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")
    assert f"\r\nSUMMARY:{escaped}\r\n" in unfolded
    assert read.decoded("DTSTART") == START


def test_the_same_events_give_the_same_bytes() -> None:
    assert render([event()], "a", "b") == render([event()], "a", "b")
    assert Calendar.from_ical(render([], "a", "")).walk("VEVENT") == []
