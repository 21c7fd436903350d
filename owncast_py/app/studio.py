"""The stage as its owner sees it: who publishes what, what is made of it, and with which tools.

Owns the translation from the pipeline's values to `broadcast.studio`'s. It decides nothing.
"""

from __future__ import annotations

import os

from owncast_py.app.kit import Kit
from owncast_py.app.stage import Stage
from owncast_py.broadcast.session import Status
from owncast_py.broadcast.studio import Encoder, Encoders, Inbound, OutputVariant
from owncast_py.errors import SettingError
from owncast_py.setting_groups import Variant
from transcoder import ffmpeg_binary
from transcoder.errors import EncoderError
from transcoder.levels import LEVELS


class StageStudio:
    """A `broadcast.studio.Studio`."""

    def __init__(self, stage: Stage, kit: Kit) -> None:
        self._stage = stage
        self._kit = kit

    def status(self) -> Status:
        """The show as viewers know it."""
        return self._stage.status()

    def disconnect(self) -> bool:
        """Ends the show and drops its publisher. Returns whether there was one."""
        return self._stage.disconnect()

    def inbound(self) -> Inbound | None:
        """Who publishes now."""
        source = self._stage.source
        if source is None:
            return None
        video, audio = self._stage.pipeline.source_video, self._stage.pipeline.source_audio
        sound = round(_number(source.metadata.get("audiodatarate"))) if audio else 0
        return Inbound(
            address=source.origin.address,
            since=self._stage.published_since,
            encoder=source.origin.encoder or str(source.metadata.get("encoder", ""))[:100],
            protocol=source.origin.protocol,
            width=video.width if video else 0,
            height=video.height if video else 0,
            framerate=(video.framerate or 0.0) if video else 0.0,
            video_codec=video.codec.value if video else "",
            video_bitrate=max(0, self._stage.rate.kilobits - sound) if video else 0,
            audio_codec=audio.codec.value if audio else "",
            audio_bitrate=sound,
            keyframe_interval=round(self._stage.pipeline.keyframe_interval, 1),
        )

    def advice(self) -> list[str]:
        """Why the show on air is made as it is, and what the publisher could do better, in sentences."""
        return self._stage.advice if self._stage.status().online else []

    def variants(self) -> list[OutputVariant]:
        """What viewers can choose: now, else what the settings ask for."""
        ladder, window = self._stage.pipeline.ladder, self._stage.window()
        if ladder is None or window is None or window.ended:
            asked = self._stage.video.variants
            return [_asked(variant) for variant in asked if isinstance(variant, Variant)] if asked != "auto" else []
        # What goes through as it came has the source's rates.
        source = self.inbound()
        found = []
        for variant in ladder.variants:
            video = ladder.videos[variant.video] if variant.video is not None else None
            audio = ladder.audios[variant.audio] if variant.audio is not None else None
            found.append(
                OutputVariant(
                    name=variant.name,
                    width=video.width if video else 0,
                    height=video.height if video else 0,
                    framerate=(video.framerate or (source.framerate if source else 0.0)) if video else 0.0,
                    video_bitrate=(video.bitrate or (source.video_bitrate if source else 0)) if video else 0,
                    audio_bitrate=(audio.bitrate or (source.audio_bitrate if source else 0)) if audio else 0,
                    video_passthrough=video.passthrough if video else False,
                )
            )
        return found

    def latency_level(self) -> int:
        """The latency level, on air or in the next show."""
        return self._stage.pipeline.latency_level

    def segment_seconds(self) -> int:
        """How long a segment is, on air or in the next show."""
        window = self._stage.window()
        if window is not None and not window.ended:
            return window.target_duration
        return LEVELS[self._stage.video.latency_level].segment

    def codecs(self) -> list[str]:
        """The encoders that work on this machine."""
        return self._kit.working

    def encoders(self) -> Encoders:
        """Which encoder the next show has, which others were tried, and how fast it is."""
        choice = self._kit.toolbox.choice if self._kit.toolbox is not None else None
        return Encoders(
            in_use=choice.name if choice else "",
            tried=[Encoder(trial.name, trial.works, trial.why) for trial in choice.tried] if choice else [],
            pixels_per_second=choice.speed.pixels_per_second if choice else 0.0,
            cores=os.cpu_count() or 1,
        )

    def ffmpeg_path(self) -> str:
        """The ffmpeg in use."""
        return self._kit.in_use

    async def check_ffmpeg(self, path: str) -> None:
        """Raises SettingError with a sentence when that is no usable ffmpeg."""
        try:
            await ffmpeg_binary.find(path)
        except EncoderError as error:
            raise SettingError(str(error)) from error


def _number(value: object) -> float:
    """A number of an encoder's metadata, which may hold anything."""
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e6 else 0.0


def _asked(variant: Variant) -> OutputVariant:
    return OutputVariant(
        name=variant.name,
        width=variant.scaled_width,
        height=variant.scaled_height,
        framerate=variant.framerate,
        video_bitrate=variant.video_bitrate,
        audio_bitrate=variant.audio_bitrate,
        video_passthrough=variant.video_passthrough,
    )
