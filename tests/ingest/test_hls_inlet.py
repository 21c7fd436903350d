"""Encoders that send HLS, from their files to the frames that a listener hears: real files, a gate that writes down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ingest.errors import PlaylistError, PublishRefused, SegmentError
from ingest.gate import PublishRequest
from ingest.hls import publisher as publisher_module
from ingest.hls.inlet import PAUSE_SECONDS, HlsInlet
from ingest.hls.publisher import IDLE_SECONDS
from ingest.source import AudioFrame, AudioHeader, LiveSource, VideoFrame, VideoHeader

Hls = Callable[[str], Path]
ME = ("key", "192.0.2.1")
PATIENCE = 60.0


@dataclass
class Gate:
    """Admits everybody, or refuses with a sentence; hears the source and its variants."""

    refusal: str = ""
    sources: list[LiveSource] = field(default_factory=list)
    pictures: dict[int, list[VideoFrame]] = field(default_factory=dict)
    headers: list[object] = field(default_factory=list)
    sounds: list[AudioFrame] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def admit(self, request: PublishRequest) -> Gate:
        if self.refusal:
            raise PublishRefused(self.refusal)
        assert request.key == "key"
        self.sources.append(request.source)
        return self

    def on_metadata(self, _metadata: Mapping[str, object]) -> None:
        for number, variant in enumerate(self.sources[-1].variants, 1):
            variant.listener = Below(self, number)

    def on_video_header(self, header: VideoHeader) -> None:
        self.headers.append(header)

    def on_audio_header(self, header: AudioHeader) -> None:
        self.headers.append(header)

    def on_video(self, frame: VideoFrame) -> None:
        self.pictures.setdefault(0, []).append(frame)

    def on_audio(self, frame: AudioFrame) -> None:
        self.sounds.append(frame)

    def on_end(self, reason: str) -> None:
        self.ends.append(reason)
        self.ended.set()


@dataclass
class Below:
    gate: Gate
    number: int

    def on_video_header(self, header: VideoHeader) -> None:
        self.gate.headers.append(header)

    def on_video(self, frame: VideoFrame) -> None:
        self.gate.pictures.setdefault(self.number, []).append(frame)


class Clock:
    """Time that passes when somebody says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def inlet_of(gate: Gate, clock: Callable[[], float]) -> AsyncIterator[HlsInlet]:
    inlet = HlsInlet(gate, clock=clock)
    try:
        yield inlet
    finally:
        await inlet.aclose()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of the publisher are short, so that what they lead to is soon seen."""
    monkeypatch.setattr(publisher_module, "SETTLE_SECONDS", 0.02)


def send(inlet: HlsInlet, folder: Path, *, order: Callable[[Path], object] = lambda path: path.name) -> None:
    """All files of an encoder: segments, then playlists."""
    for path in sorted(folder.iterdir(), key=lambda path: (path.suffix == ".m3u8", order(path))):
        inlet.put(*ME, "Lavf", path.name, path.read_bytes())


async def until(look: Callable[[], object], clock: Clock) -> None:
    """Lets the clock run until there is something to see."""
    async with asyncio.timeout(PATIENCE):
        while not look():
            clock.now += 0.1
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("kind", ["ts", "fmp4", "sound-apart"])
async def test_everything_that_was_sent_is_heard(hls: Hls, kind: str) -> None:
    gate, clock = Gate(), Clock()
    async with inlet_of(gate, clock) as inlet:
        send(inlet, hls(kind))
        await until(gate.ended.is_set, clock)
    (source,) = gate.sources
    assert (source.origin.protocol, source.origin.address, source.origin.encoder) == ("hls", "192.0.2.1", "Lavf")
    assert source.encoded
    assert source.keyframe_interval == pytest.approx(1.0)
    assert source.bitrate > source.variants[0].bitrate > 0
    assert len(gate.pictures[0]) == len(gate.pictures[1]) == 180
    assert [frame.dts for frame in gate.pictures[0]] == [frame.dts for frame in gate.pictures[1]]
    assert gate.pictures[0][0].keyframe
    assert len(gate.sounds) >= 280, "six seconds of AAC at 48 kHz"
    assert gate.ends == ["The encoder ended its stream."]
    assert source.bytes_received == sum(len(f.data) for f in (*gate.pictures[0], *gate.sounds))


async def test_media_playlists_without_a_multivariant_one_are_variants_as_well(hls: Hls, hurried: None) -> None:
    gate, clock = Gate(), Clock()
    async with inlet_of(gate, clock) as inlet:
        for path in sorted(hls("ts").iterdir(), key=lambda path: (path.suffix == ".m3u8", path.name)):
            if path.name != "master.m3u8":
                inlet.put(*ME, "Lavf", path.name, path.read_bytes())
        await until(gate.ended.is_set, clock)
    assert len(gate.pictures[0]) == len(gate.pictures[1]) == 180


async def test_one_media_playlist_is_a_stream(hls: Hls, hurried: None) -> None:
    gate, clock = Gate(), Clock()
    async with inlet_of(gate, clock) as inlet:
        for path in sorted(hls("ts").glob("v0*"), key=lambda path: (path.suffix == ".m3u8", path.name)):
            inlet.put(*ME, "Lavf", path.name, path.read_bytes())
        await until(gate.ended.is_set, clock)
    assert (len(gate.pictures[0]), gate.sources[0].variants) == (180, ())


async def test_garbage_in_the_middle_is_skipped_with_a_sentence(hls: Hls, capsys: pytest.CaptureFixture[str]) -> None:
    gate, clock = Gate(), Clock()
    async with inlet_of(gate, clock) as inlet:
        for path in sorted(hls("ts").glob("*"), key=lambda path: (path.suffix == ".m3u8", path.name)):
            data = b"G" + bytes(5000) if path.name in ("v01.ts", "v11.ts") else path.read_bytes()
            inlet.put(*ME, "Lavf", path.name, data)
        await until(gate.ended.is_set, clock)
    assert len(gate.pictures[0]) == len(gate.pictures[1]) == 120
    assert gate.pictures[0][60].keyframe
    assert "The segment v01.ts is skipped." in capsys.readouterr().out


async def test_an_encoder_that_falls_silent_has_left(hls: Hls, hurried: None) -> None:
    gate, clock = Gate(), Clock()
    async with inlet_of(gate, clock) as inlet:
        inlet.put(*ME, "Lavf", "v00.ts", (hls("ts") / "v00.ts").read_bytes())
        clock.now += IDLE_SECONDS - 1
        inlet.check(*ME, "v01.ts")
        clock.now += IDLE_SECONDS - 1
        await asyncio.sleep(0.1)
        assert gate.ends == [], "something was under way"
        clock.now += 2
        await until(gate.ended.is_set, clock)
    assert gate.ends[0].startswith("The encoder has sent nothing for 1")


async def test_who_is_refused_is_told_why_and_takes_no_place(hls: Hls) -> None:
    gate = Gate(refusal="Someone else is live.")
    async with inlet_of(gate, Clock()) as inlet:
        with pytest.raises(PublishRefused, match=r"Someone else is live\."):
            inlet.put(*ME, "Lavf", "v00.ts", (hls("ts") / "v00.ts").read_bytes())
        gate.refusal = ""
        inlet.put(*ME, "Lavf", "v00.ts", (hls("ts") / "v00.ts").read_bytes())
    assert len(gate.sources) == 1


async def test_who_was_dropped_stays_out_until_it_pauses(hls: Hls) -> None:
    gate, clock = Gate(), Clock()
    segment = (hls("ts") / "v00.ts").read_bytes()
    async with inlet_of(gate, clock) as inlet:
        inlet.put(*ME, "Lavf", "v00.ts", segment)
        gate.sources[0].close("Another encoder took over.")
        assert gate.ends == ["Another encoder took over."], "at once"
        for _ in range(5):
            clock.now += PAUSE_SECONDS - 1
            with pytest.raises(PublishRefused, match=r"stop it for 10 s"):
                inlet.check(*ME, "v01.ts")
        clock.now += PAUSE_SECONDS
        inlet.put(*ME, "Lavf", "v00.ts", segment)
    assert len(gate.sources) == 2


async def test_another_address_is_another_publisher(hls: Hls) -> None:
    gate = Gate()
    segment = (hls("ts") / "v00.ts").read_bytes()
    async with inlet_of(gate, Clock()) as inlet:
        inlet.put(*ME, "Lavf", "v00.ts", segment)
        gate.refusal = "Someone else is live."
        with pytest.raises(PublishRefused, match=r"Someone else is live\."):
            inlet.put("key", "192.0.2.2", "Lavf", "v00.ts", segment)
        inlet.put(*ME, "Lavf", "v01.ts", segment)
        inlet.delete("key", "192.0.2.2", "v01.ts")
    assert len(gate.sources) == 1


async def test_a_first_file_that_is_nothing_of_hls_makes_nobody_a_publisher() -> None:
    gate = Gate()
    async with inlet_of(gate, Clock()) as inlet:
        with pytest.raises(SegmentError, match=r"neither a playlist nor a segment"):
            inlet.put(*ME, "curl", "a.ts", b"<html>")
        with pytest.raises(PlaylistError, match=r"#EXTM3U"):
            inlet.put(*ME, "curl", "a.m3u8", b"<html>")
        with pytest.raises(PlaylistError, match=r"no name for a file"):
            inlet.check(*ME, "../a.ts")
        inlet.put(*ME, "curl", "a.m3u8", b"#EXTM3U\n#EXT-X-ENDLIST\n")
    assert gate.sources == []


async def test_a_server_that_stops_ends_the_source(hls: Hls) -> None:
    gate = Gate()
    async with inlet_of(gate, Clock()) as inlet:
        inlet.put(*ME, "Lavf", "v00.ts", (hls("ts") / "v00.ts").read_bytes())
    assert gate.ends == ["The server is stopping."]
