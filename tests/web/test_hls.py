"""What a request under /hls/ is answered, whatever shell carries it."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientSession
from hypothesis import given, settings
from hypothesis import strategies as st
from shown import add, live

from transcoder.ladder import Variant
from transcoder.window import LiveWindow
from web.hls import MAX_ANSWERS, MAX_DIGITS, Hls, Pending, Stored
from web.hls_routes import settle
from web.media_answers import BAD_DIRECTIVE, CROWDED, FOREVER, MOMENT, NOT_FOUND, OFFLINE, TIMED_OUT, TOO_FAR, Answer
from web.pages import accepts_gzip
from web.traffic import INIT, REDIRECT, SEGMENT

Connect = Callable[..., Awaitable[ClientSession]]


@dataclass
class Theatre:
    """A Media with one window, and everybody who was counted."""

    on_air: LiveWindow | None
    viewers: list[str] = field(default_factory=list)
    described: dict[str, tuple[str, str]] = field(default_factory=dict)

    def touch(self, viewer_id: str) -> bool:
        self.viewers.append(viewer_id)
        return viewer_id not in self.viewers[:-1]

    def describe(self, viewer_id: str, address: str, user_agent: str) -> None:
        self.described[viewer_id] = address, user_agent

    def window(self) -> LiveWindow | None:
        return self.on_air

    async def still(self, name: str) -> bytes | None:
        return None

    async def stored(self, key: str) -> bytes | None:
        return None


@dataclass
class Get:
    """A request by its target and headers."""

    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"

    @property
    def takes_gzip(self) -> bool:
        return accepts_gzip(self.headers.get("accept-encoding") or "")

    def header(self, name: str) -> str | None:
        return self.headers.get(name)


def filled(until: tuple[int, int] = (6, 2), **options: int | None) -> tuple[LiveWindow, Hls, Theatre]:
    window = live(**options)
    for rendition in window.renditions:
        for position in range(until[0] * 4 + until[1]):
            add(rendition, position // 4, position % 4)
    theatre = Theatre(window)
    return window, Hls(theatre, theatre), theatre


def ask(hls: Hls, target: str, headers: Mapping[str, str] | None = None) -> Answer | Pending | Stored:
    return hls.look_up(Get(target, headers or {}), "192.0.2.1")


def answered(hls: Hls, target: str, headers: Mapping[str, str] | None = None) -> Answer:
    outcome = ask(hls, target, headers)
    assert isinstance(outcome, Answer)
    return outcome


def field_of(answer: Answer, name: str) -> str | None:
    found = [value for key, value in answer.headers if key == name]
    assert len(found) <= 1
    return found[0] if found else None


class Waiter:
    calls = 0

    def __call__(self) -> None:
        self.calls += 1


def test_the_playlist_as_it_is() -> None:
    window, hls, theatre = filled()
    answer = answered(hls, "/hls/0/stream.m3u8")
    rendered = window.renditions[0].playlist()
    assert (answer.status, answer.body) == (200, rendered.plain)
    assert answer.headers == (
        ("Content-Type", "application/vnd.apple.mpegurl"),
        ("Content-Length", str(len(rendered.plain))),
        ("Cache-Control", "public, max-age=1"),
        ("Vary", "Accept-Encoding"),
        ("ETag", rendered.etag),
        ("Access-Control-Expose-Headers", "Content-Length, Content-Range, Date"),
        ("Access-Control-Allow-Origin", "*"),
        ("X-Content-Type-Options", "nosniff"),
    )
    assert len(theatre.viewers) == 1
    assert answered(hls, "/hls/0/stream.m3u8") is answer


def test_compressed_it_is_the_same() -> None:
    window, hls, _ = filled()
    plain = answered(hls, "/hls/0/stream.m3u8")
    answer = answered(hls, "/hls/0/stream.m3u8", {"accept-encoding": "br, gzip"})
    assert field_of(answer, "Content-Encoding") == "gzip"
    assert gzip.decompress(answer.body) == plain.body
    assert answer.body is window.renditions[0].playlist().gzip
    assert field_of(answer, "Content-Length") == str(len(answer.body))
    assert field_of(answer, "ETag") != field_of(plain, "ETag")
    assert answered(hls, "/hls/0/stream.m3u8", {"accept-encoding": "gzip;q=0"}) is plain


def test_who_has_it_already_gets_no_body() -> None:
    _, hls, _ = filled()
    for headers in ({}, {"accept-encoding": "gzip"}):
        tag = field_of(answered(hls, "/hls/0/stream.m3u8", headers), "ETag")
        assert tag is not None
        for known in (tag, f'"other", W/{tag}', "*"):
            answer = answered(hls, "/hls/0/stream.m3u8", {**headers, "if-none-match": known})
            assert (answer.status, answer.body) == (304, b"")
            assert field_of(answer, "ETag") == tag
        assert answered(hls, "/hls/0/stream.m3u8", {**headers, "if-none-match": '"other"'}).status == 200


@pytest.mark.parametrize("query", ["_HLS_msn=6&_HLS_part=1", "_HLS_msn=6&_HLS_part=0", "_HLS_msn=5", "_HLS_msn=0"])
def test_what_is_there_is_answered_at_once_and_may_be_kept(query: str) -> None:
    window, hls, _ = filled()
    answer = answered(hls, f"/hls/0/stream.m3u8?{query}")
    assert answer.body == window.renditions[0].playlist().plain
    assert field_of(answer, "Cache-Control") == "public, max-age=12"


@pytest.mark.parametrize("query", ["_HLS_msn=6&_HLS_part=2", "_HLS_msn=6", "_HLS_msn=7&_HLS_part=0", "_HLS_msn=8"])
def test_what_comes_next_is_waited_for(query: str) -> None:
    window, hls, theatre = filled()
    outcome = ask(hls, f"/hls/0/stream.m3u8?{query}&_HLS_skip=YES")
    assert isinstance(outcome, Pending)
    assert outcome.seconds == 6.0
    waiter = Waiter()
    assert outcome.register(waiter)
    video = window.renditions[0]
    for position in range(6 * 4 + 2, 9 * 4):
        if waiter.calls:
            break
        add(video, position // 4, position % 4)
    assert waiter.calls == 1
    answer = outcome.finish()
    assert answer.body == video.playlist(skip=True).plain
    assert len(theatre.viewers) == 1
    outcome.withdraw(waiter)


def test_the_answer_is_the_one_of_the_moment() -> None:
    window, hls, _ = filled()
    outcome = ask(hls, "/hls/0/stream.m3u8?_HLS_msn=6&_HLS_part=2")
    assert isinstance(outcome, Pending)
    assert outcome.register(Waiter())
    add(window.renditions[0], 6, 2)
    assert outcome.finish() is answered(hls, "/hls/0/stream.m3u8?_HLS_msn=6&_HLS_part=2")
    assert b'URI="abcd-6.2.m4s"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI="abcd-6.3.m4s"' in bytes(outcome.finish().body)


@pytest.mark.parametrize(
    "query",
    [
        "_HLS_msn=abc",
        "_HLS_msn=",
        "_HLS_msn=-1",
        "_HLS_msn=1.5",
        "_HLS_msn=0x10",
        "_HLS_msn=%31",
        "_HLS_msn=" + "9" * (MAX_DIGITS + 1),
        "_HLS_msn=\u0663",
        "_HLS_part=1",
        "_HLS_msn=6&_HLS_part=x",
        "a=b&_HLS_part=0&_HLS_skip=YES",
    ],
)
def test_directives_that_make_no_sense(query: str) -> None:
    _, hls, _ = filled()
    answer = answered(hls, f"/hls/0/stream.m3u8?{query}")
    assert answer is BAD_DIRECTIVE
    assert answer.status == 400


@pytest.mark.parametrize("query", ["_HLS_msn=9", "_HLS_msn=999999999999", "_HLS_msn=6&_HLS_part=50"])
def test_positions_too_far_ahead(query: str) -> None:
    _, hls, _ = filled()
    assert answered(hls, f"/hls/0/stream.m3u8?{query}") is TOO_FAR
    assert TOO_FAR.status == 400


def test_other_queries_are_ignored() -> None:
    _, hls, _ = filled()
    plain = answered(hls, "/hls/0/stream.m3u8")
    assert answered(hls, "/hls/0/stream.m3u8?token=1&_HLS_other=x&_HLS_skip=NO") is plain
    assert answered(hls, "/hls/0/stream.m3u8?") is plain


def test_delta_updates() -> None:
    _, hls, _ = filled((12, 1))
    whole = answered(hls, "/hls/0/stream.m3u8")
    for value in ("YES", "v2"):
        delta = answered(hls, f"/hls/0/stream.m3u8?_HLS_skip={value}")
        assert delta is not whole
        assert field_of(delta, "ETag") != field_of(whole, "ETag")


def test_offline_and_the_end() -> None:
    theatre = Theatre(None)
    hls = Hls(theatre, theatre)
    for target in ("/hls/stream.m3u8", "/hls/0/stream.m3u8", "/hls/0/abcd-1.m4s", "/hls/nothing"):
        assert answered(hls, target) is OFFLINE
    window, hls, theatre = filled()
    outcome = ask(hls, "/hls/0/stream.m3u8?_HLS_msn=6&_HLS_part=2")
    assert isinstance(outcome, Pending)
    waiter = Waiter()
    assert outcome.register(waiter)
    window.end()
    assert waiter.calls == 1
    assert bytes(outcome.finish().body).endswith(b"#EXT-X-ENDLIST\n")
    assert bytes(answered(hls, "/hls/0/stream.m3u8?_HLS_msn=7").body).endswith(b"#EXT-X-ENDLIST\n")
    # New players are told that there is no show.
    assert answered(hls, "/hls/stream.m3u8") is OFFLINE
    assert answered(hls, "/hls/stream.mpd") is OFFLINE
    assert answered(hls, "/hls/0/abcd-6.2.m4s") is NOT_FOUND


def test_a_show_that_is_just_starting_is_waited_for() -> None:
    window = live()
    theatre = Theatre(window)
    hls = Hls(theatre, theatre)
    whole = ask(hls, "/hls/stream.m3u8")
    media = ask(hls, "/hls/0/stream.m3u8")
    assert isinstance(whole, Pending)
    assert isinstance(media, Pending)
    waiters = [Waiter(), Waiter()]
    assert whole.register(waiters[0])
    assert media.register(waiters[1])
    add(window.renditions[0], 0, 0)
    assert [waiter.calls for waiter in waiters] == [0, 1]
    add(window.renditions[1], 0, 0)
    assert waiters[0].calls == 1
    assert bytes(whole.finish().body) == window.multivariant().plain
    assert bytes(media.finish().body) == window.renditions[0].playlist().plain


def test_without_parts_a_playlist_waits_for_its_first_segment() -> None:
    """Players give up on a playlist that lists nothing."""
    window, hls, _ = filled((0, 3), part_target=None)
    outcome = ask(hls, "/hls/0/stream.m3u8")
    assert isinstance(outcome, Pending)
    waiter = Waiter()
    assert outcome.register(waiter)
    add(window.renditions[0], 0, 3)
    assert waiter.calls == 1
    assert b"abcd-0.m4s" in bytes(outcome.finish().body)
    assert outcome.finish() is answered(hls, "/hls/0/stream.m3u8")
    window.end()
    assert bytes(answered(hls, "/hls/0/stream.m3u8").body).endswith(b"#EXT-X-ENDLIST\n")


def start_of_a_show() -> tuple[LiveWindow, Hls]:
    """Three of four parts of the first segment."""
    window, hls, _ = filled((0, 3))
    assert window.playable
    return window, hls


def test_a_manifest_waits_for_whole_segments_of_pictures_and_sound() -> None:
    window, hls = start_of_a_show()
    assert b"<Period" not in window.manifest().plain
    outcome = ask(hls, "/hls/stream.mpd")
    assert isinstance(outcome, Pending)
    waiter = Waiter()
    assert outcome.register(waiter)
    add(window.renditions[0], 0, 3)
    assert waiter.calls == 0  # sound follows a moment later, and a player would not look for it again
    later = ask(hls, "/hls/stream.mpd")
    assert isinstance(later, Pending)
    assert later.register(Waiter())
    add(window.renditions[1], 0, 3)
    assert waiter.calls == 1
    manifest = bytes(outcome.finish().body)
    assert manifest == window.manifest().plain
    assert manifest.count(b"<Period") == 1
    assert manifest.count(b"<AdaptationSet") == 2
    assert outcome.finish() is later.finish() is answered(hls, "/hls/stream.mpd")


def test_a_manifest_waits_for_the_rendition_that_is_furthest_behind() -> None:
    window, hls, _ = filled((0, 0))
    for number in range(2):
        add(window.renditions[1], 0, number)
    add(window.renditions[0], 0, 0)
    outcome = ask(hls, "/hls/stream.mpd")
    assert isinstance(outcome, Pending)
    waiter = Waiter()
    assert outcome.register(waiter)
    for number in (2, 3):
        add(window.renditions[1], 0, number)
    assert waiter.calls == 0
    for number in (1, 2, 3):
        add(window.renditions[0], 0, number)
    assert waiter.calls == 1
    assert bytes(outcome.finish().body).count(b"<AdaptationSet") == 2


def test_a_manifest_does_not_wait_for_what_was_given_up() -> None:
    window = live()
    window.variants = (*window.variants, Variant("Sound", None, 1))
    theatre = Theatre(window)
    hls = Hls(theatre, theatre)
    for number in range(4):
        add(window.renditions[1], 0, number)
    assert isinstance(ask(hls, "/hls/stream.mpd"), Pending)
    window.settle()
    manifest = bytes(answered(hls, "/hls/stream.mpd").body)
    assert b'contentType="audio"' in manifest
    assert b'contentType="video"' not in manifest


def test_who_waits_for_a_manifest_hears_of_the_end() -> None:
    window, hls = start_of_a_show()
    outcome = ask(hls, "/hls/stream.mpd")
    assert isinstance(outcome, Pending)
    waiter = Waiter()
    assert outcome.register(waiter)
    window.end()
    assert waiter.calls == 1
    assert outcome.finish() is OFFLINE


def test_the_whole_show() -> None:
    window, hls, theatre = filled()
    answer = answered(hls, "/hls/stream.m3u8")
    assert answer.body == window.multivariant().plain
    assert field_of(answer, "Content-Type") == "application/vnd.apple.mpegurl"
    assert theatre.viewers == []
    manifest = answered(hls, "/hls/stream.mpd")
    assert manifest.body == window.manifest().plain
    assert field_of(manifest, "Content-Type") == "application/dash+xml"
    assert len(theatre.viewers) == 1


def test_init_sections_segments_and_parts() -> None:
    _, hls, theatre = filled()
    for target, body, media_type in (
        ("/hls/0/abcd-init0.mp4", b"init of 0", "video/mp4"),
        ("/hls/1/abcd-init0.mp4", b"init of 1", "audio/mp4"),
        ("/hls/0/abcd-6.1.m4s", b"part 6.1", "video/mp4"),
        ("/hls/1/abcd-5.3.m4s", b"part 5.3", "audio/mp4"),
        ("/hls/0/abcd-5.m4s", b"part 5.0part 5.1part 5.2part 5.3", "video/mp4"),
        ("/hls/0/abcd-5.m4s?x=y", b"part 5.0part 5.1part 5.2part 5.3", "video/mp4"),
    ):
        answer = answered(hls, target)
        assert (answer.status, bytes(answer.body)) == (200, body)
        assert field_of(answer, "Content-Type") == media_type
        assert field_of(answer, "Cache-Control") == FOREVER
        assert field_of(answer, "Content-Length") == str(len(body))
    assert theatre.viewers == []


def test_the_hinted_part_is_waited_for_and_no_other() -> None:
    window, hls, _ = filled()
    outcome = ask(hls, "/hls/0/abcd-6.2.m4s")
    assert isinstance(outcome, Pending)
    waiter = Waiter()
    assert outcome.register(waiter)
    for name in ("abcd-6.3.m4s", "abcd-7.0.m4s", "abcd-6.m4s", "abcd-5.4.m4s"):
        assert answered(hls, f"/hls/0/{name}") is NOT_FOUND
    add(window.renditions[0], 6, 2)
    assert waiter.calls == 1
    assert bytes(outcome.finish().body) == b"part 6.2"


def test_a_hint_that_came_to_nothing_is_not_found() -> None:
    window, hls, _ = filled()
    outcome = ask(hls, "/hls/0/abcd-6.2.m4s")
    assert isinstance(outcome, Pending)
    waiter = Waiter()
    assert outcome.register(waiter)
    add(window.renditions[0], 6, 2, data=None)
    assert waiter.calls == 1
    assert outcome.finish() is NOT_FOUND


def test_gaps_are_not_found() -> None:
    window, hls, _ = filled((3, 0))
    for number in range(4):
        add(window.renditions[0], 3, number, data=None)
    assert answered(hls, "/hls/0/abcd-3.m4s") is NOT_FOUND
    assert answered(hls, "/hls/0/abcd-3.0.m4s") is NOT_FOUND


@pytest.mark.parametrize(
    "target",
    [
        "/hls/",
        "/hls/x",
        "/hls//stream.m3u8",
        "/hls/2/stream.m3u8",
        "/hls/1000/stream.m3u8",
        "/hls/-1/stream.m3u8",
        "/hls/\u0663/stream.m3u8",
        "/hls/0/",
        "/hls/0/stream.m3u9",
        "/hls/0/abcd-1.ts",
        "/hls/0/abcd-init0.m4s",
        "/hls/0/abcd-1.2.3.m4s",
        "/hls/0/abcd--1.m4s",
        "/hls/0/abcd-1.m4s/",
        "/hls/0/abcd-1.m4s%00",
        "/hls/../../etc/passwd",
        "/hls/0/../../../etc/passwd",
        "/hls/0/%2e%2e%2fabcd-1.m4s",
        "/hls/0/..-1.m4s",
        "/hls/0/" + "a" * 33 + "-1.m4s",
        "/hls/0/abcd-" + "1" * 13 + ".m4s",
    ],
)
def test_what_is_no_file_of_ours(target: str) -> None:
    _, hls, theatre = filled()
    assert answered(hls, target) is NOT_FOUND
    assert theatre.viewers == []


@pytest.mark.parametrize("name", ["abcd-0.m4s", "gone-7.m4s", "gone-init3.mp4", "abcd-init9.mp4"])
def test_what_has_left_memory_may_be_in_the_store(name: str) -> None:
    _, hls, _ = filled((20, 0))
    outcome = ask(hls, f"/hls/0/{name}")
    kind = INIT if "init" in name else SEGMENT
    assert outcome == Stored(f"{name.split('-')[0]}/0/{name}", "video/mp4", kind)


def test_parts_are_never_in_the_store() -> None:
    _, hls, _ = filled((20, 0))
    assert answered(hls, "/hls/0/gone-7.0.m4s") is NOT_FOUND
    assert answered(hls, "/hls/0/abcd-0.0.m4s") is NOT_FOUND


@pytest.mark.parametrize(
    ("wanted", "status", "body", "scope"),
    [
        ("bytes=0-3", 206, b"part", "bytes 0-3/32"),
        ("bytes=5-", 206, b"5.0part 5.1part 5.2part 5.3", "bytes 5-31/32"),
        ("bytes=-3", 206, b"5.3", "bytes 29-31/32"),
        ("bytes=-300", 206, b"part 5.0part 5.1part 5.2part 5.3", "bytes 0-31/32"),
        ("bytes=31-1000000", 206, b"3", "bytes 31-31/32"),
        ("bytes=32-", 416, b"", "bytes */32"),
        ("bytes=-0", 416, b"", "bytes */32"),
        ("bytes=0-1,4-5", 200, b"part 5.0part 5.1part 5.2part 5.3", None),
        ("bytes=-", 200, b"part 5.0part 5.1part 5.2part 5.3", None),
        ("bytes=9-5", 416, b"", "bytes */32"),
        ("lines=0-3", 200, b"part 5.0part 5.1part 5.2part 5.3", None),
        ("bytes=x", 200, b"part 5.0part 5.1part 5.2part 5.3", None),
    ],
)
def test_ranges(wanted: str, status: int, body: bytes, scope: str | None) -> None:
    _, hls, _ = filled()
    answer = answered(hls, "/hls/0/abcd-5.m4s", {"range": wanted})
    assert (answer.status, bytes(answer.body)) == (status, body)
    assert field_of(answer, "Content-Range") == scope
    assert field_of(answer, "Content-Length") == str(len(body))


def test_media_is_its_own_entity_tag() -> None:
    _, hls, _ = filled()
    assert field_of(answered(hls, "/hls/0/abcd-5.m4s"), "ETag") == '"abcd-5.m4s"'
    assert answered(hls, "/hls/0/abcd-5.m4s", {"if-none-match": '"abcd-5.m4s"'}).status == 304
    assert answered(hls, "/hls/0/abcd-5.m4s", {"if-none-match": '"abcd-5.m4s"', "range": "bytes=0-1"}).status == 304


CDN = "https://cdn.example/hls/"


def sent_to(outcome: Answer | Pending | Stored) -> str | None:
    assert isinstance(outcome, Answer)
    assert (outcome.status == 302) == (outcome.kind == REDIRECT)
    return field_of(outcome, "Location")


def test_a_segment_that_is_elsewhere_is_asked_for_there() -> None:
    window, hls, _ = filled()
    before = answered(hls, "/hls/0/stream.m3u8").body
    here = answered(hls, "/hls/0/abcd-1.m4s")
    window.serve_from(CDN)
    window.renditions[0].kept.add("abcd-1.m4s")
    moved = answered(hls, "/hls/0/abcd-1.m4s", {"range": "bytes=0-1"})
    assert (sent_to(moved), moved.body) == (f"{CDN}abcd/0/abcd-1.m4s", b"")
    assert field_of(moved, "Cache-Control") == MOMENT, "it may be here again"
    assert field_of(moved, "Access-Control-Allow-Origin") == "*"
    assert sent_to(ask(hls, "/hls/0/abcd-2.m4s")) is None, "that one is not there"
    assert answered(hls, "/hls/0/abcd-1.1.m4s").status == 200, "parts are here"
    assert answered(hls, "/hls/0/stream.m3u8").body == before, "a listed segment keeps its address"
    window.serve_from("")
    again = answered(hls, "/hls/0/abcd-1.m4s")
    assert (again.status, again.body) == (200, here.body)


def test_a_segment_on_its_way_is_waited_for_a_moment() -> None:
    window, hls, _ = filled()
    window.serve_from(CDN)
    kept = window.renditions[0].kept
    waiters = [Waiter() for _ in range(4)]
    pending = [ask(hls, f"/hls/0/abcd-{number}.m4s") for number in (5, 5, 4, 5)]
    for each, waiter in zip(pending, waiters, strict=True):
        assert isinstance(each, Pending)
        assert each.register(waiter)
        assert (each.late.status, each.crowded.status) == (200, 200), "it is here all the same"
    last = pending[3]
    assert isinstance(last, Pending)
    last.withdraw(waiters[3])
    kept.add("abcd-5.m4s")
    assert [waiter.calls for waiter in waiters] == [1, 1, 0, 0]
    assert sent_to(last.finish()) == f"{CDN}abcd/0/abcd-5.m4s"
    window.serve_from("")
    assert [waiter.calls for waiter in waiters] == [1, 1, 1, 0], "in trouble nobody waits"
    assert (last.finish().status, last.finish().kind) == (200, SEGMENT)


def test_what_is_not_there_yet_is_asked_for_nowhere_else() -> None:
    window, hls, _ = filled()
    window.serve_from(CDN)
    assert answered(hls, "/hls/0/abcd-6.m4s").status == 404, "it is being made"
    assert isinstance(ask(hls, "/hls/0/abcd-7.m4s"), Stored)


def test_answers_of_old_playlists_are_not_kept_for_ever() -> None:
    window, hls, _ = filled((6, 0))
    for position in range(24, 24 + MAX_ANSWERS + 50):
        add(window.renditions[0], position // 4, position % 4)
        answer = answered(hls, "/hls/0/stream.m3u8")
        assert answer.body == window.renditions[0].playlist().plain
        assert answered(hls, "/hls/0/stream.m3u8") is answer
        assert len(hls._answers) <= MAX_ANSWERS
    assert len(hls._answers) == 50


def test_an_answer_is_joined_once_for_all_with_the_same_ending() -> None:
    answer = Answer(200, (("Content-Length", "4"),), b"body")
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"
    assert answer.whole(b"") == head + b"body"
    ending, closing = b"Date: now\r\n\r\n", b"Connection: close\r\nDate: now\r\n\r\n"
    whole = answer.whole(ending)
    assert whole == head + ending + b"body"
    assert answer.whole(ending) is whole
    assert answer.whole(closing) == head + closing + b"body"
    assert answer.whole(ending) == whole


async def test_stills_are_pictures_or_a_sentence(connect: Connect, world: object) -> None:
    client = await connect()
    kinds = {"thumbnail.jpg": "image/jpeg", "preview.gif": "image/gif", "preview.webp": "image/webp"}
    for name in kinds:
        async with client.get(f"/{name}") as response:
            assert (response.status, await response.text()) == (
                404,
                "There is no picture yet; one is made when a stream has begun.\n",
            )
    for name, media_type in kinds.items():
        vars(world)["stills"][name] = b"bytes of " + name.encode()
        async with client.get(f"/{name}") as response:
            assert await response.read() == b"bytes of " + name.encode()
            assert response.content_type == media_type
            assert response.headers["Cache-Control"] == "public, max-age=10"


async def test_settle_answers_when_woken_and_gives_up_when_not() -> None:
    registered: list[Waiter] = []
    answer = Answer(200, ())

    def pending(accept: bool, wake: bool) -> Pending:
        def register(waiter: object) -> bool:
            if accept:
                registered.append(waiter)  # type: ignore[arg-type]
                if wake:
                    registered[-1]()
            return accept

        return Pending(register, lambda waiter: registered.remove(waiter), lambda: answer, 0.01)  # type: ignore[arg-type]

    assert await settle(pending(True, True)) is answer
    assert registered == []
    assert await settle(pending(True, False)) is TIMED_OUT
    assert registered == []
    assert await settle(pending(False, False)) is CROWDED
    assert (TIMED_OUT.status, CROWDED.status) == (503, 503)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60).map(lambda tail: f"/hls/{tail}"),
        st.lists(
            st.sampled_from(["0", "1", "/", "..", "abcd", "-", ".", "m4s", "stream.m3u8", "?", "_HLS_msn=", "&", "9"]),
            max_size=14,
        ).map(lambda pieces: "/hls/" + "".join(pieces)),
    ),
    st.dictionaries(st.sampled_from(["range", "if-none-match", "accept-encoding", "cookie"]), st.text(max_size=30)),
)
def test_no_request_raises(target: str, headers: dict[str, str]) -> None:
    _, hls, _ = filled()
    outcome = hls.look_up(Get(target, headers), "192.0.2.1")
    if isinstance(outcome, Answer):
        assert outcome.status in (200, 206, 304, 400, 404, 416)
        assert outcome.head.endswith(b"\r\n")
    elif isinstance(outcome, Stored):
        assert ".." not in outcome.key
        assert outcome.key.count("/") == 2
