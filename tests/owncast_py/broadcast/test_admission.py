"""Who may publish."""

from __future__ import annotations

import pytest

from owncast_py.broadcast.admission import Current, Verdict, decide


@pytest.mark.parametrize(
    ("key_ok", "current", "verdict"),
    [
        (True, None, Verdict.ADMIT),
        (False, None, Verdict.REFUSE),
        (True, Current(same_key=True, same_address=True, silent_for=0), Verdict.TAKE_OVER),
        (False, Current(same_key=True, same_address=True, silent_for=99), Verdict.REFUSE),
        (True, Current(same_key=True, same_address=False, silent_for=4.9), Verdict.REFUSE),
        (True, Current(same_key=False, same_address=True, silent_for=4.9), Verdict.REFUSE),
        (True, Current(same_key=False, same_address=False, silent_for=5), Verdict.TAKE_OVER),
    ],
)
def test_the_rule(key_ok: bool, current: Current | None, verdict: Verdict) -> None:
    assert decide(key_ok=key_ok, current=current, silence_takeover=5).verdict is verdict


def test_refusals_say_what_to_do() -> None:
    wrong = decide(key_ok=False, current=None, silence_takeover=5)
    assert wrong.reason == "The stream key is wrong; copy it again from this server's settings."
    busy = decide(key_ok=True, current=Current(False, False, 0.1), silence_takeover=2.5)
    assert busy.reason.endswith("stop that encoder first, or try again once it has been silent for 2.5 s.")
