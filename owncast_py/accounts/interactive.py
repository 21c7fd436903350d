"""Interactive authentication: one more proof of who somebody is, bound to the one thing that they are about to do.

Owns the sessions of such proofs: what each is for, whether it was given, how often it was tried. Sans-I/O and in
memory; a restart ends them all, and clients begin anew. The rules are those of the Matrix client-server API,
"User-Interactive Authentication API"; how they travel is the dialect's.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

LIFETIME = 15 * 60.0
"""Seconds."""
MAX_SESSIONS = 10_000
"""The oldest makes room."""
MAX_FAILURES = 5
"""Of one session, which then ends."""
ID_BYTES = 18


class Stage(StrEnum):
    """A way to prove who somebody is."""

    PASSWORD = "password"  # noqa: S105 - a way, no password
    TOKEN = "token"  # noqa: S105
    """That they hold an access token, which the request bears; for whoever has no password, or no account yet."""


class NoSession(Exception):
    """There is no session with that id, or not any more."""


class OtherOperation(Exception):
    """The session is for something else, or somebody else."""


@dataclass(slots=True, eq=False)
class Session:
    """One proof that is asked for."""

    id: str
    user_id: str
    """Who is to prove it; empty for somebody who has no account yet."""
    operation: str
    """What it is for: the same text each time that the same is asked for."""
    stage: Stage
    began_at: float
    failures: int = 0
    proven: bool = False


class Sessions:
    """The proofs that are under way."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """`monotonic` counts seconds."""
        self._monotonic = monotonic
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def begin(self, user_id: str, operation: str, stage: Stage) -> Session:
        """Asks for a proof."""
        session = Session(secrets.token_urlsafe(ID_BYTES), user_id, operation, stage, self._monotonic())
        self._sessions[session.id] = session
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def resume(self, session_id: str, user_id: str, operation: str) -> Session:
        """The session with that id. Raises NoSession, and OtherOperation when it is not for that, or them."""
        session = self._sessions.get(session_id)
        if session is None or self._monotonic() - session.began_at >= LIFETIME:
            raise NoSession
        if session.user_id != user_id or session.operation != operation:
            raise OtherOperation
        return session

    def failed(self, session: Session) -> None:
        """A proof was wrong. After MAX_FAILURES the session is over."""
        session.failures += 1
        if session.failures >= MAX_FAILURES:
            self.end(session)

    def end(self, session: Session) -> None:
        """What it was for is done and must not be done again."""
        self._sessions.pop(session.id, None)
