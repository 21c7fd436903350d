"""The seams of a broadcast, without ffmpeg: starts, changes, breaks, stalls, returns, takeovers and the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from itertools import pairwise

import av
import pytest
import structlog
from encoder_material import flv, frames, video_of
from PIL import Image

from ingest.source import TIMESCALE, AudioFrame, AudioHeader, LiveSource, Origin, VideoFrame, VideoHeader
from transcoder.ladder import VariantSettings
from transcoder.pipeline import (
    OPENING_SECONDS,
    SETTLE_SECONDS,
    STALL_SECONDS,
    Pipeline,
    PipelineSettings,
)
from transcoder.segment_store import STORED_WINDOWS
from transcoder.segments import Part, Segment
from transcoder.stills import Still
from transcoder.window import LiveWindow

DEADLINE = 20.0
"""Seconds after which a test that waits has failed."""
PASSED = (VariantSettings(video_passthrough=True, audio_passthrough=True),)
MS = TIMESCALE // 1000

Frame = VideoFrame | AudioFrame


@dataclass
class Material:
    """A recorded source."""

    video: VideoHeader | None
    audio: AudioHeader | None
    frames: list[Frame]

    def during(self, start: float, end: float) -> list[Frame]:
        """What is decoded from `start` to before `end`, in seconds."""
        return [frame for frame in self.frames if start * TIMESCALE <= time_of(frame) < end * TIMESCALE]


def time_of(frame: Frame) -> int:
    return frame.dts if isinstance(frame, VideoFrame) else frame.pts


def material(**options: object) -> Material:
    headers, found = frames(flv(**{"seconds": 8.0, "gop": 30, **options}))  # type: ignore[arg-type]
    video = next((header for header in headers if isinstance(header, VideoHeader)), None)
    audio = next((header for header in headers if isinstance(header, AudioHeader)), None)
    return Material(video, audio, sorted(found, key=time_of))


@dataclass
class Keeper:
    """A SegmentStore in a dictionary."""

    objects: dict[str, bytes] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def put(self, key: str, chunks: Sequence[bytes | memoryview]) -> None:
        assert key not in self.objects
        self.objects[key] = b"".join(chunks)

    def delete(self, keys: Sequence[str]) -> None:
        self.deleted += keys

    def drop(self, session: str) -> None:
        self.dropped.append(session)
        self.objects = {key: data for key, data in self.objects.items() if not key.startswith(f"{session}/")}

    async def get(self, key: str) -> bytes | None:
        return self.objects.get(key)

    async def start(self) -> None: ...

    async def aclose(self) -> None: ...


@dataclass
class Show:
    """A pipeline whose clock stands still until it is moved."""

    settings: PipelineSettings
    now: float = 1000.0
    events: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    store: Keeper = field(default_factory=Keeper)
    windows: int = 0

    def __post_init__(self) -> None:
        self.pipeline = Pipeline(
            self.settings,
            None,
            self.store,
            self,
            clock=lambda: self.now,
            wall=lambda: self.now + 1_700_000_000,
            session=self._session,
        )

    def _session(self) -> str:
        self.windows += 1
        return f"session{self.windows}"

    def on_live(self) -> None:
        self.events.append("live")

    def on_hold(self, reason: str) -> None:
        self.events.append("hold")

    def on_advice(self, sentence: str) -> None:
        self.advice.append(sentence)

    @property
    def window(self) -> LiveWindow:
        window = self.pipeline.window
        assert window is not None
        return window

    def publish(self, source: Material, *, address: str = "192.0.2.1", **expects: bool) -> Publisher:
        live = LiveSource(Origin("rtmp", address), self.closed.append, **expects)
        live.listener = self.pipeline.attach(live)
        publisher = Publisher(self, live)
        publisher.send_headers(source)
        return publisher

    def segments(self, number: int) -> list[Segment]:
        return list(self.window.renditions[number].segments)

    def positions(self, number: int) -> list[tuple[int, int]]:
        return [(s.sequence, n) for s in self.segments(number) for n in range(len(s.parts))]

    def breaks(self, number: int) -> list[int]:
        return [segment.sequence for segment in self.segments(number) if segment.discontinuity]


@dataclass
class Publisher:
    """One encoder's connection; what it sends takes as long as it lasts."""

    show: Show
    source: LiveSource

    def send_headers(self, source: Material) -> None:
        listener = self.source.listener
        assert listener is not None
        if source.video is not None and source.video != self.source.video:
            self.source.video = source.video
            listener.on_video_header(source.video)
        if source.audio is not None and source.audio != self.source.audio:
            self.source.audio = source.audio
            listener.on_audio_header(source.audio)

    def send(self, sent: Sequence[Frame], shift: int = 0) -> None:
        listener = self.source.listener
        assert listener is not None
        for before, frame in zip([*sent[:1], *sent], sent, strict=False):
            if self.show.closed:
                return
            self.show.now += (time_of(frame) - time_of(before)) / TIMESCALE
            if isinstance(frame, VideoFrame):
                listener.on_video(frame._replace(dts=frame.dts + shift, pts=frame.pts + shift))
            else:
                listener.on_audio(frame._replace(pts=frame.pts + shift))

    def leave(self) -> None:
        assert self.source.listener is not None
        self.source.listener.on_end("The encoder ended the stream.")


