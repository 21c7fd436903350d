"""User-interactive authentication: what a proof is bound to, what it is worth, how it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from house import ADMIN_PASSWORD
from matrix_wire import PASSWORD, Json, Matrix, Person, homeserver, proof

from owncast_py.accounts.interactive import LIFETIME, MAX_FAILURES
from owncast_py.accounts.logins import NAME_AT_ONCE

WRONG = "not the password"


@pytest.fixture
async def matrix(tmp_path: Path) -> AsyncIterator[Matrix]:
    async with homeserver(tmp_path) as matrix:
        yield matrix


@pytest.fixture
async def ana(matrix: Matrix) -> Person:
    return await matrix.register("ana", device_id="HERE")


@pytest.fixture
async def phone(matrix: Matrix, ana: Person) -> Person:
    return await matrix.login("ana", device_id="PHONE")


@pytest.mark.parametrize("body", [None, {}, {"auth": None}, {"auth": {}}, b"", b" "])
async def test_nothing_is_done_without_a_proof(matrix: Matrix, ana: Person, phone: Person, body: object) -> None:
    (await matrix.ask("DELETE", "devices/PHONE", body, ana)).asks()
    assert await matrix.is_known(phone)


@pytest.mark.parametrize(
    "name",
    [
        {"identifier": {"type": "m.id.user", "user": "ana"}},
        {"identifier": {"type": "m.id.user", "user": "ANA"}},
        {"identifier": {"type": "m.id.user", "user": "USER_ID"}},
        {"user": "ana"},
        {"user": "USER_ID"},
    ],
    ids=["the name", "in capitals", "the user id", "the older field", "the older field with the user id"],
)
async def test_a_user_is_named_in_either_way(matrix: Matrix, ana: Person, phone: Person, name: Json) -> None:
    session = (await matrix.ask("DELETE", "devices/PHONE", {}, ana)).asks()
    told = {
        key: {**value, "user": value["user"].replace("USER_ID", ana.user_id)}
        if isinstance(value, dict)
        else str(value).replace("USER_ID", ana.user_id)
        for key, value in name.items()
    }
    auth = {"type": "m.login.password", "password": PASSWORD, "session": session, **told}
    assert (await matrix.ask("DELETE", "devices/PHONE", {"auth": auth}, ana)).done() == {}
    assert not await matrix.is_known(phone)


async def test_a_password_is_taken_without_a_session(matrix: Matrix, ana: Person, phone: Person) -> None:
    assert (await matrix.ask("DELETE", "devices/PHONE", {"auth": proof(ana)}, ana)).done() == {}
    assert not await matrix.is_known(phone)


async def test_a_wrong_password_may_be_corrected_in_the_same_session(
    matrix: Matrix, ana: Person, phone: Person
) -> None:
    session = (await matrix.ask("DELETE", "devices/PHONE", {}, ana)).asks()
    wrong = await matrix.ask("DELETE", "devices/PHONE", {"auth": proof(ana, WRONG, session=session)}, ana)
    assert wrong.asks(tried=True) == session
    assert WRONG not in str(wrong.body)
    assert await matrix.is_known(phone)
    right = await matrix.ask("DELETE", "devices/PHONE", {"auth": proof(ana, session=session)}, ana)
    assert right.done() == {}
    assert not await matrix.is_known(phone)


async def test_a_wrong_password_without_a_session_begins_one(matrix: Matrix, ana: Person, phone: Person) -> None:
    wrong = await matrix.ask("DELETE", "devices/PHONE", {"auth": proof(ana, WRONG)}, ana)
    auth = proof(ana, session=wrong.asks(tried=True))
    assert (await matrix.ask("DELETE", "devices/PHONE", {"auth": auth}, ana)).done() == {}
    assert not await matrix.is_known(phone)


async def test_a_session_ends_after_some_wrong_passwords(matrix: Matrix, ana: Person, phone: Person) -> None:
    session = (await matrix.ask("DELETE", "devices/PHONE", {}, ana)).asks()
    for _ in range(MAX_FAILURES):
        body = {"auth": proof(ana, WRONG, session=session)}
        assert (await matrix.ask("DELETE", "devices/PHONE", body, ana)).asks(tried=True) == session
    over = await matrix.ask("DELETE", "devices/PHONE", {"auth": proof(ana, session=session)}, ana)
    over.refused(400, "M_UNKNOWN")
    assert await matrix.is_known(phone)


async def test_wrong_passwords_are_limited_over_all_sessions(matrix: Matrix, ana: Person, phone: Person) -> None:
    for _ in range(NAME_AT_ONCE):
        (await matrix.ask("DELETE", "devices/PHONE", {"auth": proof(ana, WRONG)}, ana)).asks(tried=True)
    for password in (WRONG, PASSWORD):
        refused = await matrix.ask("DELETE", "devices/PHONE", {"auth": proof(ana, password)}, ana)
        refused.refused(429, "M_LIMIT_EXCEEDED", "retry_after_ms")
        milliseconds = refused.body["retry_after_ms"]
        assert isinstance(milliseconds, int)
        assert 0 < milliseconds <= int(refused.headers["Retry-After"]) * 1000
    assert await matrix.is_known(phone)
    matrix.home.clock.turn(milliseconds / 1000 + 0.001)
    assert (await matrix.ask("DELETE", "devices/PHONE", {"auth": proof(ana)}, ana)).done() == {}


async def test_a_session_is_for_one_operation(matrix: Matrix, ana: Person, phone: Person) -> None:
    await matrix.login("ana", device_id="LAPTOP")
    session = (await matrix.ask("DELETE", "devices/LAPTOP", {}, ana)).asks()
    auth = {"auth": proof(ana, session=session)}
    for method, path, body in [
        ("DELETE", "devices/PHONE", auth),
        ("POST", "delete_devices", {"devices": ["PHONE"], **auth}),
        ("POST", "delete_devices", {"devices": ["LAPTOP", "PHONE"], **auth}),
        ("POST", "account/password", {"new_password": "another password", **auth}),
    ]:
        changed = (await matrix.ask(method, path, body, ana)).refused(403, "M_UNKNOWN")
        assert "operation has changed" in changed
    assert await matrix.is_known(phone)
    # Nor is it afterwards, when the proof was given.
    assert (await matrix.ask("DELETE", "devices/LAPTOP", auth, ana)).done() == {}
    again = {"auth": {"session": session}}
    (await matrix.ask("DELETE", "devices/PHONE", again, ana)).refused(403, "M_UNKNOWN")
    assert await matrix.is_known(phone)


async def test_the_devices_of_a_session_are_the_same_in_any_order(matrix: Matrix, ana: Person, phone: Person) -> None:
    session = (await matrix.ask("POST", "delete_devices", {"devices": ["PHONE", "X"]}, ana)).asks()
    body = {"devices": ["X", "PHONE"], "auth": proof(ana, session=session)}
    assert (await matrix.ask("POST", "delete_devices", body, ana)).done() == {}
    assert not await matrix.is_known(phone)


async def test_a_session_is_for_one_user(matrix: Matrix, ana: Person, phone: Person) -> None:
    ben = await matrix.register("ben", device_id="PHONE")
    session = (await matrix.ask("DELETE", "devices/PHONE", {}, ben)).asks()
    body = {"auth": proof(ana, session=session)}
    (await matrix.ask("DELETE", "devices/PHONE", body, ana)).refused(403, "M_UNKNOWN")
    assert [await matrix.is_known(person) for person in (ben, phone)] == [True, True]


async def test_somebody_elses_password_is_no_proof(matrix: Matrix, ana: Person, phone: Person) -> None:
    ben = await matrix.register("ben", "the password of ben")
    session = (await matrix.ask("DELETE", "devices/PHONE", {}, ana)).asks()
    for auth in (
        proof(ben, "the password of ben", session=session),
        proof(ben, "the password of ben"),
        proof(ana, session=session) | {"identifier": {"type": "m.id.user", "user": "nobody"}},
        proof(ana, session=session) | {"identifier": {"type": "m.id.user", "user": "@ana:elsewhere.example"}},
    ):
        (await matrix.ask("DELETE", "devices/PHONE", {"auth": auth}, ana)).refused(403, "M_FORBIDDEN")
        assert (await matrix.ask("GET", "devices/PHONE", person=ana)).done()["device_id"] == "PHONE"
    assert await matrix.is_known(phone)


@pytest.mark.parametrize(
    ("auth", "status", "errcode"),
    [
        ({"session": "nobody's"}, 400, "M_UNKNOWN"),
        ({"type": "m.login.password", "session": "nobody's", "user": "ana", "password": PASSWORD}, 400, "M_UNKNOWN"),
        ({"type": "m.login.sso"}, 400, "M_UNRECOGNIZED"),
        ({"type": "m.login.dummy"}, 400, "M_UNRECOGNIZED"),
        ({"type": "m.login.password", "password": PASSWORD}, 400, "M_MISSING_PARAM"),
        ({"type": "m.login.password", "user": "ana"}, 400, "M_MISSING_PARAM"),
        (
            {"type": "m.login.password", "identifier": {"type": "m.id.user"}, "password": PASSWORD},
            400,
            "M_MISSING_PARAM",
        ),
        (
            {"type": "m.login.password", "identifier": {"user": "ana"}, "password": PASSWORD},
            400,
            "M_MISSING_PARAM",
        ),
        (
            {"type": "m.login.password", "identifier": {"type": "m.id.phone", "user": "ana"}, "password": PASSWORD},
            400,
            "M_INVALID_PARAM",
        ),
        ("m.login.password", 400, "M_BAD_JSON"),
        ({"type": 1}, 400, "M_BAD_JSON"),
        ({"type": "m.login.password", "user": "ana", "password": 12345678}, 400, "M_BAD_JSON"),
        ({"type": "m.login.password", "user": "ana", "password": "x" * 1_001}, 400, "M_INVALID_PARAM"),
    ],
)
async def test_what_cannot_be_a_proof_is_refused(
    matrix: Matrix, ana: Person, phone: Person, auth: object, status: int, errcode: str
) -> None:
    refused = await matrix.ask("DELETE", "devices/PHONE", {"auth": auth}, ana)
    assert PASSWORD not in refused.refused(status, errcode)
    assert await matrix.is_known(phone)


async def test_a_session_that_is_asked_for_alone_tells_its_state(matrix: Matrix, ana: Person, phone: Person) -> None:
    session = (await matrix.ask("DELETE", "devices/PHONE", {}, ana)).asks()
    assert (await matrix.ask("DELETE", "devices/PHONE", {"auth": {"session": session}}, ana)).asks() == session
    assert await matrix.is_known(phone)


async def test_what_was_proven_need_not_be_proven_again(matrix: Matrix, ana: Person, phone: Person) -> None:
    body = {"auth": proof(ana, session=(await matrix.ask("DELETE", "devices/PHONE", {}, ana)).asks())}
    assert (await matrix.ask("DELETE", "devices/PHONE", body, ana)).done() == {}
    # As a client does whose first answer was lost.
    for auth in (body["auth"], {"session": body["auth"]["session"]}):
        assert (await matrix.ask("DELETE", "devices/PHONE", {"auth": auth}, ana)).done() == {}


async def test_sessions_end_by_themselves(matrix: Matrix, ana: Person, phone: Person) -> None:
    body = {"auth": proof(ana, session=(await matrix.ask("DELETE", "devices/PHONE", {}, ana)).asks())}
    matrix.home.clock.turn(LIFETIME)
    (await matrix.ask("DELETE", "devices/PHONE", body, ana)).refused(400, "M_UNKNOWN")
    assert await matrix.is_known(phone)


async def test_sessions_differ_and_cannot_be_guessed(matrix: Matrix, ana: Person) -> None:
    sessions = {(await matrix.ask("DELETE", "devices/PHONE", {}, ana)).asks() for _ in range(10)}
    assert len(sessions) == 10
    assert {len(session) for session in sessions} == {24}


async def test_whoever_has_no_password_removes_other_devices_by_their_token(matrix: Matrix) -> None:
    ana = await matrix.visitor()
    await matrix.home.foundations.accounts.devices.sign_in(ana.user_id, "", "OTHER")
    session = (await matrix.ask("DELETE", "devices/OTHER", {}, ana)).asks("m.login.dummy")
    auth = {"type": "m.login.dummy", "session": session}
    assert (await matrix.ask("DELETE", "devices/OTHER", {"auth": auth}, ana)).done() == {}
    assert await matrix.device_ids(ana) == [ana.device_id]


async def test_whoever_has_no_password_does_not_remove_the_device_that_asks(matrix: Matrix) -> None:
    ana = await matrix.visitor()
    await matrix.home.foundations.accounts.devices.sign_in(ana.user_id, "", "OTHER")
    auth = {"auth": {"type": "m.login.dummy"}}
    alone = await matrix.ask("DELETE", f"devices/{ana.device_id}", auth, ana)
    assert "/logout" in alone.refused(403, "M_FORBIDDEN")
    both = await matrix.ask("POST", "delete_devices", {"devices": ["OTHER", ana.device_id], **auth}, ana)
    both.refused(403, "M_FORBIDDEN")
    assert len(await matrix.device_ids(ana)) == 2


async def test_a_session_from_before_a_password_is_no_proof_after_it(matrix: Matrix) -> None:
    ana = await matrix.visitor()
    await matrix.home.foundations.accounts.devices.sign_in(ana.user_id, "", "OTHER")
    session = (await matrix.ask("DELETE", "devices/OTHER", {}, ana)).asks("m.login.dummy")
    path = f"/api/chat/account/password?accessToken={ana.token}"
    await matrix.ask("POST", path, {"newPassword": PASSWORD, "login": "ana", "signOutOthers": False})
    auth = {"type": "m.login.dummy", "session": session}
    (await matrix.ask("DELETE", "devices/OTHER", {"auth": auth}, ana)).refused(400, "M_UNKNOWN")
    assert await matrix.device_ids(ana) == sorted([ana.device_id, "OTHER"])


async def test_the_owner_proves_it_by_the_admin_password(matrix: Matrix) -> None:
    owner = await matrix.login("admin", ADMIN_PASSWORD)
    await matrix.login("admin", ADMIN_PASSWORD, device_id="PHONE")
    session = (await matrix.ask("DELETE", "devices/PHONE", {}, owner)).asks()
    wrong = await matrix.ask("DELETE", "devices/PHONE", {"auth": proof(owner, session=session)}, owner)
    assert wrong.asks(tried=True) == session
    body = {"auth": proof(owner, ADMIN_PASSWORD, session=session)}
    assert (await matrix.ask("DELETE", "devices/PHONE", body, owner)).done() == {}
    assert await matrix.device_ids(owner) == [owner.device_id]
