"""HLS as encoders write it, made once: a folder for each way."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import pytest

_INPUT = (
    *("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30:duration=6"),
    *("-f", "lavfi", "-i", "sine=440:sample_rate=48000:duration=6"),
    *("-filter_complex", "[0:v]split=2[a][b];[b]scale=160:90[c]"),
)
_CODECS = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-bf", "2", "-c:a", "aac", "-ac", "2")
_HLS = ("-f", "hls", "-hls_time", "2", "-hls_list_size", "0", "-master_pl_name", "master.m3u8")
_TWO = ("-map", "[a]", "-map", "1:a", "-map", "[c]", "-map", "1:a", "-var_stream_map", "v:0,a:0 v:1,a:1")
_APART = ("-map", "[a]", "-map", "[c]", "-map", "1:a")
_GROUP = ("-var_stream_map", "a:0,agroup:sound,default:yes v:0,agroup:sound v:1,agroup:sound")
_KINDS = {
    "ts": (*_TWO, *_CODECS, *_HLS, "v%v.m3u8"),
    "fmp4": (*_TWO, *_CODECS, *_HLS, "-hls_segment_type", "fmp4", "v%v.m3u8"),
    "sound-apart": (*_APART, *_GROUP, *_CODECS, *_HLS, "v%v.m3u8"),
    "hevc": (
        *("-map", "[a]", "-map", "[c]", "-map", "1:a", "-var_stream_map", "v:0,a:0 v:1"),
        *("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=30:log-level=none", "-c:a", "ac3"),
        *(*_HLS, "v%v.m3u8"),
    ),
}


@pytest.fixture(scope="session")
def hls(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of an encoder's output by its kind: two variants, six seconds, a segment every two."""

    def make(kind: str) -> Path:
        folder = tmp_path_factory.getbasetemp() / f"hls-{kind}"
        if not folder.exists():
            folder.mkdir()
            command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *_INPUT, *_KINDS[kind]]
            subprocess.run(command, check=True, cwd=folder)
        return folder

    return make