@asynccontextmanager
async def show(**options: object) -> AsyncIterator[Show]:
    settings = PipelineSettings(**{"variants": PASSED, **options})  # type: ignore[arg-type]
    before = asyncio.all_tasks()
    made = Show(settings)
    try:
        yield made
    finally:
        await made.pipeline.aclose()
        assert asyncio.all_tasks() == before


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.001)


def media(subject: Show, number: int, first: int = 0, last: int = 10**9) -> bytes:
    """The init section and the media of segments `first` to `last`, which must share it."""
    chosen = [s for s in subject.segments(number) if first <= s.sequence <= last and not s.gap]
    (init,) = {segment.init for segment in chosen}
    assert init is not None
    return init.data + b"".join(bytes(chunk) for segment in chosen for chunk in segment.chunks())


def decoded(data: bytes) -> list[av.VideoFrame | av.AudioFrame]:
    with av.open(BytesIO(data), format="mp4") as opened:
        return list(opened.decode(opened.streams[0]))  # type: ignore[call-overload, no-any-return]


async def test_a_source_becomes_a_playable_window() -> None:
    source = material(bframes=2)
    async with show() as live:
        publisher = live.publish(source)
        publisher.send(source.frames)
        assert live.events == ["live"]
        assert live.window.playable
        assert live.positions(0)[:5] == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)]
        assert live.positions(1) == live.positions(0)[: len(live.positions(1))]
        assert len(live.positions(1)) >= len(live.positions(0)) - 1
        assert live.breaks(0) == live.breaks(1) == []
        publisher.leave()
        assert len(decoded(media(live, 0))) == len(video_of(source.frames)) == 240
        text = live.window.multivariant().plain.decode()
        assert 'CODECS="avc1.' in text
        assert ",mp4a.40.2" in text
        assert "RESOLUTION=320x180,FRAME-RATE=30.000" in text


@pytest.mark.parametrize(("missing", "kind"), [({"audio": ""}, "video"), ({"video": ""}, "audio")])
async def test_a_source_of_one_track(missing: dict[str, str], kind: str) -> None:
    source = material(**missing)
    async with show() as live:
        publisher = live.publish(source, **{f"expects_{kind}": True})
        publisher.send(source.frames)
        assert [rendition.info.kind for rendition in live.window.renditions] == [kind]
        assert live.window.playable
        assert live.positions(0)[:4] == [(0, 0), (0, 1), (0, 2), (0, 3)]
        assert [round(segment.duration / TIMESCALE) for segment in live.segments(0)[:3]] == [2, 2, 2]


async def test_an_announced_track_that_never_comes_is_not_waited_for_for_ever() -> None:
    source = material(audio="")
    async with show() as live:
        publisher = live.publish(source, expects_video=True, expects_audio=True)
        publisher.send(source.during(0, 2.9))
        assert live.pipeline.window is None
        publisher.send(source.during(2.9, 3.2))
        assert live.window.playable
        assert live.segments(0)[0].start == 0


