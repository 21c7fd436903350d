"""Signing in and out by Matrix: who may, at which device, and what a token is worth afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from house import ADMIN_PASSWORD
from matrix_wire import LOGGED_IN, PASSWORD, Json, Matrix, homeserver

from owncast_py.accounts.devices import MAX_DEVICE_ID
from owncast_py.accounts.logins import ADDRESS_AT_ONCE, NAME_AT_ONCE

WRONG = "not the password"


@pytest.fixture
async def matrix(tmp_path: Path) -> AsyncIterator[Matrix]:
    async with homeserver(tmp_path) as matrix:
        yield matrix


def login(user: str, password: str = PASSWORD, **more: object) -> Json:
    """The body of a request to sign in."""
    return {"type": "m.login.password", "user": user, "password": password, **more}


async def test_the_ways_to_sign_in_are_told(matrix: Matrix) -> None:
    assert (await matrix.ask("GET", "login")).done() == {"flows": [{"type": "m.login.password"}]}


async def test_somebody_signs_in_and_is_known_by_their_token(matrix: Matrix) -> None:
    first = await matrix.register("ana")
    second = await matrix.login("ana")
    assert second.user_id == first.user_id == f"@ana:{matrix.web.server.host}:{matrix.web.server.port}"
    assert second.device_id != first.device_id
    assert [await matrix.is_known(person) for person in (first, second)] == [True, True]


@pytest.mark.parametrize("shape", ["identifier", "user"])
@pytest.mark.parametrize("name", ["ana", "ANA", "@ana:HOST", "@Ana:HOST"])
async def test_a_user_is_named_by_user_id_or_by_name_alone(matrix: Matrix, name: str, shape: str) -> None:
    ana = await matrix.register("ana")
    name = name.replace("HOST", ana.user_id.partition(":")[2])
    body = {"type": "m.login.password", "password": PASSWORD}
    body |= {"identifier": {"type": "m.id.user", "user": name}} if shape == "identifier" else {"user": name}
    found = (await matrix.ask("POST", "login", body)).done()
    assert found.keys() == LOGGED_IN
    assert (found["user_id"], found["home_server"]) == (ana.user_id, ana.user_id.partition(":")[2])
    who = await matrix.ask("GET", "account/whoami", Authorization=f"Bearer {found['access_token']}")
    assert who.done() == {"user_id": ana.user_id, "device_id": found["device_id"]}


@pytest.mark.parametrize(
    "body",
    [
        login("ana", WRONG),
        login("nobody"),
        login("nobody", WRONG),
        login("@ana:elsewhere.example"),
        login("x" * 1_000),
        login("ana", ""),
        login("ana", "x" * 1_000),
        login("admin"),
    ],
)
async def test_an_unknown_user_and_a_wrong_password_get_the_same_answer(matrix: Matrix, body: Json) -> None:
    await matrix.register("ana")
    refused = await matrix.ask("POST", "login", body)
    assert refused.refused(403, "M_FORBIDDEN") == "The user name or the password is wrong."


async def test_whoever_has_no_password_cannot_sign_in(matrix: Matrix) -> None:
    ana = await matrix.visitor()
    for password in ("", PASSWORD):
        (await matrix.ask("POST", "login", login(ana.user_id, password))).refused(403, "M_FORBIDDEN")


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"type": "m.login.token", "token": "x"}, "M_INVALID_PARAM"),
        ({"type": "m.login.sso"}, "M_INVALID_PARAM"),
        ({"type": ""}, "M_INVALID_PARAM"),
        ({"type": 1}, "M_BAD_JSON"),
        ({"type": "m.login.password"}, "M_MISSING_PARAM"),
        ({"type": "m.login.password", "password": PASSWORD}, "M_MISSING_PARAM"),
        ({"type": "m.login.password", "user": "ana"}, "M_MISSING_PARAM"),
        (login("ana", identifier="ana"), "M_BAD_JSON"),
        (login("ana", identifier={"type": "m.id.thirdparty"}), "M_INVALID_PARAM"),
        (login("ana", device_id=1), "M_BAD_JSON"),
        (login("ana", device_id="x" * (MAX_DEVICE_ID + 1)), "M_INVALID_PARAM"),
        (b"{", "M_NOT_JSON"),
        ([1], "M_BAD_JSON"),
    ],
)
async def test_what_is_no_login_is_refused(matrix: Matrix, body: object, errcode: str) -> None:
    await matrix.register("ana")
    assert PASSWORD not in (await matrix.ask("POST", "login", body)).refused(400, errcode)


async def test_the_device_that_is_asked_for_is_the_one(matrix: Matrix) -> None:
    await matrix.register("ana")
    ana = await matrix.login("ana", device_id="PHONE", initial_device_display_name="Phone")
    assert ana.device_id == "PHONE"
    names = {device["device_id"]: device["display_name"] for device in await matrix.devices(ana)}
    assert names["PHONE"] == "Phone"


async def test_signing_in_anew_at_a_device_ends_the_token_before_and_keeps_its_name(matrix: Matrix) -> None:
    await matrix.register("ana", device_id="OTHER")
    before = await matrix.login("ana", device_id="PHONE", initial_device_display_name="Phone")
    after = await matrix.login("ana", device_id="PHONE", initial_device_display_name="Another name")
    assert [await matrix.is_known(person) for person in (before, after)] == [False, True]
    names = {device["device_id"]: device.get("display_name") for device in await matrix.devices(after)}
    assert names.keys() == {"OTHER", "PHONE"}
    assert names["PHONE"] == "Phone"


async def test_a_token_in_the_address_is_taken_too(matrix: Matrix) -> None:
    ana = await matrix.register("ana")
    found = await matrix.ask("GET", f"account/whoami?access_token={ana.token}")
    assert found.done() == {"user_id": ana.user_id, "device_id": ana.device_id}


async def test_a_token_is_good_over_a_restart(tmp_path: Path) -> None:
    async with homeserver(tmp_path) as matrix:
        ana = await matrix.register("ana")
    async with homeserver(tmp_path) as matrix:
        who = (await matrix.ask("GET", "account/whoami", person=ana)).done()
        assert who["device_id"] == ana.device_id
        again = await matrix.login("ana")
        assert await matrix.device_ids(again) == sorted([ana.device_id, again.device_id])


@pytest.mark.parametrize("password", [WRONG, PASSWORD])
async def test_wrong_passwords_of_one_name_are_limited(matrix: Matrix, password: str) -> None:
    await matrix.register("ana")
    for _ in range(NAME_AT_ONCE):
        (await matrix.ask("POST", "login", login("ana", WRONG))).refused(403, "M_FORBIDDEN")
    refused = await matrix.ask("POST", "login", login("ANA", password))
    refused.refused(429, "M_LIMIT_EXCEEDED", "retry_after_ms")
    milliseconds = refused.body["retry_after_ms"]
    assert isinstance(milliseconds, int)
    matrix.home.clock.turn(milliseconds / 1000 + 0.001)
    assert (await matrix.login("ana")).user_id


async def test_wrong_passwords_of_one_address_are_limited_and_of_another_are_not(matrix: Matrix) -> None:
    await matrix.register("ana")
    for number in range(ADDRESS_AT_ONCE):
        refused = await matrix.ask("POST", "login", login(f"ana{number}"), X_Forwarded_For="192.0.2.1")
        refused.refused(403, "M_FORBIDDEN")
    here = await matrix.ask("POST", "login", login("ana"), X_Forwarded_For="192.0.2.1")
    here.refused(429, "M_LIMIT_EXCEEDED", "retry_after_ms")
    there = await matrix.ask("POST", "login", login("ana"), X_Forwarded_For="192.0.2.2")
    assert there.done().keys() == LOGGED_IN


async def test_right_passwords_cost_nothing_of_the_limits(matrix: Matrix) -> None:
    await matrix.register("ana")
    for _ in range(NAME_AT_ONCE + 1):
        assert await matrix.login("ana", device_id="PHONE")


async def test_the_device_that_asks_is_signed_out(matrix: Matrix) -> None:
    ana, other = await matrix.register("ana"), await matrix.login("ana")
    assert (await matrix.ask("POST", "logout", person=ana)).done() == {}
    (await matrix.ask("GET", "sync", person=ana)).refused(401, "M_UNKNOWN_TOKEN", "soft_logout")
    (await matrix.ask("POST", "logout", person=ana)).refused(401, "M_UNKNOWN_TOKEN", "soft_logout")
    assert await matrix.device_ids(other) == [other.device_id]


async def test_all_devices_are_signed_out_at_once_and_nobody_elses(matrix: Matrix) -> None:
    ana, other = await matrix.register("ana"), await matrix.login("ana")
    ben = await matrix.register("ben")
    assert (await matrix.ask("POST", "logout/all", {}, other)).done() == {}
    assert [await matrix.is_known(person) for person in (ana, other, ben)] == [False, False, True]


@pytest.mark.parametrize("path", ["logout", "logout/all"])
async def test_nobody_is_signed_out_without_a_good_token(matrix: Matrix, path: str) -> None:
    ana = await matrix.register("ana")
    (await matrix.ask("POST", path)).refused(401, "M_MISSING_TOKEN")
    forged = await matrix.ask("POST", path, Authorization=f"Bearer {ana.token}x")
    forged.refused(401, "M_UNKNOWN_TOKEN", "soft_logout")
    assert forged.body["soft_logout"] is False
    assert await matrix.is_known(ana)


async def test_whoever_is_signed_in_by_a_session_of_the_admin_sees_it_as_a_device(matrix: Matrix) -> None:
    owner = await matrix.login("admin", ADMIN_PASSWORD)
    assert owner.user_id.startswith("@admin:")
    body = {"password": ADMIN_PASSWORD}
    async with matrix.session.post(
        matrix.address("/api/admin/session"), json=body, headers={"User-Agent": "Firefox"}
    ) as found:
        assert found.status == 200
    names = [device.get("display_name") for device in await matrix.devices(owner)]
    assert "Firefox" in names
    assert len(names) == 2
