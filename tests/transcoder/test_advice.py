from __future__ import annotations

import pytest

from transcoder.advice import MAX_LINE, Adviser, translate


@pytest.mark.parametrize(
    ("line", "words", "encoder_failed"),
    [
        ("[h264_nvenc @ 0x55] OpenEncodeSessionEx failed: out of memory (10): (no details)", "encoding session", True),
        ("[h264_nvenc @ 0x5642325d8780] Cannot load libcuda.so.1", "NVIDIA driver", True),
        ("[h264_qsv @ 0x557209ae2780] Error creating a MFX session: -9.", "Quick Sync", True),
        ("[AVHWDeviceContext @ 0x5] No VA display found for device /dev/dri/renderD128.", "group render", True),
        ("[AMF @ 0x7f62b0004400] DLL libamfrt64.so.1 failed to open", "AMF", True),
        ("[h264_v4l2m2m @ 0x55f46f2b3780] Could not find a valid device", "/dev/video", True),
        ("Unknown encoder 'h264_amf'", "built without", True),
        ("Unrecognized option 'realtime'.", "built without", True),
        ("[h264_vaapi @ 0x5] Failed to sync surface 0x3: 1 (operation failed).", "hardware encoder", True),
        ("[h264 @ 0x55] error while decoding MB 12 4, bytestream -7", "damaged", False),
        ("av_interleaved_write_frame(): No space left on device", "disk is full", False),
    ],
)
def test_complaints_become_advice(line: str, words: str, encoder_failed: bool) -> None:
    advice = translate(line)
    assert advice is not None
    assert words in advice.sentence
    assert advice.encoder_failed is encoder_failed


def test_the_rest_is_left_alone() -> None:
    assert translate("[h264 @ 0x5652eb1e3940] co located POCs unavailable") is None
    assert translate("x" * MAX_LINE + "No space left on device") is None


def test_each_advice_is_given_once() -> None:
    adviser = Adviser()
    full, damaged = translate("No space left on device"), translate("concealing 20 DC errors")
    assert full is not None
    assert damaged is not None
    assert [adviser.once(advice) for advice in (full, damaged, full, damaged)] == [True, True, False, False]