async def test_wall_time_opens_a_source_that_sends_little() -> None:
    source = material()
    async with show() as live:
        publisher = live.publish(source, expects_video=True, expects_audio=True)
        publisher.send([frame for frame in source.during(0, 0.3) if isinstance(frame, VideoFrame)])
        live.now += OPENING_SECONDS
        live.pipeline.tick()
        assert live.events == ["live"]


async def test_the_first_picture_is_a_keyframe_whatever_came_before() -> None:
    source = material()
    async with show() as live:
        publisher = live.publish(source)
        publisher.send(source.during(0.5, 8))
        assert live.segments(0)[0].parts[0].independent
        publisher.leave()
        assert len(decoded(media(live, 0))) == 210


async def test_new_codec_settings_are_a_discontinuity_with_a_new_init_section_everywhere() -> None:
    first, second = material(gop=30), material(gop=30, bframes=2)
    assert first.video != second.video
    async with show() as live:
        publisher = live.publish(first)
        publisher.send(first.during(0, 3.5))
        publisher.send_headers(second)
        # Until the next keyframe nothing can be shown.
        publisher.send(second.during(3.5, 8))
        publisher.leave()
        assert live.windows == 1
        (new,) = live.breaks(0)
        assert live.breaks(1) == [new]
        before, after = live.segments(0)[new - 1], live.segments(0)[new]
        assert before.init is not after.init
        assert after.parts[0].independent
        assert len(decoded(media(live, 0, last=new - 1))) == 105
        assert len(decoded(media(live, 0, first=new))) == 120
        assert live.positions(0) == live.positions(1)
        assert "EXT-X-DISCONTINUITY\n#EXT-X-MAP" in live.window.renditions[0].playlist().plain.decode()


async def test_parameter_sets_inside_pictures_are_noticed() -> None:
    first, second = material(gop=30), material(gop=30, bframes=2)
    assert second.video is not None
    config = second.video.config
    size = int.from_bytes(config[6:8], "big")
    sps, rest = config[8 : 8 + size], config[8 + size + 1 :]
    pps = rest[2 : 2 + int.from_bytes(rest[:2], "big")]
    sets = b"".join(len(nal).to_bytes(4, "big") + nal for nal in (sps, pps))
    later = [
        frame._replace(data=sets + frame.data) if isinstance(frame, VideoFrame) and frame.keyframe else frame
        for frame in second.during(4, 8)
    ]
    async with show() as live:
        publisher = live.publish(first)
        publisher.send(first.during(0, 4))
        publisher.send(later)
        publisher.leave()
        assert live.breaks(0) == live.breaks(1) == [2]
        new = live.segments(0)[2].init
        assert new is not None
        assert sps in new.data
        assert len(decoded(media(live, 0, first=2))) == 120


async def test_hostile_parameter_sets_inside_pictures_are_passed_over() -> None:
    source = material()
    bad = b"".join(len(nal).to_bytes(4, "big") + nal for nal in (b"\x67\x64\x00\x1f", b"\x68\xee"))
    hostile = [
        frame._replace(data=bad + frame.data) if isinstance(frame, VideoFrame) and frame.keyframe else frame
        for frame in source.during(4, 8)
    ]
    async with show() as live:
        publisher = live.publish(source)
        publisher.send(source.during(0, 4))
        publisher.send(hostile)
        assert live.events == ["live"]
        assert len(live.segments(0)) == 4


