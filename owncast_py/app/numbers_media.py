"""The numbers of media, from the encoder that sends to the store that keeps.

Owns their names and labels. A rendition is labelled by its number, as in the addresses of its files, and its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ingest.rtmp.server import RtmpServer
from owncast_py.app.kit import Kit
from owncast_py.app.stage import Stage
from owncast_py.app.stores import Closed, Stores
from owncast_py.metrics.families import Family, Labelled, counter, counters, gauge, gauges, info
from transcoder.made import Key
from transcoder.segment_store.disk import DiskStore
from transcoder.segment_store.s3 import S3Store
from transcoder.window import LiveWindow, Rendition

RENDITION: Final = ("rendition", "kind")
PROTOCOLS: Final = ("rtmp", "rtmps", "hls")
"""Those that are told of while nobody publishes by them."""


def media(stage: Stage, kit: Kit, listeners: Sequence[RtmpServer]) -> list[Family]:
    """All of them; `listeners` are those for encoders."""
    return [*_ingest(stage, listeners), *_encoder(stage, kit), *_window(stage), *_store(stage.stores)]


def _ingest(stage: Stage, listeners: Sequence[RtmpServer]) -> list[Family]:
    def publishers() -> Iterator[Labelled]:
        publishing = stage.source.origin.protocol if stage.source is not None else ""
        for protocol in dict.fromkeys((*PROTOCOLS, publishing)):
            if protocol:
                yield (protocol,), protocol == publishing

    def frames() -> Iterator[Labelled]:
        received = stage.received
        yield ("video",), received.video_frames
        yield ("audio",), received.audio_frames

    return [
        gauges("owncast_ingest_publishers", "Encoders that publish.", ("protocol",), publishers),
        gauge(
            "owncast_ingest_connections",
            "Connections of encoders, also of those that do not publish.",
            lambda: sum(each.connections for each in listeners),
        ),
        counter("owncast_ingest_received_bytes", "Bytes that publishers sent.", lambda: stage.received.octets),
        counters("owncast_ingest_frames", "Frames that publishers sent.", ("track",), frames),
        gauge(
            "owncast_ingest_keyframe_interval_seconds",
            "The longest distance between keyframes of the source on air; 0 until it is known.",
            lambda: stage.pipeline.keyframe_interval,
        ),
        counter("owncast_ingest_broadcasts", "Shows that began.", lambda: stage.broadcasts),
        counter("owncast_ingest_refused", "Encoders that were turned away.", lambda: stage.refused),
    ]


def _encoder(stage: Stage, kit: Kit) -> list[Family]:
    lane = stage.pipeline.encoders

    def in_use() -> list[tuple[str, ...]]:
        return [(lane.in_use, kit.toolbox.binary.version)] if kit.toolbox is not None else []

    return [
        info("owncast_encoder", "The encoder on air, else of the next show.", ("encoder", "ffmpeg"), in_use),
        gauge("owncast_encoder_running", "Running ffmpegs.", lambda: lane.running),
        counter("owncast_encoder_starts", "Sources for which ffmpeg was started.", lambda: lane.starts),
        counter("owncast_encoder_restarts", "How often ffmpeg died on air and was replaced.", lambda: lane.restarts),
    ]


def _window(stage: Stage) -> list[Family]:
    pipeline, made = stage.pipeline, stage.pipeline.made

    def window() -> LiveWindow | None:
        found = pipeline.window
        return None if found is None or found.ended else found

    def each(read: Callable[[Rendition], float | None]) -> Callable[[], Iterator[Labelled]]:
        def found() -> Iterator[Labelled]:
            on_air = window()
            for rendition in on_air.renditions if on_air is not None else ():
                if (value := read(rendition)) is not None:
                    yield _labels(_key(rendition)), value

        return found

    def lag(rendition: Rendition) -> float | None:
        return pipeline.lineup.lag(rendition) if pipeline.lineup is not None else None

    def shapes() -> Iterator[tuple[str, ...]]:
        on_air = window()
        for rendition in on_air.renditions if on_air is not None else ():
            number, kind = _labels(_key(rendition))
            name = ", ".join(
                variant.name
                for variant in (on_air.variants if on_air is not None else ())
                if rendition.number in (variant.video, variant.audio)
            )
            yield number, kind, name, str(rendition.info.width), str(rendition.info.height)

    def total(counts: dict[Key, int]) -> Callable[[], Iterator[Labelled]]:
        return lambda: ((_labels(key), number) for key, number in counts.items())

    return [
        info(
            "owncast_window_rendition",
            "The renditions on air, with the names of the variants that have them.",
            (*RENDITION, "name", "width", "height"),
            shapes,
        ),
        gauges(
            "owncast_window_lag_seconds",
            "How far a rendition is behind the source, with the part that is being filled.",
            RENDITION,
            each(lag),
        ),
        gauges(
            "owncast_window_part_age_seconds",
            "Time since the last part of a rendition was made.",
            RENDITION,
            each(lambda rendition: made.age(_key(rendition))),
        ),
        counters("owncast_window_parts", "Parts that were made.", RENDITION, total(made.parts)),
        counters("owncast_window_gap_parts", "Parts of these that hold nothing.", RENDITION, total(made.gaps)),
        counters("owncast_window_segments", "Segments that were completed.", RENDITION, total(made.segments)),
        gauge(
            "owncast_window_memory_bytes",
            "Media in memory.",
            lambda: sum(rendition.size for rendition in found.renditions) if (found := pipeline.window) else 0,
        ),
        gauge(
            "owncast_window_waiting_requests",
            "Media requests that wait for what comes next.",
            lambda: found.waiting if (found := pipeline.window) else 0,
        ),
    ]


def _store(stores: Stores) -> list[Family]:
    def each(read: Callable[[DiskStore | S3Store | Closed], float]) -> Callable[[], Iterator[Labelled]]:
        def found() -> Iterator[Labelled]:
            if stores.local is not None:
                yield ("disk",), read(stores.local)
            if stores.elsewhere or stores.closed.kept:
                yield ("s3",), sum((read(each.store) for each in stores.elsewhere), read(stores.closed))

        return found

    def troubled() -> Iterator[Labelled]:
        if stores.local is not None:
            yield ("disk",), bool(stores.local.problem)
        if stores.elsewhere:
            yield ("s3",), bool(stores.elsewhere[-1].offload.problem)

    label = ("store",)
    return [
        gauges("owncast_store_waiting_bytes", "Media that wait to be kept.", label, each(lambda s: s.waiting_bytes)),
        gauges(
            "owncast_store_waiting_objects", "Objects that wait in the store's queue.", label, each(lambda s: s.waiting)
        ),
        counters("owncast_store_kept", "Objects that were kept.", label, each(lambda s: s.kept)),
        counters("owncast_store_given_up", "Objects that were not kept.", label, each(lambda s: s.given_up)),
        gauges("owncast_store_in_trouble", "1 while the store fails or is too slow.", label, troubled),
    ]


def _key(rendition: Rendition) -> Key:
    return rendition.number, rendition.info.kind


def _labels(key: Key) -> tuple[str, str]:
    return str(key[0]), key[1]
