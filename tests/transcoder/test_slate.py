"""The holding slate and its silence: decodable, in the right format, and handed out in time."""

from __future__ import annotations

import random
from array import array
from io import BytesIO

import av
import pytest
from encoder_material import audio_of, flv, frames

from ingest.source import TIMESCALE, AudioCodec, AudioHeader, VideoCodec, VideoFrame
from transcoder.audio_codecs import describe_audio
from transcoder.errors import EncoderError
from transcoder.fmp4.writer import Sample, audio_fragment, audio_init, video_fragment, video_init
from transcoder.slate import FRAME_TICKS, FRAMERATE, Slate, SlatePlayer, make_silence, make_slate, offers
from transcoder.video_codecs import describe_video


def decoded(data: bytes) -> list[av.VideoFrame | av.AudioFrame]:
    with av.open(BytesIO(data), format="mp4") as opened:
        return list(opened.decode(opened.streams[0]))  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("codec", [VideoCodec.AVC, VideoCodec.HEVC])
def test_the_slate_is_a_loop_that_starts_with_a_keyframe(codec: VideoCodec) -> None:
    slate = make_slate(codec, 320, 180, 2, "Be right back")
    assert slate.header.codec is codec
    info = describe_video(slate.header)
    assert (info.width, info.height) == (320, 180)
    assert [frame.dts for frame in slate.frames] == [n * FRAME_TICKS for n in range(2 * FRAMERATE)]
    assert all(frame.pts == frame.dts for frame in slate.frames)
    assert [frame.keyframe for frame in slate.frames] == [True] + [False] * (2 * FRAMERATE - 1)
    samples = [Sample(FRAME_TICKS, 0, frame.keyframe, frame.data) for frame in slate.frames * 2]
    pictures = decoded(video_init(slate.header, info) + video_fragment(1, 0, samples))
    assert len(pictures) == 4 * FRAMERATE
    assert isinstance(pictures[0], av.VideoFrame)
    image = pictures[0].to_image()  # type: ignore[no-untyped-call]
    assert len(image.getcolors(1 << 20)) > 10
    assert make_slate(codec, 320, 180, 2, "Be right back") is slate


