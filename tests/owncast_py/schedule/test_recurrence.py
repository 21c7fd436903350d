"""Recurrence: what is taken, what is refused, and when it happens across changes of daylight saving."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from owncast_py.schedule.errors import ScheduleError
from owncast_py.schedule.recurrence import MAX_LENGTH, occurrences, parse, zone

BERLIN = "DTSTART;TZID=Europe/Berlin:20260302T180000\n"
MONDAYS = BERLIN + "RRULE:FREQ=WEEKLY;BYDAY=MO"
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)


def shown(text: str, count: int = 4, start: datetime = BEGIN) -> list[str]:
    return [f"{moment:%Y-%m-%d %H:%M}" for moment in occurrences(parse(text), start, END, count)]


def test_the_wall_time_stays_across_daylight_saving() -> None:
    spring = shown(MONDAYS, 6)
    assert spring == [
        "2026-03-02 17:00", "2026-03-09 17:00", "2026-03-16 17:00", "2026-03-23 17:00",
        "2026-03-30 16:00", "2026-04-06 16:00",
    ]  # fmt: skip
    assert shown(MONDAYS, 3, datetime(2026, 10, 15, tzinfo=UTC)) == [
        "2026-10-19 16:00", "2026-10-26 17:00", "2026-11-02 17:00",
    ]  # fmt: skip


def test_a_wall_time_that_is_skipped_or_doubled() -> None:
    night = "DTSTART;TZID=Europe/Berlin:{}T023000\nRRULE:FREQ=DAILY"
    assert shown(night.format("20260328"), 3) == ["2026-03-28 01:30", "2026-03-29 01:30", "2026-03-30 00:30"]
    assert shown(night.format("20261024"), 3) == ["2026-10-24 00:30", "2026-10-25 00:30", "2026-10-26 01:30"]


def test_far_zones_and_utc() -> None:
    assert shown("DTSTART;TZID=Pacific/Kiritimati:20260301T090000\nRRULE:FREQ=DAILY", 1) == ["2026-02-28 19:00"]
    assert shown("DTSTART:20260301T090000Z\r\nRRULE:FREQ=DAILY", 2) == ["2026-03-01 09:00", "2026-03-02 09:00"]
    assert parse("DTSTART:20260301T090000Z\nRRULE:FREQ=DAILY").timezone == "UTC"


@pytest.mark.parametrize(
    ("start", "rule", "expected"),
    [
        ("20260302", "FREQ=DAILY;INTERVAL=2;COUNT=3", ["03-02", "03-04", "03-06"]),
        ("20260302", "FREQ=DAILY;UNTIL=20260303T170000Z", ["03-02", "03-03"]),
        ("20260302", "FREQ=DAILY;UNTIL=20260303T165959Z", ["03-02"]),
        ("20260303", "FREQ=WEEKLY;BYDAY=TU,TH;INTERVAL=2;WKST=SU", ["03-03", "03-05", "03-17", "03-19"]),
        ("20260131", "FREQ=MONTHLY", ["01-31", "03-31", "05-31", "07-31"]),
        ("20260227", "FREQ=MONTHLY;BYDAY=-1FR", ["02-27", "03-27", "04-24", "05-29"]),
        ("20260227", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", ["02-27", "03-31", "04-30", "05-29"]),
        ("20260331", "FREQ=MONTHLY;BYMONTHDAY=-1;BYMONTH=3,6", ["03-31", "06-30", "03-31", "06-30"]),
        ("20280229", "FREQ=YEARLY", ["02-29", "02-29"]),
        ("20261126", "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", ["11-26", "11-25", "11-23", "11-22"]),
        ("20260302", "freq=weekly;byday=mo;count=1", ["03-02"]),
    ],
)
def test_rules(start: str, rule: str, expected: list[str]) -> None:
    moments = occurrences(parse(f"DTSTART;TZID=Europe/Berlin:{start}T180000\nRRULE:{rule}"), BEGIN, END, 4)
    assert [f"{moment.astimezone(zone('Europe/Berlin')):%m-%d}" for moment in moments] == expected


def test_the_window_is_half_open_and_the_limit_holds() -> None:
    rule = parse(MONDAYS)
    first = datetime(2026, 3, 2, 17, tzinfo=UTC)
    assert occurrences(rule, first, first + timedelta(days=7), 9) == [first]
    assert occurrences(rule, first + timedelta(seconds=1), first + timedelta(days=7), 9) == []
    assert occurrences(rule, first, END, 0) == []
    assert occurrences(rule, END, first, 5) == []
    assert len(occurrences(rule, first, END, 50)) == 50


@given(st.integers(0, 4000), st.integers(0, 500), st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kabul"]))
def test_a_window_shows_what_the_whole_shows(after: int, hours: int, name: str) -> None:
    rule = parse(f"DTSTART;TZID={name}:20260302T013000\nRRULE:FREQ=DAILY;INTERVAL=3")
    start = BEGIN + timedelta(hours=after)
    end = start + timedelta(hours=hours)
    whole = occurrences(rule, BEGIN, END, 5_000)
    assert occurrences(rule, start, end, 5_000) == [moment for moment in whole if start <= moment < end]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "A recurrence is two lines, DTSTART… and RRULE:…, but this is ''"),
        ("RRULE:FREQ=DAILY", "A recurrence is two lines"),
        (MONDAYS + "\nRRULE:FREQ=DAILY", "A recurrence is two lines"),
        (MONDAYS + " " * MAX_LENGTH, "A recurrence has at most 1000 characters"),
        ("DTSTART:20260302T180000\nRRULE:FREQ=DAILY", "'DTSTART:20260302T180000' is not a start"),
        ("DTSTART;TZID=UTC:20260302T180000Z\nRRULE:FREQ=DAILY", "'DTSTART;TZID=UTC:20260302T180000Z' is not a start"),
        ("DTSTART:20260230T180000Z\nRRULE:FREQ=DAILY", "20260230T180000 is not a date and a time"),
        ("DTSTART:19700101T000000Z\nRRULE:FREQ=DAILY", "A series begins between 2000 and 2100, not in 1970."),
        ("DTSTART;TZID=Mars/Base:20260302T180000\nRRULE:FREQ=DAILY", "'Mars/Base' is not a time zone"),
        ("DTSTART;TZID=Europe:20260302T180000\nRRULE:FREQ=DAILY", "'Europe' is not a time zone"),
        ("DTSTART;TZID=../../etc/passwd:20260302T180000\nRRULE:FREQ=DAILY", "'../../etc/passwd' is not a time zone"),
        (BERLIN + "RRULE:FREQ=SECONDLY", "FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY, not 'SECONDLY'."),
        (BERLIN + "RRULE:INTERVAL=2", "FREQ must be"),
        (BERLIN + "RRULE:FREQ=DAILY;FREQ=DAILY", "'FREQ=DAILY' in the rule is not NAME=VALUE, or is there twice."),
        (BERLIN + "RRULE:FREQ=DAILY;", "'' in the rule is not NAME=VALUE"),
        (BERLIN + "RRULE:FREQ=DAILY;BYSECOND=1,2,3", "BYSECOND is not taken in a DAILY rule"),
        (BERLIN + "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "BYMONTH is not taken in a DAILY rule"),
        (BERLIN + "RRULE:FREQ=YEARLY;BYWEEKNO=10", "BYWEEKNO is not taken in a YEARLY rule"),
        (BERLIN + "RRULE:FREQ=DAILY;INTERVAL=0", "INTERVAL must be a number from 1 to 1000, not '0'."),
        (BERLIN + "RRULE:FREQ=DAILY;INTERVAL=" + "9" * 500, "INTERVAL must be a number from 1 to 1000, not '999"),
        (BERLIN + "RRULE:FREQ=DAILY;COUNT=-1", "COUNT must be a number from 1 to 10000, not '-1'."),
        (BERLIN + "RRULE:FREQ=DAILY;COUNT=1;UNTIL=20270101T000000Z", "COUNT and UNTIL exclude each other"),
        (BERLIN + "RRULE:FREQ=DAILY;UNTIL=20270101", "UNTIL=20270101 is not a moment in UTC"),
        (BERLIN + "RRULE:FREQ=WEEKLY;BYDAY=XX", "'XX' in BYDAY is not a day"),
        (BERLIN + "RRULE:FREQ=WEEKLY;BYDAY=1MO", "1MO in BYDAY counts days of a month or year"),
        (BERLIN + "RRULE:FREQ=MONTHLY;BYDAY=54MO", "'54MO' in BYDAY is not a day"),
        (
            BERLIN + "RRULE:FREQ=MONTHLY;BYMONTHDAY=0",
            "BYMONTHDAY takes numbers from 1 to 31, or from -31 to -1, not",
        ),
        (BERLIN + "RRULE:FREQ=YEARLY;BYMONTH=-1", "BYMONTH takes numbers from 1 to 12, not '-1'."),
        (BERLIN + "RRULE:FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS chooses among days"),
        (BERLIN + "RRULE:FREQ=WEEKLY;WKST=X", "WKST=X is not a day"),
        (BERLIN + "RRULE:FREQ=WEEKLY;BYDAY=TU", "The rule does not fall on its own first day, MO 2026-03-02"),
        (BERLIN + "RRULE:FREQ=DAILY;INTERVAL=7;BYDAY=TU", "The rule does not fall on its own first day"),
        (BERLIN + "RRULE:FREQ=MONTHLY;BYMONTHDAY=2;BYSETPOS=2", "The rule does not fall on its own first day"),
        (BERLIN + "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "The rule does not fall on its own first day"),
        (BERLIN + "RRULE:FREQ=YEARLY;BYDAY=2MO", "The rule does not fall on its own first day"),
    ],
)
def test_what_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    began = time.perf_counter()
    with pytest.raises(ScheduleError) as caught:
        parse(text)
    assert str(caught.value).startswith(sentence)
    assert len(str(caught.value)) < 300
    assert time.perf_counter() - began < 0.5, "no rule is searched until the year 9999"


@pytest.mark.parametrize(
    "text",
    [
        "DTSTART:20280229T180000Z\nRRULE:FREQ=YEARLY;INTERVAL=1000;BYDAY=TU;BYMONTHDAY=29",
        "DTSTART:20280229T180000Z\nRRULE:FREQ=MONTHLY;INTERVAL=997;BYDAY=TU;BYMONTHDAY=29;BYSETPOS=-1",
        "DTSTART:20000101T180000Z\nRRULE:FREQ=DAILY;INTERVAL=1000;BYDAY=SA",
        "DTSTART:20000101T180000Z\nRRULE:FREQ=WEEKLY;INTERVAL=1000;BYDAY=SA",
    ],
)
def test_rare_matches_are_found_or_given_up_quickly(text: str) -> None:
    rule = parse(text)
    began = time.perf_counter()
    assert len(occurrences(rule, datetime(2000, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC), 3)) >= 1
    assert time.perf_counter() - began < 0.5


@given(st.text(max_size=80), st.text(alphabet="FREQ=DAILYWKMNTHB;0123456789,-+:UOZ", max_size=80))
def test_any_text_is_understood_or_refused(line: str, rule: str) -> None:
    for text in (line, BERLIN + "RRULE:" + rule, BERLIN + "RRULE:FREQ=MONTHLY;" + rule):
        try:
            occurrences(parse(text), BEGIN, END, 5)
        except ScheduleError:
            pass


def test_the_text_is_kept_without_what_is_superfluous() -> None:
    rule = parse("  DTSTART;TZID=Europe/Berlin:20260302T180000 \r\nrrule:freq=weekly;byday=mo\r\n")
    assert rule.text == MONDAYS
    assert parse(rule.text) == rule
