"""Where players fetch finished segments: elsewhere once they are there, here when the store is in trouble."""

from __future__ import annotations

import re

from test_window import AUDIO, VIDEO, Waiter, add, fill, live

from transcoder.ladder import Variant
from transcoder.offload import Offload
from transcoder.window import LiveWindow

CDN = "https://cdn.example/live/hls/"


class Published(dict[str, str]):
    """The newest text of each plain playlist."""

    def __call__(self, key: str, document: bytes) -> None:
        self[key] = document.decode()


def offloaded(window: LiveWindow) -> tuple[Offload, Published, list[str]]:
    published, told = Published(), list[str]()
    offload = Offload(CDN, published, told.append)
    offload.begin(window)
    offload.on_read(True, "")
    return offload, published, told


def addresses(playlist: str) -> list[str]:
    """Of segments and init sections, in order."""
    maps = re.findall(r'#EXT-X-MAP:URI="([^"]+)"', playlist)
    return maps + [line for line in playlist.splitlines() if line.endswith(".m4s") and not line.startswith("#")]


def sent(window: LiveWindow, number: int = 0) -> dict[int, str]:
    """Where players are sent for the segments that there ever were, and for one that is still to come."""
    rendition = window.renditions[number]
    newest = rendition.segments[-1].sequence
    return {each: address for each in range(newest + 2) if (address := rendition.elsewhere(each))}


def text_of(window: LiveWindow, number: int = 0) -> str:
    return window.renditions[number].playlist().plain.decode()


def keep(offload: Offload, number: int, *names: str) -> None:
    for name in names:
        offload.on_kept(f"s/{number}/{name}")


def test_a_segment_is_elsewhere_once_it_is_there_and_no_playlist_changes() -> None:
    window = live(size=3)
    offload, _, _ = offloaded(window)
    fill(window.renditions[0], 3)
    before = text_of(window)
    assert addresses(before) == ["s-init0.mp4", "s-0.m4s", "s-1.m4s", "s-2.m4s"]
    assert sent(window) == {}
    keep(offload, 0, "s-init0.mp4", "s-1.m4s")
    assert sent(window) == {1: f"{CDN}s/0/s-1.m4s"}
    assert text_of(window) == before


def test_what_has_left_memory_is_elsewhere_and_what_is_to_come_is_not() -> None:
    window = live(size=3)
    offload, _, _ = offloaded(window)
    fill(window.renditions[0], 12)
    oldest = window.renditions[0].segments[0].sequence
    assert oldest > 0
    assert sent(window) == {number: f"{CDN}s/0/s-{number}.m4s" for number in range(oldest)}
    offload.on_trouble("The store of segments fails.")
    assert sent(window) == {}


def test_nobody_is_woken_by_an_address() -> None:
    window = live(size=3)
    offload, _, _ = offloaded(window)
    fill(window.renditions[0], 2)
    waiter = Waiter()
    assert window.renditions[0].wait(2, 0, waiter)
    keep(offload, 0, "s-init0.mp4", "s-0.m4s")
    offload.on_trouble("The store fails.")
    assert waiter.calls == 0
    add(window.renditions[0], 2, 0)
    assert waiter.calls == 1


def test_in_trouble_everything_is_here_and_afterwards_elsewhere_again() -> None:
    window = live(size=3)
    offload, _, told = offloaded(window)
    fill(window.renditions[0], 2)
    keep(offload, 0, "s-init0.mp4", "s-0.m4s", "s-1.m4s")
    offload.on_trouble("The store of segments fails.")
    assert sent(window) == {}
    following = live(size=3)
    offload.begin(following)
    fill(following.renditions[0], 2)
    keep(offload, 0, "s-init0.mp4", "s-0.m4s")
    assert sent(following) == {}, "a show that begins in trouble is here as well"
    offload.on_recovery()
    assert sent(following) == {0: f"{CDN}s/0/s-0.m4s"}
    assert told == ["The store of segments fails.", ""]