async def test_a_break_is_filled_with_the_slate_and_the_show_goes_on() -> None:
    source = material()
    async with show() as live:
        publisher = live.publish(source)
        publisher.send(source.during(0, 4))
        publisher.leave()
        assert live.events == ["live", "hold"]
        assert live.segments(0)[-1].complete
        live.now += 3
        await until(lambda: len(live.segments(0)) > 3)
        slate = live.segments(0)[2]
        assert slate.discontinuity
        assert slate.init is not None
        assert slate.init is not live.segments(0)[1].init
        pictures = decoded(slate.init.data + b"".join(bytes(c) for c in slate.chunks()))
        assert [(p.width, p.height) for p in pictures if isinstance(p, av.VideoFrame)] == [(320, 180)] * 20
        # Silence goes with it, in the same format.
        assert all(not segment.gap for segment in live.segments(1))
        live.now += 2
        again = live.publish(source, address="192.0.2.9")
        again.send(source.during(0, 4))
        assert live.events == ["live", "hold", "live"]
        sequences = [segment.sequence for segment in live.segments(0)]
        assert sequences == list(range(len(sequences)))
        assert live.windows == 1
        assert len(live.breaks(0)) == 2
        assert live.breaks(0) == live.breaks(1)
        back = live.segments(0)[live.breaks(0)[1]]
        assert back.init is not None
        assert back.init.data == live.segments(0)[0].init.data  # type: ignore[union-attr]
        assert back.init.name != live.segments(0)[0].init.name  # type: ignore[union-attr]
        assert abs(back.start - round((live.now - 1000.0 - 4) * TIMESCALE)) < TIMESCALE
        for number in (0, 1):
            for before, after in pairwise(live.segments(number)):
                assert after.start >= before.start + before.duration - 2048 * TIMESCALE // 48000


async def test_a_break_before_the_slate_is_ready_is_no_break_for_anybody() -> None:
    source = material()
    async with show() as live:
        live.publish(source).send(source.during(0, 4))
        first = live.pipeline._input
        assert first is not None
        first.on_end("gone")
        live.publish(source).send(source.during(0, 4))
        assert live.events == ["live", "hold", "live"]
        assert live.breaks(0) == [2]
        await until(lambda: not live.pipeline.holding)


async def test_a_silent_source_is_held_and_continues_with_its_next_keyframe() -> None:
    source = material()
    async with show() as live:
        publisher = live.publish(source)
        publisher.send(source.during(0, 4))
        live.pipeline.tick()
        live.now += STALL_SECONDS - 0.1
        live.pipeline.tick()
        assert live.events == ["live"]
        assert live.pipeline.silent_for == pytest.approx(STALL_SECONDS - 0.1)
        live.now += 0.1
        live.pipeline.tick()
        live.pipeline.tick()
        assert live.events == ["live", "hold"]
        live.now += 1
        await until(lambda: len(live.breaks(0)) == 1)
        publisher.send(source.during(4, 8), shift=5 * TIMESCALE)
        assert live.events == ["live", "hold", "live"]
        assert len(live.breaks(0)) == 2
        assert live.breaks(0) == live.breaks(1)


async def test_a_silent_source_that_then_leaves_has_one_slate() -> None:
    source = material()
    async with show() as live:
        publisher = live.publish(source)
        publisher.send(source.during(0, 4))
        live.pipeline.tick()
        live.now += STALL_SECONDS
        live.pipeline.tick()
        live.now += 2
        await until(lambda: len(live.breaks(0)) == 1)
        slate = live.pipeline._holding._task
        publisher.leave()
        assert live.pipeline._holding._task is slate
        count = len(live.positions(0))
        live.now += 2
        await until(lambda: len(live.positions(0)) >= count + 4)
        assert len(live.breaks(0)) == 1
        times = [segment.start for segment in live.segments(0)]
        assert times == sorted(times)


async def test_a_source_that_leaves_between_new_settings_and_a_keyframe_is_held() -> None:
    source, other = material(), material(bframes=2)
    async with show() as live:
        publisher = live.publish(source)
        publisher.send(source.during(0, 4))
        publisher.send_headers(other)
        publisher.leave()
        assert live.events == ["live", "hold"]
        live.now += 2
        await until(lambda: len(live.breaks(0)) == 1)


async def test_another_encoder_takes_over() -> None:
    source, other = material(), material(bframes=2)
    async with show() as live:
        publisher = live.publish(source)
        publisher.send(source.during(0, 4))
        second = live.publish(other, address="192.0.2.7")
        publisher.send(source.during(4, 6))  # is heard no more
        publisher.leave()
        second.send(other.during(0, 4))
        assert live.events == ["live", "live"]
        assert live.windows == 1
        assert len(live.breaks(0)) == 1
        assert live.breaks(0) == live.breaks(1)
        assert live.positions(1) == live.positions(0)[: len(live.positions(1))]


