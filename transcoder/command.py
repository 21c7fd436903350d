"""Ladder + encoder → the arguments of ffmpeg.

Pure. Owns every ffmpeg flag of this program and why it is there. One ffmpeg reads FLV on its standard input and writes
one fragmented MP4, one fragment per frame, to one inherited descriptor per rendition that must be encoded. What is
passed through does not appear here. It starts nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import ffmpeg

from ingest.source import TIMESCALE
from transcoder.ladder import AudioRung, Ladder, VideoRung

OUTPUT_OFFSET_SECONDS = 10
"""Added to every time by ffmpeg, taken off again by our reader: an AAC encoder begins 1024 samples before its first
frame, and the muxer writes a time before 0 as a huge number."""

OUTPUT_ORIGIN = OUTPUT_OFFSET_SECONDS * TIMESCALE

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast")
"""x264 presets by `cpu_usage_level`."""
_NVENC_PRESETS = ("p1", "p2", "p3", "p4", "p5")
_QSV_PRESETS = ("veryfast", "veryfast", "faster", "fast", "medium")

SOFTWARE = "libx264"
"""The encoder that works everywhere."""

RENDER_DEVICE = "/dev/dri/renderD128"

_KEYFRAME_TOLERANCE = 0.01
"""Seconds by which a frame may lie before its grid point: FLV counts in milliseconds. `transcoder.schedule` allows
the same."""

_LONGEST_GOP = 600
"""Frames; keyframes are forced long before, so an encoder's own never come between."""

_TRIAL_SECONDS = 60

Value = str | int | None | list[str]


@dataclass(frozen=True, slots=True)
class Output:
    """One rendition that ffmpeg makes: of the ladder's `videos` or `audios`, the one at `index`."""

    kind: Literal["video", "audio"]
    index: int


def outputs(ladder: Ladder) -> tuple[Output, ...]:
    """Return what ffmpeg makes of a ladder: its encoded video rungs, then its encoded audio rungs, in order."""
    videos = [Output("video", index) for index, rung in enumerate(ladder.videos) if not rung.passthrough]
    audios = [Output("audio", index) for index, rung in enumerate(ladder.audios) if not rung.passthrough]
    return (*videos, *audios)


def live_command(
    binary: Path,
    ladder: Ladder,
    encoder: str,
    descriptors: Sequence[int],
    after: Sequence[float | None] = (),
    grid: Sequence[float] = (),
) -> list[str]:
    """Return the arguments that encode a live source, one descriptor per element of `outputs(ladder)`.

    `after`: per output the time in seconds up to which an ffmpeg before this one has delivered pictures; they are
    decoded but not encoded again, and the first one encoded is a keyframe. `grid`: per output how many seconds after
    the origin of our own keyframes that first picture lies; not needed where the source's are followed.
    """
    # The codec headers come first and say everything, so probing ends after 10 ms of media instead of 5 s (it goes on
    # for a second with AV1 and VP9). Not `-fflags nobuffer`, which throws the probed packets away. Slice threads decode
    # without the delay of one frame per thread.
    source = ffmpeg.input("pipe:0", f="flv", copyts=None, analyzeduration=10_000, fpsprobesize=0, thread_type="slice")
    made = []
    for position, (output, descriptor) in enumerate(zip(outputs(ladder), descriptors, strict=True)):
        if output.kind == "video":
            resume = after[position] if after else None
            options = _video(ladder.videos[output.index], encoder) | {
                "force_key_frames": _keyframes(ladder, grid[position] if grid else 0.0)
            }
            # Only a source that sets the keyframes is followed by a frame rate cap.
            options["vf"] = _filters(ladder.videos[output.index], encoder, resume, ladder.keyframes == "source")
            made.append(ffmpeg.output(source["v:0"], f"pipe:{descriptor}", **options))
        else:
            made.append(ffmpeg.output(source["a:0"], f"pipe:{descriptor}", **_audio(ladder.audios[output.index])))
    return [str(part) for part in ffmpeg.merge_outputs(*made).compile(cmd=_opening(binary, encoder))]


def trial_command(binary: Path, encoder: str, rung: VideoRung, frames: int | None) -> list[str]:
    """Return the arguments that encode a test picture as a live source would be, to standard output.

    `frames` None encodes until the reader goes away, a minute at most.
    """
    picture = f"testsrc2=size={rung.width}x{rung.height}:rate=30:duration={_TRIAL_SECONDS}"
    options = _video(rung, encoder) | {"force_key_frames": "expr:eq(mod(n,30),0)"}
    options["vf"] = _filters(rung, encoder, None, False)
    if frames is not None:
        options["frames:v"] = frames
    made = ffmpeg.output(ffmpeg.input(picture, f="lavfi")["v:0"], "pipe:1", **options)
    return [str(part) for part in made.compile(cmd=_opening(binary, encoder))]


