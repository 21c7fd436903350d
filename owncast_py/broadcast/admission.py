"""Who may publish when an encoder asks. Pure rules; the caller knows keys, addresses and clocks.

Owns the decision and the sentence that the encoder's user reads. A second publisher is refused while the first one
sends, with two exceptions in which the first is most likely dead and has not been noticed yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Verdict(Enum):
    """What to do with the encoder that asks."""

    ADMIT = auto()
    TAKE_OVER = auto()
    """Admit it and drop the current publisher; the show goes on."""
    REFUSE = auto()


@dataclass(frozen=True, slots=True)
class Current:
    """The publisher that is connected already, as seen from the one that asks."""

    same_key: bool
    same_address: bool
    silent_for: float
    """Seconds since its last frame."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict and its reason as a sentence, for the log and, when refused, for the encoder."""

    verdict: Verdict
    reason: str


def decide(*, key_ok: bool, current: Current | None, silence_takeover: float) -> Decision:
    """Whether an encoder may publish. `silence_takeover` is in seconds; `current` is None while nobody publishes."""
    if not key_ok:
        return Decision(Verdict.REFUSE, "The stream key is wrong; copy it again from this server's settings.")
    if current is None:
        return Decision(Verdict.ADMIT, "The stream key is right and nobody else publishes.")
    if current.same_key and current.same_address:
        return Decision(Verdict.TAKE_OVER, "The same encoder connected again before its old connection ended.")
    if current.silent_for >= silence_takeover:
        silence = f"{current.silent_for:.0f} s"
        return Decision(Verdict.TAKE_OVER, f"The current publisher has sent nothing for {silence}.")
    return Decision(
        Verdict.REFUSE,
        "Someone else is live on this server; stop that encoder first, "
        f"or try again once it has been silent for {silence_takeover:g} s.",
    )
