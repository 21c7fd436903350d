"""Requests that hypothesis makes up, always the same ones, for as long as they take."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.strategies import SearchStrategy

LONGEST_QUERY = 7_000


def attempt(cases: SearchStrategy[schemathesis.Case], ask: Callable[[schemathesis.Case], None], examples: int) -> None:
    """Asks with so many of these cases. Raises what the first raises that fails."""

    @given(case=cases)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def one(case: schemathesis.Case) -> None:
        # A longer line the server's parser refuses, before any operation has it.
        assume(len(urlencode(case.query or {}, doseq=True, errors="replace")) < LONGEST_QUERY)
        ask(case)

    one()
