"""The schedule as a calendar that programs subscribe to: text/calendar as in RFC 5545. No clock, no I/O.

Owns the format only: which events there are is the caller's choice. Names, descriptions and the address are hostile:
whatever they hold, it ends up inside its own property.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from owncast_py.schedule.model import EventStatus, ScheduledEvent

MAX_LINE_OCTETS = 75
"""Without the line break (RFC 5545, 3.1)."""

_UTC = "%Y%m%dT%H%M%SZ"


def render(events: Iterable[ScheduledEvent], name: str, url: str) -> bytes:
    """A calendar called `name` with those events. `url` leads to where they can be watched; empty leaves it out.

    The same events give the same bytes, and an event keeps its UID when it is moved or cancelled.
    """
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//owncast-py//schedule//EN", "CALSCALE:GREGORIAN"]
    lines += [f"X-WR-CALNAME:{_text(name)}", "REFRESH-INTERVAL;VALUE=DURATION:PT1H"]
    address = _address(url)
    for event in events:
        lines += _event(event, address)
    lines.append("END:VCALENDAR")
    return b"".join(part for line in lines for part in _folded(line))


def _event(event: ScheduledEvent, address: str) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{event.id}@owncast-py"
    yield f"DTSTAMP:{_moment(event.created_at)}"
    yield f"DTSTART:{_moment(event.starts_at)}"
    yield f"DTEND:{_moment(event.ends_at)}"
    yield f"SUMMARY:{_text(event.name)}"
    if event.description:
        yield f"DESCRIPTION:{_text(event.description)}"
    if address:
        yield f"URL:{address}"
    yield "STATUS:CANCELLED" if event.status is EventStatus.CANCELLED else "STATUS:CONFIRMED"
    yield "END:VEVENT"


def _moment(time: datetime) -> str:
    return time.strftime(_UTC)


def _text(value: str) -> str:
    """A TEXT value (3.3.11): escaped, and without the control characters that it cannot hold."""
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    value = value.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")
    return "".join(character for character in value if not _is_control(character) or character == "\t")


def _address(url: str) -> str:
    """A URI value: it has no escapes, so what would end the line is left out."""
    return "".join(character for character in url if not _is_control(character) and not character.isspace())


def _is_control(character: str) -> bool:
    return ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 or 0xD800 <= ord(character) <= 0xDFFF


def _folded(line: str) -> Iterator[bytes]:
    """The line in pieces of at most 75 octets, each with CRLF; no piece splits a character."""
    octets = line.encode()
    room = MAX_LINE_OCTETS
    while len(octets) > room:
        cut = room
        while octets[cut] & 0xC0 == 0x80:
            cut -= 1
        yield octets[:cut] + b"\r\n"
        octets = b" " + octets[cut:]
    yield octets + b"\r\n"