def _opening(binary: Path, encoder: str) -> list[str]:
    device = ["-vaapi_device", RENDER_DEVICE] if encoder == "h264_vaapi" else []
    return [str(binary), "-hide_banner", "-nostdin", "-nostats", "-v", "warning", *device]


def _keyframes(ladder: Ladder, begun: float) -> str:
    if ladder.keyframes == "source":
        return "source"
    # The first frame in each cell of a fixed grid: after a gap there is one keyframe, not a burst of them, and an
    # ffmpeg that takes over from another goes on where segments are cut. `t` counts from the first frame encoded.
    shift, interval = f"{begun + _KEYFRAME_TOLERANCE:.4f}", f"{ladder.keyframe_seconds:g}"
    cell, last_cell = f"floor((t+{shift})/{interval})", f"floor((prev_forced_t+{shift})/{interval})"
    return f"expr:if(isnan(prev_forced_t),1,gt({cell},{last_cell}))"


def _fragments(*, delayed: bool = False) -> dict[str, Value]:
    """A fragment per frame. `frag_discont` keeps the source's time in tfdt; without it every output begins at 0."""
    flags = "+cmaf+frag_every_frame+frag_discont" + ("+delay_moov" if delayed else "")
    return {"f": "mp4", "movflags": flags, "output_ts_offset": OUTPUT_OFFSET_SECONDS, "flush_packets": 1}


def _video(rung: VideoRung, encoder: str) -> dict[str, Value]:
    """The options of one video output, without its filters and its keyframes."""
    options: dict[str, Value] = {
        "c:v": encoder,
        "b:v": f"{rung.bitrate}k",
        "maxrate": f"{rung.bitrate}k",
        "bufsize": f"{rung.bitrate}k",
        "g": _LONGEST_GOP,
        "bf": 0,
        # Otherwise times are rounded to 1/framerate, and frames doubled or dropped to fit that grid.
        "fps_mode": "passthrough",
        "enc_time_base": "1/1000",
        "video_track_timescale": TIMESCALE,
        # Some hardware encoders tell their parameter sets only with the first picture.
        **_fragments(delayed=encoder != SOFTWARE),
    }
    level = min(max(rung.cpu_usage_level, 0), len(PRESETS) - 1)
    match encoder:
        case "libx264":
            options |= {"preset": PRESETS[level], "tune": "zerolatency", "sc_threshold": 0}
            if rung.framerate is not None:
                # x264 takes the source's rate for its own and would spend half the bits on half the frames.
                options["x264-params"] = f"fps={round(rung.framerate * 1000)}/1000"
        case "h264_nvenc":
            options |= {"preset": _NVENC_PRESETS[level], "tune": "ll", "rc": "vbr", "zerolatency": 1, "delay": 0}
            options |= {"forced-idr": 1, "no-scenecut": 1}
        case "h264_qsv":
            options |= {"preset": _QSV_PRESETS[level], "async_depth": 1, "forced_idr": 1}
        case "h264_vaapi":
            options |= {"async_depth": 1}
        case "h264_videotoolbox":
            options |= {"realtime": 1}
        case "h264_amf":
            options |= {"usage": "lowlatency", "quality": "speed", "forced_idr": 1}
    return options


def _filters(rung: VideoRung, encoder: str, resume: float | None, source_keyframes: bool) -> str:
    chosen = []
    if resume is not None:
        chosen.append(f"select='gt(t,{resume:.4f})'")
    if rung.framerate is not None:
        # Frames are left out and none is moved: ld(0) is when the next one is due; a quarter of a frame early will do.
        rate = f"{rung.framerate:g}"
        due = f"gte(t,ld(0)-0.25/{rate})"
        wanted = f"key+{due}" if source_keyframes else due
        chosen.append(f"select='if({wanted},1+0*st(0,max(ld(0)+1/{rate},t+0.5/{rate})),0)'")
    chosen.append(f"scale={rung.width}:{rung.height}")
    # 8 bits and 4:2:0 are what every player decodes, whatever the source has.
    match encoder:
        case "h264_vaapi":
            chosen.append("format=nv12,hwupload")
        case "h264_qsv":
            chosen.append("format=nv12")
        case _:
            chosen.append("format=yuv420p")
    return ",".join(chosen)


def _audio(rung: AudioRung) -> dict[str, Value]:
    # A hole in the source's audio is filled with silence: a rendition with a hole stops players.
    filters = "aresample=async=1:min_hard_comp=0.06,aformat=sample_rates=48000|44100:channel_layouts=stereo|mono"
    return {"c:a": "aac", "b:a": f"{rung.bitrate}k", "af": filters, **_fragments()}
