"""Who one is, another password, and what a client may learn before it signs in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from house import ADMIN, ADMIN_PASSWORD
from matrix_wire import PASSWORD, Matrix, Person, homeserver, proof

NEW = "my new password"


@pytest.fixture
async def matrix(tmp_path: Path) -> AsyncIterator[Matrix]:
    async with homeserver(tmp_path) as matrix:
        yield matrix


async def change(matrix: Matrix, person: Person, **more: object) -> None:
    """Sets another password of somebody, after the proof."""
    body = {"new_password": NEW, **more}
    session = (await matrix.ask("POST", "account/password", body, person)).asks()
    body["auth"] = proof(person, session=session)
    assert (await matrix.ask("POST", "account/password", body, person)).done() == {}


async def signs_in(matrix: Matrix, login: str, password: str) -> bool:
    """Whether that is their password."""
    body = {"type": "m.login.password", "user": login, "password": password}
    found = await matrix.ask("POST", "login", body)
    if found.status != 200:
        found.refused(403, "M_FORBIDDEN")
    return found.status == 200


async def test_a_token_tells_whose_it_is(matrix: Matrix) -> None:
    ana = await matrix.register("ana")
    found = (await matrix.ask("GET", "account/whoami", person=ana)).done()
    assert found == {"user_id": ana.user_id, "device_id": ana.device_id}
    visitor = await matrix.visitor()
    found = (await matrix.ask("GET", "account/whoami", person=visitor)).done()
    assert str(found["user_id"]).startswith(f"@{visitor.user_id}:")


async def test_a_new_password_is_the_only_one_and_is_kept(tmp_path: Path) -> None:
    async with homeserver(tmp_path) as matrix:
        ana = await matrix.register("ana")
        await change(matrix, ana)
        assert await signs_in(matrix, "ana", NEW)
        assert not await signs_in(matrix, "ana", PASSWORD)
        assert await matrix.is_known(ana), "the session that changes it goes on"
    async with homeserver(tmp_path) as matrix:
        assert await signs_in(matrix, "ana", NEW)
        assert not await signs_in(matrix, "ana", PASSWORD)


async def test_other_devices_are_signed_out_with_the_password_unless_told_otherwise(matrix: Matrix) -> None:
    ana, kept = await matrix.register("ana"), await matrix.login("ana")
    ben = await matrix.register("ben")
    await change(matrix, ana, logout_devices=False)
    assert await matrix.is_known(kept)
    body = {"new_password": PASSWORD, "auth": proof(ana, NEW)}
    assert (await matrix.ask("POST", "account/password", body, ana)).done() == {}
    assert [await matrix.is_known(person) for person in (ana, kept, ben)] == [True, False, True]


async def test_nothing_changes_without_the_password_before(matrix: Matrix) -> None:
    ana, other = await matrix.register("ana"), await matrix.login("ana")
    body = {"new_password": NEW}
    session = (await matrix.ask("POST", "account/password", body, ana)).asks()
    wrong = {**body, "auth": proof(ana, NEW, session=session)}
    assert (await matrix.ask("POST", "account/password", wrong, ana)).asks(tried=True) == session
    dummy = {**body, "auth": {"type": "m.login.dummy", "session": session}}
    (await matrix.ask("POST", "account/password", dummy, ana)).refused(400, "M_UNRECOGNIZED")
    assert await signs_in(matrix, "ana", PASSWORD)
    assert await matrix.is_known(other)


async def test_a_proof_changes_the_password_once(matrix: Matrix) -> None:
    ana = await matrix.register("ana")
    session = (await matrix.ask("POST", "account/password", {"new_password": NEW}, ana)).asks()
    body = {"new_password": NEW, "auth": proof(ana, session=session)}
    assert (await matrix.ask("POST", "account/password", body, ana)).done() == {}
    again = {"new_password": "yet another one", "auth": {"session": session}}
    (await matrix.ask("POST", "account/password", again, ana)).refused(400, "M_UNKNOWN")
    assert await signs_in(matrix, "ana", NEW)


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"new_password": 12345678}, "M_BAD_JSON"),
        ({"new_password": None}, "M_BAD_JSON"),
        ({"new_password": "x" * 1_001}, "M_INVALID_PARAM"),
        ({"new_password": NEW, "logout_devices": "no"}, "M_BAD_JSON"),
        ({"new_password": "short", "auth": "PROOF"}, "M_WEAK_PASSWORD"),
    ],
)
async def test_what_is_no_password_is_refused(matrix: Matrix, body: dict[str, object], errcode: str) -> None:
    ana, other = await matrix.register("ana"), await matrix.login("ana")
    if body.get("auth") == "PROOF":
        body = {**body, "auth": proof(ana)}
    (await matrix.ask("POST", "account/password", body, ana)).refused(400, errcode)
    assert await signs_in(matrix, "ana", PASSWORD)
    assert await matrix.is_known(other)


async def test_a_weak_password_can_be_mended_in_the_same_session(matrix: Matrix) -> None:
    ana = await matrix.register("ana")
    session = (await matrix.ask("POST", "account/password", {"new_password": "short"}, ana)).asks()
    body = {"new_password": "short", "auth": proof(ana, session=session)}
    (await matrix.ask("POST", "account/password", body, ana)).refused(400, "M_WEAK_PASSWORD")
    body = {"new_password": NEW, "auth": {"session": session}}
    assert (await matrix.ask("POST", "account/password", body, ana)).done() == {}
    assert await signs_in(matrix, "ana", NEW)


async def test_a_password_of_any_characters_is_good(matrix: Matrix) -> None:
    password = "pässwörd 🔑 \u0000\u202e"
    await matrix.register("ana", password)
    assert await signs_in(matrix, "ana", password)
    assert not await signs_in(matrix, "ana", password.replace("\u0000", ""))


async def test_a_bot_has_no_password_to_change(matrix: Matrix) -> None:
    _, token = await matrix.home.foundations.accounts.create_bot("Beep", ["CAN_SEND_MESSAGES"])
    body = {"new_password": NEW, "auth": {"type": "m.login.dummy"}}
    found = await matrix.ask("POST", "account/password", body, Authorization=f"Bearer {token}")
    found.refused(403, "M_FORBIDDEN")
    found = await matrix.ask("GET", "capabilities", Authorization=f"Bearer {token}")
    capabilities = found.done()["capabilities"]
    assert isinstance(capabilities, dict)
    assert capabilities["m.change_password"] == {"enabled": False}


async def test_the_owner_changes_the_admin_password_by_matrix_as_well(matrix: Matrix) -> None:
    owner = await matrix.login("admin", ADMIN_PASSWORD)
    body = {"new_password": NEW, "auth": proof(owner, ADMIN_PASSWORD)}
    assert (await matrix.ask("POST", "account/password", body, owner)).done() == {}
    assert await signs_in(matrix, "admin", NEW)
    assert matrix.web.credentials.verify_admin_password(NEW)
    async with matrix.session.get(matrix.address("/api/admin/status"), headers=ADMIN) as found:
        assert found.status == 401


async def test_what_an_account_may_change_is_told(matrix: Matrix) -> None:
    ana = await matrix.register("ana")
    found = (await matrix.ask("GET", "capabilities", person=ana)).done()
    off = {"enabled": False}
    assert found == {
        "capabilities": {
            "m.change_password": {"enabled": True},
            "m.set_displayname": off,
            "m.set_avatar_url": off,
            "m.3pid_changes": off,
        }
    }


async def test_clients_learn_where_the_server_is_and_which_versions_it_speaks(matrix: Matrix) -> None:
    found = (await matrix.ask("GET", "/_matrix/client/versions")).done()
    assert found.keys() == {"versions", "unstable_features"}
    assert {"r0.6.1", "v1.1", "v1.11"} <= set(found["versions"])  # type: ignore[call-overload]
    found = (await matrix.ask("GET", "/.well-known/matrix/client")).done()
    assert found == {"m.homeserver": {"base_url": str(matrix.address("/")).rstrip("/")}}


async def test_behind_a_proxy_clients_are_sent_to_the_proxy(matrix: Matrix) -> None:
    found = await matrix.ask("GET", "/.well-known/matrix/client", Host="live.example.org", X_Forwarded_Proto="https")
    assert found.done() == {"m.homeserver": {"base_url": "https://live.example.org"}}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "login", None),
        ("POST", "login", {"type": "m.login.password", "user": "ana", "password": PASSWORD}),
        ("POST", "register", {"auth": {"type": "m.login.dummy"}}),
        ("GET", "register/available?username=ben", None),
        ("GET", "account/whoami", None),
        ("POST", "account/password", {"new_password": NEW, "auth": "PROOF"}),
        ("GET", "capabilities", None),
        ("GET", "devices", None),
        ("GET", "devices/PHONE", None),
        ("PUT", "devices/PHONE", {"display_name": "x"}),
        ("DELETE", "devices/PHONE", {"auth": "PROOF"}),
        ("POST", "delete_devices", {"devices": ["PHONE"], "auth": "PROOF"}),
        ("GET", "sync", None),
        ("POST", "logout", None),
        ("POST", "logout/all", None),
    ],
)
async def test_every_operation_answers_under_the_older_prefix_too(
    matrix: Matrix, method: str, path: str, body: dict[str, object] | None
) -> None:
    found = []
    for number, prefix in enumerate(("v3", "r0")):
        ana = await matrix.register(f"ana{number}", device_id="PHONE")
        if body is not None:
            given = {name: proof(ana) if value == "PROOF" else value for name, value in body.items()}
            given = {name: ana.login if name == "user" else value for name, value in given.items()}
        else:
            given = None
        answer = await matrix.ask(method, f"/_matrix/client/{prefix}/{path}", given, ana)
        found.append(answer.done().keys())
    assert found[0] == found[1]