@pytest.mark.parametrize(("width", "height"), [(2, 2), (16, 16), (321, 181), (180, 320), (1920, 1080)])
def test_any_size_is_filled(width: int, height: int) -> None:
    slate = make_slate(VideoCodec.AVC, width, height, 1, "Gleich geht es weiter …")
    info = describe_video(slate.header)
    assert (info.width, info.height) == (width // 2 * 2, height // 2 * 2)


def test_codecs_without_a_slate() -> None:
    assert [codec for codec in VideoCodec if offers(codec)] == [VideoCodec.AVC, VideoCodec.HEVC]
    with pytest.raises(EncoderError, match="No slate can be made in av01"):
        make_slate(VideoCodec.AV1, 320, 180, 2, "x")


def test_a_size_that_cannot_be_encoded_is_an_error_of_ours() -> None:
    with pytest.raises(EncoderError):
        make_slate(VideoCodec.AVC, 1, 1, 1, "x")


def levels(frame: av.AudioFrame) -> list[float]:
    """The loudest sample of each channel."""
    return [max(map(abs, array("f", bytes(plane))[: frame.samples])) for plane in frame.planes]


@pytest.mark.parametrize(
    ("config", "rate", "channels", "length"),
    [
        ("1190", 48_000, 2, 1024),
        ("1188", 48_000, 1, 1024),
        ("11b0", 48_000, 6, 1024),
        ("1210", 44_100, 2, 1024),
        ("1208", 44_100, 1, 1024),
        ("1310", 24_000, 2, 1024),
        ("1330", 24_000, 6, 1024),
        ("1390", 22_050, 2, 1024),
        ("1588", 8_000, 1, 1024),
        ("1010", 96_000, 2, 1024),
        ("1194", 48_000, 2, 960),
    ],
)
def test_silence_in_aac(config: str, rate: int, channels: int, length: int) -> None:
    header = AudioHeader(AudioCodec.AAC, bytes.fromhex(config))
    info = describe_audio(header)
    silence = make_silence(header, info)
    assert silence is not None
    samples = [Sample(length, 0, True, silence)] * 50
    sound = decoded(audio_init(header, info) + audio_fragment(1, 0, samples))
    assert len(sound) == 50
    for frame in sound:
        assert isinstance(frame, av.AudioFrame)
        assert (frame.sample_rate, len(frame.layout.channels), frame.samples) == (rate, channels, length)
        assert levels(frame) == [0.0] * channels


def loud_aac(rate: int, layout: str, count: int) -> tuple[AudioHeader, list[bytes]]:
    """`count` frames of noise from a real encoder."""
    context = av.CodecContext.create("aac", "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout, context.format = rate, av.AudioLayout(layout), av.AudioFormat("fltp")
    context.open()
    noise = random.Random(1)
    packets: list[bytes] = []
    for number in range(count + 8):
        frame = av.AudioFrame(format="fltp", layout=layout, samples=1024)
        for plane in frame.planes:
            values = array("f", (noise.uniform(-0.5, 0.5) for _ in range(1024)))
            plane.update(values.tobytes().ljust(plane.buffer_size, b"\0"))
        frame.sample_rate, frame.pts = rate, number * 1024
        packets += [bytes(packet) for packet in context.encode(frame)]
    assert context.extradata is not None
    return AudioHeader(AudioCodec.AAC, context.extradata), packets[-count:]


@pytest.mark.parametrize(
    ("rate", "layout", "channels"), [(48_000, "stereo", 2), (44_100, "mono", 1), (24_000, "5.1", 6)]
)
def test_silence_stands_between_real_frames(rate: int, layout: str, channels: int) -> None:
    header, loud = loud_aac(rate, layout, 20)
    silence = make_silence(header, describe_audio(header))
    assert silence is not None
    decoder = av.CodecContext.create("aac", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.extradata = header.config
    decoder.options = {"err_detect": "explode"}
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as complaints:
            packets = [*loud[:10], *[silence] * 10, *loud[10:]]
            sound = [frame for packet in packets for frame in decoder.decode(av.Packet(packet))]
    finally:
        av.logging.set_level(None)
    assert complaints == []
    assert [(frame.samples, len(frame.layout.channels)) for frame in sound] == [(1024, channels)] * 30
    loudest = [levels(frame) for frame in sound]
    # Half of each window overlaps the next frame: the first silent one fades out, the first loud one fades in.
    assert all(level == [0.0] * channels for level in loudest[11:20])
    assert all(min(level[:2]) > 0.05 for level in (*loudest[1:10], *loudest[21:]))


@pytest.mark.parametrize("encoder", ["libopus", "ac3"])
def test_silence_in_other_codecs(encoder: str) -> None:
    headers, found = frames(flv(video="", audio=encoder, seconds=0.5))
    header = next(item for item in headers if isinstance(item, AudioHeader))
    info = describe_audio(header, audio_of(found)[0].data)
    silence = make_silence(header, info)
    assert silence is not None
    samples = [Sample(info.samples_per_frame, 0, True, silence)] * 20
    sound = decoded(audio_init(header, info) + audio_fragment(1, 0, samples))
    assert sum(frame.samples for frame in sound if isinstance(frame, av.AudioFrame)) >= 18 * info.samples_per_frame


@pytest.mark.parametrize(
    ("codec", "config"),
    [
        (AudioCodec.AAC, "2b118800"),  # HE-AAC
        (AudioCodec.AAC, "0990"),  # AAC Main
        (AudioCodec.AAC, "1198"),  # three channels
        (AudioCodec.FLAC, "1000100000000000000 0 0bb80 2f0 00000000".replace(" ", "") + "00" * 17),
    ],
)
def test_no_silence_where_none_would_fit(codec: AudioCodec, config: str) -> None:
    header = AudioHeader(codec, bytes.fromhex(config.ljust(-(-len(config) // 2) * 2, "0")).ljust(34, b"\0"))
    assert make_silence(header, describe_audio(header)) is None


def test_the_player_hands_out_every_frame_once() -> None:
    player = SlatePlayer(1000, 20)
    assert player.due(1000) == []
    assert player.due(1001) == [0]
    assert player.due(1000 + FRAME_TICKS) == []
    assert player.due(1000 + 5 * FRAME_TICKS + 1) == [1, 2, 3, 4, 5]
    assert player.due(0) == []
    assert player.end == 1000 + 6 * FRAME_TICKS


def test_pictures_repeat_with_the_loop() -> None:
    loop = tuple(VideoFrame(n * FRAME_TICKS, n * FRAME_TICKS, n == 0, b"%d" % n) for n in range(10))
    slate = Slate(make_slate(VideoCodec.AVC, 16, 16, 1, "x").header, loop)
    player = SlatePlayer(500, 10)
    shown = [player.picture(slate, number) for number in range(25)]
    assert [frame.data for frame in shown] == [b"%d" % (n % 10) for n in range(25)]
    assert [frame.dts for frame in shown] == [500 + n * FRAME_TICKS for n in range(25)]
    assert [n for n, frame in enumerate(shown) if frame.keyframe] == [0, 10, 20]


@pytest.mark.parametrize("config", ["1190", "1210", "1588"])
def test_silence_has_neither_holes_nor_overlaps(config: str) -> None:
    info = describe_audio(AudioHeader(AudioCodec.AAC, bytes.fromhex(config)))
    player = SlatePlayer(9_000, 20)
    times = [frame.pts for number in range(600) for frame in player.silence(info, b"quiet", number)]
    assert times == [9_000 + round(n * 1024 * TIMESCALE / info.sample_rate) for n in range(len(times))]
    assert len(times) == pytest.approx(60 * info.sample_rate / 1024, abs=1)
