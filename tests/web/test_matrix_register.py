"""Making an account by Matrix: where that is open, how, under which names, and what it is for the chat."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from matrix_wire import LOGGED_IN, PASSWORD, Json, Matrix, homeserver

from owncast_py.accounts.logins import MAX_LOGIN, REGISTRATIONS_AT_ONCE

DUMMY = {"type": "m.login.dummy"}


@pytest.fixture
async def matrix(tmp_path: Path) -> AsyncIterator[Matrix]:
    async with homeserver(tmp_path) as matrix:
        yield matrix


def wish(login: str, **more: object) -> Json:
    """The body of a request for an account, with its proof."""
    return {"username": login, "password": PASSWORD, "auth": DUMMY, **more}


async def test_a_proof_is_asked_for_first(matrix: Matrix) -> None:
    for body in ({}, None, {"username": "ana", "password": PASSWORD}):
        (await matrix.ask("POST", "register", body)).asks("m.login.dummy")
    assert (await matrix.ask("GET", "register/available?username=ana")).done() == {"available": True}


async def test_an_account_is_made_and_signed_in(matrix: Matrix) -> None:
    ana = await matrix.register("ana", device_id="PHONE", initial_device_display_name="Phone")
    host = f"{matrix.web.server.host}:{matrix.web.server.port}"
    assert (ana.user_id, ana.device_id) == (f"@ana:{host}", "PHONE")
    [device] = await matrix.devices(ana)
    assert (device["device_id"], device["display_name"], device["last_seen_ip"]) == ("PHONE", "Phone", "127.0.0.1")
    assert (await matrix.login("ana")).user_id == ana.user_id


async def test_an_account_is_kept_over_a_restart(tmp_path: Path) -> None:
    async with homeserver(tmp_path) as matrix:
        ana = await matrix.register("ana")
    async with homeserver(tmp_path) as matrix:
        assert await matrix.device_ids(ana) == [ana.device_id]
        again = await matrix.login("ana")
        assert again.user_id.startswith("@ana:")
        (await matrix.ask("POST", "register", wish("ana"))).refused(400, "M_USER_IN_USE")


async def test_a_password_in_place_of_a_proof_is_taken_without_a_session(matrix: Matrix) -> None:
    found = (await matrix.ask("POST", "register", wish("ana"))).done()
    assert found.keys() == LOGGED_IN


async def test_capitals_of_a_name_are_made_small(matrix: Matrix) -> None:
    ana = await matrix.register("User-UPPER")
    assert ana.user_id.startswith("@user-upper:")
    assert (await matrix.login("user-upper")).user_id == ana.user_id


@pytest.mark.parametrize(
    "login", ["q-user", ".user", "3user", "=user", "_user", "user-", "a/b", "a+b", "x" * MAX_LOGIN]
)
async def test_a_name_of_the_grammars_characters_is_taken(matrix: Matrix, login: str) -> None:
    ana = await matrix.register(login)
    assert ana.user_id.startswith(f"@{login}:")
    assert await matrix.is_known(ana)


@pytest.mark.parametrize("mark", [*"!\":?\\@[]{|}£é\n' \0", "😀", "x" * MAX_LOGIN])
async def test_a_name_of_other_characters_is_refused(matrix: Matrix, mark: str) -> None:
    login = f"user-{mark}-reject"
    (await matrix.ask("POST", "register", wish(login))).refused(400, "M_INVALID_USERNAME")
    path = f"register/available?username={quote(login, safe='')}"
    (await matrix.ask("GET", path)).refused(400, "M_INVALID_USERNAME")


@pytest.mark.parametrize("login", ["ana", "ANA", "admin"])
async def test_a_name_that_somebody_has_is_refused(matrix: Matrix, login: str) -> None:
    await matrix.register("ana")
    for body in (wish(login), {"username": login, "password": PASSWORD}):
        (await matrix.ask("POST", "register", body)).refused(400, "M_USER_IN_USE")
    (await matrix.ask("GET", f"register/available?username={login}")).refused(400, "M_USER_IN_USE")


async def test_nobody_takes_a_visitors_id_as_their_name(matrix: Matrix) -> None:
    accounts = matrix.home.foundations.accounts

    async def name() -> str:
        return "Ana"

    visitor = await accounts.guest("ana of an overlay", name)
    (await matrix.ask("POST", "register", wish(visitor.id))).refused(400, "M_USER_IN_USE")


async def test_an_available_name_has_to_be_named(matrix: Matrix) -> None:
    (await matrix.ask("GET", "register/available")).refused(400, "M_MISSING_PARAM")
    (await matrix.ask("GET", "register/available?username=")).refused(400, "M_INVALID_USERNAME")


@pytest.mark.parametrize("password", ["short", "x" * 501])
async def test_a_password_of_another_length_is_refused_and_nobody_made(matrix: Matrix, password: str) -> None:
    refused = await matrix.ask("POST", "register", wish("ana", password=password))
    assert password not in refused.refused(400, "M_WEAK_PASSWORD")
    assert (await matrix.ask("GET", "register/available?username=ana")).done() == {"available": True}


async def test_an_account_without_name_and_password_is_good_for_its_token(matrix: Matrix) -> None:
    found = (await matrix.ask("POST", "register", {"auth": DUMMY})).done()
    assert found.keys() == LOGGED_IN
    who = await matrix.ask("GET", "account/whoami", Authorization=f"Bearer {found['access_token']}")
    assert who.done() == {"user_id": found["user_id"], "device_id": found["device_id"]}


async def test_an_account_may_be_made_without_a_device(matrix: Matrix) -> None:
    found = (await matrix.ask("POST", "register", wish("ana", inhibit_login=True))).done()
    assert found.keys() == {"user_id", "home_server"}
    ana = await matrix.login("ana")
    assert await matrix.device_ids(ana) == [ana.device_id]


async def test_a_session_makes_one_account(matrix: Matrix) -> None:
    body = {"username": "ana", "password": PASSWORD}
    session = (await matrix.ask("POST", "register", body)).asks("m.login.dummy")
    auth = {**DUMMY, "session": session}
    changed = await matrix.ask("POST", "register", {**body, "username": "ben", "auth": auth})
    changed.refused(403, "M_UNKNOWN")
    assert (await matrix.ask("POST", "register", {**body, "auth": auth})).done().keys() == LOGGED_IN
    (await matrix.ask("POST", "register", {**body, "auth": auth})).refused(400, "M_USER_IN_USE")
    nameless = (await matrix.ask("POST", "register", {})).asks("m.login.dummy")
    again = {"auth": {**DUMMY, "session": nameless}}
    assert (await matrix.ask("POST", "register", again)).done().keys() == LOGGED_IN
    (await matrix.ask("POST", "register", again)).refused(400, "M_UNKNOWN")


async def test_other_proofs_are_not_asked_for(matrix: Matrix) -> None:
    for kind in ("m.login.password", "m.login.recaptcha"):
        body = wish("ana", auth={"type": kind, "user": "ana", "password": PASSWORD})
        (await matrix.ask("POST", "register", body)).refused(400, "M_UNRECOGNIZED")


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (b"{", "M_NOT_JSON"),
        (b'{"username": "\xe5"}', "M_NOT_JSON"),
        (wish("ana", password=1), "M_BAD_JSON"),
        ({"username": 1}, "M_BAD_JSON"),
        (wish("ana", inhibit_login="yes"), "M_BAD_JSON"),
        (wish("ana", password="x" * 1_001), "M_INVALID_PARAM"),
    ],
)
async def test_what_is_no_account_is_refused(matrix: Matrix, body: object, errcode: str) -> None:
    (await matrix.ask("POST", "register", body)).refused(400, errcode)


async def test_guests_are_sent_to_the_chat(matrix: Matrix) -> None:
    found = await matrix.ask("POST", "register?kind=guest", {})
    assert "/api/chat/register" in found.refused(403, "M_GUEST_ACCESS_FORBIDDEN")
    (await matrix.ask("POST", "register?kind=user", {})).asks("m.login.dummy")


async def test_accounts_of_one_address_are_limited(matrix: Matrix) -> None:
    for number in range(REGISTRATIONS_AT_ONCE):
        body = {"username": f"ana{number}", "auth": DUMMY}
        (await matrix.ask("POST", "register", body, X_Forwarded_For="192.0.2.1")).done()
    here = await matrix.ask("POST", "register", wish("ben"), X_Forwarded_For="192.0.2.1")
    here.refused(429, "M_LIMIT_EXCEEDED", "retry_after_ms")
    assert (await matrix.ask("POST", "register", wish("ben"), X_Forwarded_For="192.0.2.2")).done()


async def test_where_registration_is_closed_nobody_is_made_and_whoever_is_there_signs_in(tmp_path: Path) -> None:
    async with homeserver(tmp_path) as matrix:
        await matrix.register("ana")
    async with homeserver(tmp_path, registration=False) as matrix:
        for body in ({}, wish("ben"), {"username": "ana"}):
            (await matrix.ask("POST", "register", body)).refused(403, "M_FORBIDDEN")
        (await matrix.ask("GET", "register/available?username=ben")).refused(403, "M_FORBIDDEN")
        assert (await matrix.login("ana")).user_id.startswith("@ana:")
        assert await matrix.home.foundations.accounts.with_login("ben") is None


async def test_whoever_registers_chats_under_a_name_that_is_theirs(matrix: Matrix) -> None:
    ana = await matrix.register("ana")
    status, account = await _account(matrix, ana.token)
    assert (status, account["login"], account["hasPassword"]) == (200, "ana", True)
    assert account["displayName"] == "ana"
    visitor = await matrix.visitor("ana")
    _, other = await _account(matrix, visitor.token)
    assert other["displayName"] != "ana"


async def _account(matrix: Matrix, token: str) -> tuple[int, Json]:
    async with matrix.session.get(matrix.address(f"/api/chat/account?accessToken={token}")) as found:
        return found.status, await found.json()
