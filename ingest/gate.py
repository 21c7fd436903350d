"""Who may publish: what every way in asks before it hands on a source.

Owns the question and the shape of its answer. The rules are not ingest's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ingest.source import LiveSource, SourceListener


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """What a gate decides on."""

    key: str = field(repr=False)
    """The stream key as the encoder sent it; not empty."""
    source: LiveSource = field(repr=False)


class PublishGate(Protocol):
    """Decides who may publish."""

    def admit(self, request: PublishRequest) -> SourceListener:
        """The listener for the source, or `PublishRefused` with a sentence for the encoder. Must not block.

        To let a new publisher take over, a gate calls `close` of the old source before it returns; the old listener's
        `on_end` is called within that call.
        """
