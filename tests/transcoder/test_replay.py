from __future__ import annotations

from ingest.source import TIMESCALE
from transcoder.replay import MAX_REPLAY_BYTES, MAX_REPLAY_SECONDS, Replay, Tag


def picture(second: float, key: bool = False, size: int = 10) -> Tag:
    return Tag(bytes(size), round(second * TIMESCALE), True, key)


def sound(second: float) -> Tag:
    return Tag(b"s", round(second * TIMESCALE), False, False)


def test_it_begins_with_a_keyframe_and_keeps_one_group() -> None:
    replay = Replay(with_video=True)
    tags = [sound(0), picture(0.1), picture(1, True), sound(1.1), picture(1.2), picture(2, True), picture(2.1)]
    for tag in tags:
        replay.add(tag, tag.time, delivered=tag.time)
    assert list(replay) == tags[5:]


def test_a_group_that_was_not_delivered_stays() -> None:
    replay = Replay(with_video=True)
    tags = [picture(second, key=second % 2 == 0) for second in range(6)]
    for tag in tags:
        replay.add(tag, tag.time, delivered=TIMESCALE)
    assert list(replay) == tags
    replay.add(picture(6), 6 * TIMESCALE, delivered=2 * TIMESCALE)
    assert list(replay)[0] == tags[2]  # noqa: RUF015
    replay = Replay(with_video=True)
    for tag in tags:
        replay.add(tag, tag.time, delivered=None)
    assert list(replay) == tags


def test_what_is_too_long_or_too_large_is_forgotten_until_the_next_keyframe() -> None:
    for late in (picture(MAX_REPLAY_SECONDS + 1), picture(1, size=MAX_REPLAY_BYTES)):
        replay = Replay(with_video=True)
        replay.add(picture(0, True), 0, None)
        replay.add(late, late.time, None)
        replay.add(picture(20), 20 * TIMESCALE, None)
        assert list(replay) == []
        again = picture(21, True)
        replay.add(again, again.time, None)
        assert list(replay) == [again]


def test_without_video_it_keeps_the_last_seconds_of_sound() -> None:
    replay = Replay(with_video=False)
    for step in range(100):
        tag = sound(step / 10)
        replay.add(tag, tag.time, delivered=tag.time)
    assert 1 <= len(list(replay)) <= 11
    assert list(replay)[-1] == sound(9.9)
