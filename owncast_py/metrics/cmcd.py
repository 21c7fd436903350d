"""Common Media Client Data (CTA-5004, and version 2, CTA-5004-B): what players tell while they play.

Owns reading it, as text (`br=3200,bs,sid="…"`, from a query, a header or an event's body) and as JSON (one object, or
an array of them). No socket, no players: the web hands in what arrived, `metrics.playback` keeps what comes out.

All of it is hostile. What cannot be read as a whole is refused with a sentence; a key that is unknown, or whose value
has the wrong type, is left out, as the specification wants.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from owncast_py.metrics.playback import PlaybackReport

MAX_TEXT: Final = 8_192
"""Characters of one event as text."""
MAX_BODY: Final = 256 * 1024
"""Characters or bytes of a batch."""
MAX_EVENTS: Final = 200
MAX_ITEMS: Final = 20
"""Values of one key that are looked at."""
MAX_STRING: Final = 64
"""Characters of a session id, as the specification limits it; the other strings are cut there too."""
MAX_NUMBER: Final = 1e12

Value = float | str | bool | list["Value"]

_STRING = r'"((?:[^"\\]|\\.)*)"'
_BARE = r'[^\s",;()=]+'
_KEY = re.compile(r"[A-Za-z0-9*][A-Za-z0-9_.*-]{0,63}")
_ITEM = re.compile(f"{_STRING}|({_BARE})")
_PARAMETERS = re.compile(rf"(?:;[ \t]*[A-Za-z*][A-Za-z0-9_.*-]*(?:=(?:{_STRING}|{_BARE}))?)*")
_EQUALS = re.compile("=")
_COMMA = re.compile(r"[ \t]*,[ \t]*")
_OPEN = re.compile(r"\([ \t]*")
_CLOSE = re.compile(r"[ \t]*\)")
_SPACE = re.compile(r"[ \t]+")
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class CmcdEvent:
    """What matters of one report; the names are the specification's. None is what the player did not say.

    `br` is the encoded bitrate and `mtp` the measured throughput in kbit/s; `bl` (buffer), `ltc` (latency), `d` (the
    object's duration) and `ttlb` (time to its last byte) are in milliseconds. `bs`: the buffer ran empty. `e` names the
    event, `ec` its error codes.
    """

    sid: str | None = None
    br: float | None = None
    mtp: float | None = None
    bl: float | None = None
    bs: bool = False
    ltc: float | None = None
    d: float | None = None
    ttlb: float | None = None
    e: str | None = None
    ec: tuple[str, ...] = ()


def parse(text: str) -> CmcdEvent:
    """One event as text, already percent-decoded. Raises ValueError with a sentence."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"CMCD data may have {MAX_TEXT} characters, not {len(text)}.")
    scanner = _Scanner(text.strip(" \t\r\n"))
    values: dict[str, object] = {}
    while True:
        key = scanner.take(_KEY)
        if key is None:
            raise scanner.fault("a key")
        values[key[0]] = _value(scanner) if scanner.take(_EQUALS) else True
        scanner.take(_PARAMETERS)
        if scanner.ended:
            return _event(values)
        if not scanner.take(_COMMA):
            raise scanner.fault("a comma")


def parse_lines(body: str) -> list[CmcdEvent]:
    """A batch of events as text, one on each line. Raises ValueError with a sentence."""
    _check_size(body)
    lines = [line for line in body.splitlines() if line.strip()]
    _check_count(len(lines))
    return [parse(line) for line in lines]


def parse_json(body: bytes | str) -> list[CmcdEvent]:
    """One event as a JSON object, or several in an array. Raises ValueError with a sentence."""
    _check_size(body)
    try:
        found: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"The CMCD data is not JSON: {error.msg}.") from error
    documents = found if isinstance(found, list) else [found]
    _check_count(len(documents))
    events = []
    for number, document in enumerate(documents, 1):
        if not isinstance(document, dict):
            raise ValueError(f"CMCD event {number} is not a JSON object.")
        events.append(_event(document))
    return events


def to_report(event: CmcdEvent) -> PlaybackReport:
    """What the event says about playback. An empty buffer counts as an error, for the viewer saw one."""
    errors = len(event.ec) or int(event.e == "e")
    download = event.ttlb
    if download is None and event.d is not None and event.br is not None and event.mtp:
        download = event.d * event.br / event.mtp
    return PlaybackReport(
        bandwidth_kbps=event.mtp,
        latency_seconds=None if event.ltc is None else event.ltc / 1000,
        errors=errors + event.bs,
        download_seconds=None if download is None else download / 1000,
        quality_changes=int(event.e == "bc"),
    )


class _Scanner:
    """A text, and how far it is read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    @property
    def ended(self) -> bool:
        return self._at == len(self._text)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
        return match

    def fault(self, wanted: str) -> ValueError:
        found = "the end" if self.ended else repr(self._text[self._at : self._at + 20])
        return ValueError(f"The CMCD data cannot be read: at character {self._at + 1} is {found}, not {wanted}.")


def _value(scanner: _Scanner) -> Value:
    """A bare item, or a list of items in parentheses; parameters are passed over."""
    if not scanner.take(_OPEN):
        return _item(scanner)
    items: list[Value] = []
    while not scanner.take(_CLOSE):
        if items and not scanner.take(_SPACE):
            raise scanner.fault("a space or a closing parenthesis")
        items.append(_item(scanner))
        scanner.take(_PARAMETERS)
    return items


def _item(scanner: _Scanner) -> Value:
    match = scanner.take(_ITEM)
    if match is None:
        raise scanner.fault("a value")
    text, bare = match.groups()
    if bare is None:
        return _ESCAPED.sub(r"\1", text)
    if bare in ("?0", "?1"):
        return bare == "?1"
    return float(bare) if _NUMBER.fullmatch(bare) else str(bare)


def _event(values: Mapping[str, object]) -> CmcdEvent:
    return CmcdEvent(
        sid=_string(values.get("sid")),
        # Audio and video are told apart in version 2; together they are what has to come through.
        br=_number(values.get("br"), sum),
        mtp=_number(values.get("mtp"), max),
        bl=_number(values.get("bl"), min),
        bs=any(item is True or item == "true" for item in _items(values.get("bs"))),
        ltc=_number(values.get("ltc"), max),
        d=_number(values.get("d"), max),
        ttlb=_number(values.get("ttlb"), max),
        e=_string(values.get("e")),
        ec=tuple(_codes(values.get("ec"))),
    )


def _items(value: object) -> list[object]:
    return value[:MAX_ITEMS] if isinstance(value, list) else [value]


def _number(value: object, fold: Callable[[list[float]], float]) -> float | None:
    numbers = [
        float(item)
        for item in _items(value)
        if isinstance(item, int | float) and not isinstance(item, bool) and 0 <= item <= MAX_NUMBER
    ]
    return fold(numbers) if numbers else None


def _string(value: object) -> str | None:
    return value[:MAX_STRING] if isinstance(value, str) and value else None


def _codes(value: object) -> Iterable[str]:
    for item in _items(value):
        if isinstance(item, int | float) and not isinstance(item, bool):
            yield f"{item:.15g}"
        elif isinstance(item, str) and item:
            yield item[:MAX_STRING]


def _check_size(body: bytes | str) -> None:
    if len(body) > MAX_BODY:
        raise ValueError(f"A batch of CMCD events may have {MAX_BODY} characters, not {len(body)}.")


def _check_count(events: int) -> None:
    if not 1 <= events <= MAX_EVENTS:
        raise ValueError(f"A batch of CMCD events holds 1 to {MAX_EVENTS} of them, not {events}.")
