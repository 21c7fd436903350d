"""Interactive authentication: a proof is good for one thing, for one person, and for a while."""

from __future__ import annotations

import pytest
from house import Clock
from hypothesis import given
from hypothesis import strategies as st

from owncast_py.accounts import interactive as module
from owncast_py.accounts.interactive import LIFETIME, MAX_FAILURES, NoSession, OtherOperation, Sessions, Stage

OPERATION = "delete devices A"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(clock.monotonic)


def test_a_session_is_resumed_by_whom_and_for_what_it_began(sessions: Sessions) -> None:
    session = sessions.begin("ana", OPERATION, Stage.PASSWORD)
    assert (session.stage, session.proven) == (Stage.PASSWORD, False)
    assert sessions.resume(session.id, "ana", OPERATION) is session
    for user_id, operation in (("ben", OPERATION), ("", OPERATION), ("ana", "delete devices B"), ("ana", "")):
        with pytest.raises(OtherOperation):
            sessions.resume(session.id, user_id, operation)
    assert sessions.resume(session.id, "ana", OPERATION) is session, "asking for something else has not ended it"
    for unknown in ("", "x", session.id[:-1], session.id + "x"):
        with pytest.raises(NoSession):
            sessions.resume(unknown, "ana", OPERATION)


def test_what_was_proven_in_one_session_is_not_in_another(sessions: Sessions) -> None:
    first, second = (sessions.begin("ana", OPERATION, Stage.PASSWORD) for _ in range(2))
    first.proven = True
    assert not sessions.resume(second.id, "ana", OPERATION).proven
    assert len(first.id) >= 24
    assert first.id != second.id


def test_a_session_is_over_when_its_time_is(sessions: Sessions, clock: Clock) -> None:
    session = sessions.begin("ana", OPERATION, Stage.PASSWORD)
    session.proven = True
    clock.turn(LIFETIME - 1)
    assert sessions.resume(session.id, "ana", OPERATION) is session
    clock.turn(1)
    with pytest.raises(NoSession):
        sessions.resume(session.id, "ana", OPERATION)


def test_a_session_that_is_done_cannot_be_used_again(sessions: Sessions) -> None:
    session = sessions.begin("ana", OPERATION, Stage.TOKEN)
    sessions.end(session)
    sessions.end(session)
    with pytest.raises(NoSession):
        sessions.resume(session.id, "ana", OPERATION)


def test_a_session_is_over_after_too_many_wrong_proofs(sessions: Sessions) -> None:
    session, other = (sessions.begin("ana", OPERATION, Stage.PASSWORD) for _ in range(2))
    for _ in range(MAX_FAILURES - 1):
        sessions.failed(session)
        assert sessions.resume(session.id, "ana", OPERATION) is session
    sessions.failed(session)
    with pytest.raises(NoSession):
        sessions.resume(session.id, "ana", OPERATION)
    assert sessions.resume(other.id, "ana", OPERATION) is other


def test_the_oldest_session_makes_room(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 3)
    made = [sessions.begin("ana", OPERATION, Stage.PASSWORD) for _ in range(4)]
    with pytest.raises(NoSession):
        sessions.resume(made[0].id, "ana", OPERATION)
    for session in made[1:]:
        assert sessions.resume(session.id, "ana", OPERATION) is session


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["begin", "resume", "fail", "end", "wait"]),
            st.integers(0, 5),
            st.sampled_from(["ana", "ben", ""]),
            st.sampled_from(["A", "B"]),
        ),
        max_size=40,
    )
)
def test_a_session_is_good_exactly_for_what_it_began_with(steps: list[tuple[str, int, str, str]]) -> None:
    clock = Clock()
    sessions = Sessions(clock.monotonic)
    began: list[tuple[module.Session, str, str, float]] = []
    over: set[str] = set()
    wrong: dict[str, int] = {}
    for what, number, user_id, operation in steps:
        if what == "begin":
            session = sessions.begin(user_id, operation, Stage.PASSWORD)
            began.append((session, user_id, operation, clock.seconds))
        elif what == "wait":
            clock.turn(LIFETIME / 3)
        elif began:
            session, whose, which, at = began[number % len(began)]
            if what == "end":
                sessions.end(session)
                over.add(session.id)
            elif what == "fail":
                sessions.failed(session)
                wrong[session.id] = wrong.get(session.id, 0) + 1
                over |= {session.id} if wrong[session.id] >= MAX_FAILURES else set()
            elif session.id in over or clock.seconds - at >= LIFETIME:
                with pytest.raises(NoSession):
                    sessions.resume(session.id, user_id, operation)
            elif (user_id, operation) != (whose, which):
                with pytest.raises(OtherOperation):
                    sessions.resume(session.id, user_id, operation)
            else:
                assert sessions.resume(session.id, user_id, operation) is session
