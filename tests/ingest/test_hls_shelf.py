"""What an encoder sent, and the order in which it is used: whatever the order of arrival."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import PlaylistError
from ingest.hls.shelf import MAX_BYTES, MAX_FILES, MAX_PLAYLISTS, PATIENCE, Shelf


def playlist(first: int, count: int, *, prefix: str = "s", init: str = "", ended: bool = False) -> bytes:
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
    lines += [f'#EXT-X-MAP:URI="{init}"'] if init else []
    for number in range(first, first + count):
        lines += ["#EXTINF:2,", f"{prefix}{number}.ts"]
    return "\n".join(lines + (["#EXT-X-ENDLIST"] if ended else [])).encode()


def shelf_of(*names: str) -> tuple[Shelf, list[str]]:
    """A shelf that has settled on these media playlists, and what it tells."""
    told: list[str] = []
    shelf = Shelf(told.append)
    for name in names:
        shelf.put(name, playlist(0, 0))
    shelf.settle()
    return shelf, told


def taken(shelf: Shelf) -> list[tuple[int, str, bool]]:
    found = []
    while (delivery := shelf.take()) is not None:
        found.append((delivery.track, delivery.entry.name, delivery.broken))
    return found


def test_a_segment_is_used_once_it_is_named_and_here_and_only_once() -> None:
    shelf, told = shelf_of("a.m3u8")
    shelf.put("s0.ts", b"0")
    assert taken(shelf) == []
    shelf.put("a.m3u8", playlist(0, 2))
    assert taken(shelf) == [(0, "s0.ts", False)]
    shelf.put("s0.ts", b"0")
    shelf.put("a.m3u8", playlist(0, 2))
    assert taken(shelf) == []
    shelf.put("s1.ts", b"1")
    assert taken(shelf) == [(0, "s1.ts", False)]
    shelf.put("s1.ts", b"1")
    shelf.put("a.m3u8", playlist(0, 2))
    assert taken(shelf) == []
    assert told == []


@given(st.permutations(range(5)))
def test_segments_that_arrive_out_of_order_are_used_in_order(order: list[int]) -> None:
    shelf, _ = shelf_of("a.m3u8")
    shelf.put("s100.ts", b"begin")
    shelf.put("a.m3u8", playlist(100, 1))
    assert [name for _, name, _ in taken(shelf)] == ["s100.ts"]
    for number in order:
        shelf.put(f"s{101 + number}.ts", b"x")
    shelf.put("a.m3u8", playlist(100, 6))
    assert taken(shelf) == [(0, f"s{number}.ts", False) for number in range(101, 106)]


def test_a_segment_that_is_never_sent_is_passed_over_when_later_ones_are_here() -> None:
    shelf, told = shelf_of("a.m3u8")
    shelf.put("s0.ts", b"0")
    shelf.put("a.m3u8", playlist(0, 5))
    assert taken(shelf) == [(0, "s0.ts", False)]
    shelf.put("s2.ts", b"2")
    assert taken(shelf) == [], "it may still come"
    shelf.put("s3.ts", b"3")
    assert PATIENCE == 2
    assert taken(shelf) == [(0, "s2.ts", True), (0, "s3.ts", False)]
    assert told == ["a.m3u8 names segments from 1 on that were never sent; they are passed over."]
    shelf.put("s1.ts", b"1")
    assert taken(shelf) == [], "too late"


def test_a_segment_that_left_the_playlist_before_it_came_is_missed() -> None:
    shelf, told = shelf_of("a.m3u8")
    shelf.put("s0.ts", b"0")
    shelf.put("a.m3u8", playlist(0, 1))
    taken(shelf)
    shelf.put("s5.ts", b"5")
    shelf.put("a.m3u8", playlist(5, 1))
    assert taken(shelf) == [(0, "s5.ts", True)]
    assert len(told) == 1


def test_whoever_comes_late_begins_with_what_is_there() -> None:
    shelf, told = shelf_of("a.m3u8")
    shelf.put("s7.ts", b"7")
    shelf.put("a.m3u8", playlist(3, 5))
    assert taken(shelf) == [(0, "s7.ts", False)]
    assert told == []


def test_an_encoder_that_starts_again_is_followed() -> None:
    shelf, told = shelf_of("a.m3u8")
    for number in range(4):
        shelf.put(f"s{number}.ts", b"x")
    shelf.put("a.m3u8", playlist(0, 4))
    assert len(taken(shelf)) == 4
    shelf.put("s0.ts", b"again")
    shelf.put("a.m3u8", playlist(0, 1))
    assert taken(shelf) == [(0, "s0.ts", True)]
    assert told == ["a.m3u8 begins again at segment 0."]


def test_fragments_wait_for_their_initialization_section_and_all_have_it() -> None:
    shelf, _ = shelf_of("a.m3u8")
    shelf.put("s0.ts", b"0")
    shelf.put("a.m3u8", playlist(0, 2, init="init.mp4"))
    assert taken(shelf) == []
    shelf.put("init.mp4", b"init")
    first = shelf.take()
    assert first is not None
    assert (first.init, first.data) == (b"init", b"0")
    shelf.put("s1.ts", b"1")
    second = shelf.take()
    assert second is not None
    assert second.init == b"init"
    shelf.put("init.mp4", b"other")
    shelf.put("s2.ts", b"2")
    shelf.put("a.m3u8", playlist(1, 2, init="init.mp4"))
    third = shelf.take()
    assert third is not None
    assert third.init == b"other"


def test_variants_take_turns() -> None:
    shelf, _ = shelf_of("a.m3u8", "b.m3u8")
    for number in range(3):
        shelf.put(f"a{number}.ts", b"x")
        shelf.put(f"b{number}.ts", b"x")
    shelf.put("a.m3u8", playlist(0, 3, prefix="a"))
    shelf.put("b.m3u8", playlist(0, 3, prefix="b"))
    assert [track for track, _, _ in taken(shelf)] == [0, 1, 0, 1, 0, 1]


def test_a_multivariant_playlist_says_which_variants_there_are() -> None:
    shelf = Shelf(print)
    shelf.put("stray.m3u8", playlist(0, 1))
    assert shelf.known
    assert not shelf.certain
    text = '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="n",URI="sound.m3u8"\n'
    text += '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="g"\nlow.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO="g"\nhigh.m3u8\n'
    shelf.put("master.m3u8", text.encode())
    assert shelf.certain
    shelf.settle()
    assert [each.playlist for each in shelf.encodings] == ["high.m3u8", "low.m3u8"]
    assert shelf.sounds == ("sound.m3u8",)
    shelf.put("s0.ts", b"x")
    shelf.put("sound.m3u8", playlist(0, 1))
    assert taken(shelf) == [(2, "s0.ts", False)], "sound comes after the encodings"


def test_the_stream_has_ended_when_all_its_playlists_have() -> None:
    shelf, _ = shelf_of("a.m3u8", "b.m3u8")
    shelf.put("a.m3u8", playlist(0, 1, ended=True))
    assert not shelf.ended
    shelf.delete("b.m3u8")
    assert shelf.ended


def test_what_nobody_names_gives_way_within_bounds() -> None:
    shelf, told = shelf_of("a.m3u8")
    for number in range(MAX_FILES + 5):
        shelf.put(f"x{number}.ts", b"x")
    assert len(told) == 5
    shelf.put("a.m3u8", playlist(4, MAX_FILES + 1, prefix="x"))
    assert taken(shelf)[0] == (0, "x5.ts", False), "the oldest are gone"
    half = bytes(MAX_BYTES // 2)
    for name in ("one", "two", "three"):
        shelf.put(name, half)
    assert shelf._held <= MAX_BYTES


def test_playlists_are_bounded() -> None:
    shelf = Shelf(print)
    for number in range(MAX_PLAYLISTS):
        shelf.put(f"{number}.m3u8", playlist(0, 1))
    with pytest.raises(PlaylistError, match=r"playlists were sent already"):
        shelf.put("more.m3u8", playlist(0, 1))


def test_whatever_comes_nothing_is_used_twice_or_out_of_order() -> None:
    """Files of two starts of an encoder, shuffled, doubled and with some missing."""
    dice = random.Random(4)
    for _ in range(300):
        shelf, _ = shelf_of("a.m3u8")
        used: list[int] = []
        numbers = [number for number in range(12) if dice.random() > 0.2]
        arrivals = sorted(numbers + dice.sample(numbers, 3), key=lambda number: number + dice.random() * 4)
        for count, number in enumerate(arrivals):
            shelf.put(f"s{number}.ts", str(number).encode())
            shelf.put("a.m3u8", playlist(max(0, count - 6), 8))
            used += [int(delivery.data) for delivery in iter(shelf.take, None)]
        assert used == sorted(set(used))
