"""Playlists that encoders send: what is read of them, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.errors import PlaylistError
from ingest.hls.m3u8 import MAX_PLAYLIST_BYTES, Encoding, Entry, Media, Multivariant, clean_name, read_playlist

HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"


def media(text: str, name: str = "stream.m3u8") -> Media:
    playlist = read_playlist(name, (HEAD + text).encode())
    assert isinstance(playlist, Media)
    return playlist


def test_segments_are_numbered_on_from_the_media_sequence() -> None:
    playlist = media("#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:2.0,\na.ts\n#EXTINF:1.5,title, with a comma\nb.ts\n")
    assert playlist == Media((Entry(7, "a.ts", 2.0, None), Entry(8, "b.ts", 1.5, None)), ended=False)


def test_names_are_relative_to_the_playlist_that_has_them() -> None:
    playlist = media('#EXT-X-MAP:URI="../init.mp4"\n#EXTINF:2,\n./x%20y.m4s?a=1#b\n', "720p/stream.m3u8")
    assert playlist.entries == (Entry(0, "720p/x y.m4s", 2.0, "init.mp4"),)


def test_the_end_is_the_end() -> None:
    assert media("#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n").ended
    assert not media("#EXTINF:2,\na.ts\n").ended


def test_variants_come_best_first_with_their_sound() -> None:
    text = (
        '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="b",URI="second.m3u8"\n'
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="a",DEFAULT=YES,URI="a/sound.m3u8"\n'
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="g",NAME="s",URI="words.m3u8"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=100,CODECS="avc1.42c01f,mp4a.40.2",AUDIO="g"\nlow.m3u8\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=900,AUDIO="none"\nhigh.m3u8\n'
        "#EXT-X-STREAM-INF:BANDWIDTH=much\nodd.m3u8\n"
    )
    assert read_playlist("master.m3u8", text.encode()) == Multivariant(
        (Encoding("high.m3u8", 900), Encoding("low.m3u8", 100, "a/sound.m3u8"), Encoding("odd.m3u8", 0))
    )


@pytest.mark.parametrize("kind", ["ts", "fmp4", "sound-apart"])
def test_what_ffmpeg_writes_is_understood(hls: Callable[[str], Path], kind: str) -> None:
    folder = hls(kind)
    master = read_playlist("master.m3u8", (folder / "master.m3u8").read_bytes())
    assert isinstance(master, Multivariant)
    assert len(master.encodings) == 2
    assert master.encodings[0].bandwidth > master.encodings[1].bandwidth
    for name in [each.playlist for each in master.encodings] + [each.audio for each in master.encodings if each.audio]:
        playlist = read_playlist(name, (folder / name).read_bytes())
        assert isinstance(playlist, Media)
        assert playlist.ended
        assert sum(entry.duration for entry in playlist.entries) == pytest.approx(6, abs=0.1)
        assert all((folder / entry.name).exists() for entry in playlist.entries)
        assert all((entry.init is not None) == (kind == "fmp4") for entry in playlist.entries)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no playlist", "its first line is not #EXTM3U"),
        (HEAD + "#EXTINF:2,\nhttps://elsewhere.example/a.ts\n", "relative to itself"),
        (HEAD + "#EXTINF:2,\n/etc/passwd\n", "relative to itself"),
        (HEAD + "#EXTINF:2,\n../../a.ts\n", "no name for a file"),
        (HEAD + "#EXTINF:2,\n%2e%2e/a.ts\n", "no name for a file"),
        (HEAD + "#EXTINF:2,\na\\b.ts\n", "no name for a file"),
        (HEAD + "#EXTINF:nan,\na.ts\n", "segment of 'nan' seconds"),
        (HEAD + "#EXTINF:1e9,\na.ts\n", "segment of '1e9' seconds"),
        (HEAD + "#EXTINF:-1,\na.ts\n", "segment of '-1' seconds"),
        (HEAD + "#EXT-X-MEDIA-SEQUENCE:-3\n", "media sequence number '-3'"),
        (HEAD + '#EXT-X-KEY:METHOD=AES-128,URI="k"\n#EXTINF:2,\na.ts\n', "encryption"),
        (HEAD + "#EXTINF:2,\n#EXT-X-BYTERANGE:5@0\na.ts\n", "a file for each segment"),
        (HEAD + "#EXT-X-MAP:BYTERANGE=5@0\n", "not a file of its own"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", "names no variant"),
        ("#EXTM3U\n" + "".join(f"#EXT-X-STREAM-INF:BANDWIDTH=1\n{n}.m3u8\n" for n in range(11)), "11 variants"),
        (HEAD + "a.ts\n" * 20_001, "more than 20,000 segments"),
        ("#EXTM3U\n" + "#" * MAX_PLAYLIST_BYTES, "hls_list_size"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(PlaylistError, match=r"\.$") as refusal:
        read_playlist("stream.m3u8", text.encode())
    assert sentence in str(refusal.value)


def test_octets_that_are_no_text_are_refused() -> None:
    with pytest.raises(PlaylistError, match="not UTF-8"):
        read_playlist("stream.m3u8", b"#EXTM3U\n\xff")


@given(st.text(max_size=300))
@example("a/../b")
@example("a//b")
@example("/a")
def test_a_name_that_is_taken_leads_nowhere_else(name: str) -> None:
    try:
        taken = clean_name(name)
    except PlaylistError:
        return
    assert not taken.startswith("/")
    assert not {"", ".", ".."} & set(taken.split("/"))


@given(st.lists(st.sampled_from(["#EXTM3U", "#EXTINF:2,", "a.ts", "#EXT-X-MAP:URI=", "..", "#EXT-X-KEY:", ","])))
def test_nothing_but_its_own_error_comes_of_a_playlist(lines: list[str]) -> None:
    with suppress(PlaylistError):
        read_playlist("stream.m3u8", "\n".join(["#EXTM3U", *lines]).encode())