async def test_a_source_of_another_shape_gets_a_window_of_its_own() -> None:
    source, silent = material(), material(audio="")
    async with show() as live:
        publisher = live.publish(source)
        publisher.send(source.during(0, 4))
        publisher.leave()
        old = live.window
        second = live.publish(silent, expects_video=True, expects_audio=False)
        second.send(silent.during(0, 4))
        assert live.windows == 2
        assert live.window is not old
        await until(lambda: old.ended)
        assert len(live.window.renditions) == 1


async def test_keyframes_too_far_apart_end_the_passthrough() -> None:
    source = material(gop=1000, seconds=8.0)
    # Without x264's own words nothing is known of the keyframes.
    sent = [
        frame._replace(data=frame.data.replace(b"x264 - core", b"xxxx - core"))  # type: ignore[union-attr]
        for frame in source.frames
    ]
    async with show(variants=None) as live:
        publisher = live.publish(source)
        with structlog.testing.capture_logs() as logs:
            publisher.send(sent)
        # A lone variant may have the longest target duration at once; after that there is nothing left to try.
        # Each has a window of its own.
        assert [line["longer_than"] for line in logs if line["event"] == "keyframes too far apart"] == [2, 4]
        assert live.windows == 3
        assert live.window.target_duration == 2
        assert any("encoded again with keyframes of our own" in sentence for sentence in live.advice)
        # Nothing can be encoded here, and the owner is told.
        await until(lambda: any("no working ffmpeg" in sentence for sentence in live.advice))