def test_nobody_is_sent_to_what_nobody_has_read() -> None:
    window, told, kept = live(size=3), list[str](), list[str]()
    offload = Offload(CDN, Published(), told.append, kept.append)
    offload.begin(window)
    fill(window.renditions[0], 2)
    keep(offload, 0, "s-init0.mp4", "s-0.m4s")
    assert sent(window) == {}
    assert kept == ["s/0/s-init0.mp4", "s/0/s-0.m4s"]
    refused = "Viewers cannot read from https://cdn.example: it answers 403."
    offload.on_read(False, refused)
    offload.on_read(False, refused)
    assert sent(window) == {}
    offload.on_read(True, "")
    assert sent(window)
    offload.on_read(False, refused)
    assert sent(window) == {}
    offload.on_trouble("The store of segments fails.")
    offload.on_read(True, "")
    assert sent(window) == {}, "both have to work"
    offload.on_recovery()
    assert sent(window)
    assert told == [refused, "", refused, "The store of segments fails.", ""]
    offload.on_read(True, "This server cannot read from https://cdn.example.")
    assert sent(window), "players may"
    assert told[5:] == ["This server cannot read from https://cdn.example."]


def test_what_is_of_another_show_or_of_none_is_passed_over() -> None:
    window = live()
    offload, published, _ = offloaded(window)
    fill(window.renditions[0], 2)
    offload.on_kept("other/0/other-0.m4s")
    offload.on_kept("s/7/s-0.m4s")
    assert sent(window) == {}
    assert published == {}


def test_plain_playlists_list_what_is_there_and_nothing_else() -> None:
    window = live(VIDEO, AUDIO, size=4, variants=(Variant("", 0, 1),))
    offload, published, _ = offloaded(window)
    for rendition in window.renditions:
        fill(rendition, 4)
    keep(offload, 0, "s-init0.mp4", "s-0.m4s", "s-1.m4s", "s-3.m4s")
    plain = published["0/stream.m3u8"]
    assert addresses(plain) == ["../s/0/s-init0.mp4", "../s/0/s-3.m4s"], "what follows a hole is all that is played"
    assert "#EXT-X-MEDIA-SEQUENCE:3" in plain
    for word in ("PART", "PRELOAD", "CAN-BLOCK-RELOAD", "SKIP", "ENDLIST", "REPORT"):
        assert word not in plain
    assert "stream.m3u8" not in published, "the sound is not there yet"
    keep(offload, 0, "s-2.m4s")
    assert addresses(published["0/stream.m3u8"])[1:] == [f"../s/0/s-{number}.m4s" for number in range(4)]
    keep(offload, 1, "s-3.m4s", "s-init0.mp4")
    assert addresses(published["1/stream.m3u8"]) == ["../s/1/s-init0.mp4", "../s/1/s-3.m4s"]
    assert re.findall(r"^\d/stream.m3u8$|URI=\"([^\"]+)\"", published["stream.m3u8"], re.MULTILINE)
    assert CDN not in published["stream.m3u8"]


def test_plain_playlists_end_with_the_show() -> None:
    window = live(size=3)
    offload, published, _ = offloaded(window)
    fill(window.renditions[0], 2)
    keep(offload, 0, "s-init0.mp4", "s-0.m4s", "s-1.m4s")
    window.end()
    offload.end(window)
    assert published["0/stream.m3u8"].endswith("../s/0/s-1.m4s\n#EXT-X-ENDLIST\n")


def test_the_multivariant_playlist_is_not_sent_for_every_segment() -> None:
    window = live(VIDEO, AUDIO, size=100, variants=(Variant("", 0, 1),))
    offload, published, _ = offloaded(window)
    sent = []
    for rendition in window.renditions:
        fill(rendition, 60)
    keep(offload, 1, "s-init0.mp4", *(f"s-{number}.m4s" for number in range(60)))
    keep(offload, 0, "s-init0.mp4")
    for number in range(60):
        published.pop("stream.m3u8", None)
        keep(offload, 0, f"s-{number}.m4s")
        sent.append("stream.m3u8" in published)
    assert sent[0], "as soon as there is something of everything"
    assert sum(sent) == 3, "and then only now and then, for its bit rates"


def test_names_that_left_memory_are_forgotten() -> None:
    window = live(size=2)
    offload, _, _ = offloaded(window)
    for sequence in range(40):
        fill(window.renditions[0], sequence + 1, sequence)
        keep(offload, 0, "s-init0.mp4", f"s-{sequence}.m4s")
    assert len(window.renditions[0].kept) <= 2 + 4 + 2