async def test_declared_keyframe_intervals_set_the_target_duration() -> None:
    source = material(gop=90, seconds=8.0)
    async with show() as live:
        live.publish(source).send(source.frames)
        assert live.windows == 1
        assert live.window.target_duration == 3
        assert [segment.start // TIMESCALE for segment in live.segments(0)] == [0, 3, 6]


async def test_pictures_that_stall_do_not_stop_the_sound() -> None:
    source = material()
    async with show() as live:
        publisher = live.publish(source)
        publisher.send(source.during(0, 1.2))
        publisher.send([frame for frame in source.during(1.2, 6) if isinstance(frame, AudioFrame)])
        assert live.positions(1)[-1] >= (1, 3)
        assert live.positions(0)[-1] >= (1, 3)
        publisher.send(source.during(6, 8))
        publisher.leave()
        assert live.positions(0) == live.positions(1)


async def test_sound_that_stays_away_becomes_silence() -> None:
    source = material()
    async with show() as live:
        publisher = live.publish(source)
        publisher.send(source.during(0, 2))
        await until(lambda: not live.pipeline._jobs)
        publisher.send([frame for frame in source.during(2, 8) if isinstance(frame, VideoFrame)])
        assert live.positions(1)[-1] >= (2, 0)
        assert all(part.data is not None for segment in live.segments(1) for part in segment.parts)
        assert sum(frame.samples for frame in decoded(media(live, 1)) if isinstance(frame, av.AudioFrame)) >= 5 * 48_000


async def test_the_end_is_an_endlist_and_wakes_who_waits() -> None:
    source = material()
    async with show() as live:
        publisher = live.publish(source)
        publisher.send(source.during(0, 5))
        woken: list[int] = []
        assert live.window.renditions[0].wait(99, None, lambda: woken.append(0))
        assert live.window.renditions[1].wait(2, 3, lambda: woken.append(1))
        await live.pipeline.end_broadcast("the test is over")
        assert sorted(woken) == [0, 1]
        for rendition in live.window.renditions:
            assert rendition.playlist().plain.endswith(b"#EXT-X-ENDLIST\n")
            assert all(segment.complete for segment in rendition.segments)
        publisher.send(source.during(5, 8))  # too late
        await live.pipeline.end_broadcast("again")
        # The next source starts a new show.
        live.publish(source).send(source.during(0, 4))
        assert live.windows == 2
        assert not live.window.ended


async def test_the_end_during_the_slate() -> None:
    source = material()
    async with show() as live:
        publisher = live.publish(source)
        publisher.send(source.during(0, 4))
        publisher.leave()
        live.now += 3
        await until(lambda: len(live.breaks(0)) == 1)
        await live.pipeline.end_broadcast("the encoder did not come back")
        assert live.window.renditions[0].playlist().plain.endswith(b"#EXT-X-ENDLIST\n")
        assert not live.pipeline.holding


async def test_the_multivariant_playlist_is_settled_in_time() -> None:
    source = material()
    async with show() as live:
        live.publish(source).send(source.during(0, 2))
        live.now += SETTLE_SECONDS
        live.pipeline.tick()
        assert live.window.settled


async def test_a_source_that_cannot_be_shown_is_closed_with_a_sentence() -> None:
    source = material(audio="")
    assert source.video is not None
    broken = replace(source, video=VideoHeader(source.video.codec, source.video.config[:9]))
    async with show() as live:
        publisher = live.publish(broken, expects_video=True, expects_audio=False)
        publisher.send(source.during(0, 4))
        assert live.pipeline.window is None
        assert live.closed == ["The picture cannot be used: The avcC configuration promises 23 bytes of SPS and has 1."]


async def test_segments_and_init_sections_are_stored_once_and_deleted_late() -> None:
    source = material(seconds=8.0)
    async with show(latency_level=0) as live:
        publisher = live.publish(source)
        length = 8 * TIMESCALE
        for round_number in range(12):
            publisher.send(source.frames, shift=round_number * length)
            live.now += 1 / 30
        folder = f"{live.window.session}/0"
        stored = [key for key in live.store.objects if key.startswith(folder)]
        assert f"{folder}/session1-init0.mp4" in stored
        assert f"{folder}/session1-90.m4s" in stored
        assert len(stored) >= 95
        kept = STORED_WINDOWS * live.window.size
        gone = [int(key.rsplit("-")[1][:-4]) for key in live.store.deleted if key.startswith(folder)]
        assert gone == list(range(len(gone)))
        assert len(gone) == len(stored) - 1 - kept
        body = live.segments(0)[-3].body()
        assert live.store.objects[f"{folder}/session1-{live.segments(0)[-3].sequence}.m4s"] == body


async def test_the_store_forgets_shows_that_are_over() -> None:
    source = material()
    async with show() as live:
        for number in range(1, 4):
            live.publish(source).send(source.during(0, 4))
            # Until the next show begins, whoever watches the end of the last one still finds it.
            await live.pipeline.end_broadcast("over")
            assert {key.split("/")[0] for key in live.store.objects} == {f"session{number}"}
        assert live.store.dropped == ["session1", "session2"]


async def test_what_a_replaced_window_completes_late_is_not_stored() -> None:
    source, silent = material(), material(audio="")
    async with show() as live:
        publisher = live.publish(source)
        publisher.send(source.during(0, 4))
        publisher.leave()
        old = live.window
        live.publish(silent, expects_video=True, expects_audio=False).send(silent.during(0, 4))
        assert live.store.dropped == ["session1"]
        # ffmpeg still gives the end of the old one.
        late = Part(TIMESCALE // 2, True, b"late")
        old.renditions[0].add_part(
            late, sequence=9, start=18 * TIMESCALE, decode_time=18 * TIMESCALE, discontinuity=False, closes=True
        )
        await until(lambda: old.ended)
        assert {key.split("/")[0] for key in live.store.objects} == {"session2"}


async def test_stills_are_made_of_keyframes_when_somebody_asks() -> None:
    source = material()
    async with show() as live:
        assert await live.pipeline.stills.get(Still.THUMBNAIL) is None
        live.publish(source).send(source.during(0, 4))
        live.pipeline.tick()
        assert not live.pipeline.stills._made
        thumbnail = await live.pipeline.stills.get(Still.THUMBNAIL)
        assert thumbnail is not None
        assert Image.open(BytesIO(thumbnail)).size == (320, 180)
        preview = await live.pipeline.stills.get(Still.WEBP)
        assert preview is not None
        assert getattr(Image.open(BytesIO(preview)), "n_frames", 1) == 4
        # The next show has pictures of its own.
        await live.pipeline.end_broadcast("over")
        live.publish(source).send(source.during(0, 0.9))
        preview = await live.pipeline.stills.get(Still.WEBP)
        assert preview is not None
        assert getattr(Image.open(BytesIO(preview)), "n_frames", 1) == 1
