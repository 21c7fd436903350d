"""Stream keys, the password and sessions: set, in force at once, kept, and shown to nobody who should not see them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from admin_wire import Admin, administered, found_at
from house import ADMIN, ADMIN_PASSWORD, house, webbed

from owncast_py.accounts.model import ADMIN_LIFETIME
from owncast_py.config import Config
from owncast_py.credentials import Credentials, StreamKey, load_credentials
from web.authentication import ATTEMPTS_AT_ONCE, CSRF_HEADER, SESSION_COOKIE

NEW = "a-new-password"
NEW_ADMIN = {"Authorization": aiohttp.encode_basic_auth("admin", NEW)}


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Admin]:
    async with administered(tmp_path) as opened:
        yield opened


def kept(directory: Path) -> Credentials:
    """What the next start would find."""
    return load_credentials(Config(data_dir=directory), lambda _: None)


async def test_stream_keys_are_set_shown_and_kept(admin: Admin, tmp_path: Path) -> None:
    keys = [{"key": "kettle", "comment": "mine"}, {"key": "teapot", "comment": ""}]
    await admin.set("streamkeys", keys)
    assert found_at(await admin.get("/api/admin/serverconfig"), "streamKeys") == keys
    for each in (admin.web.credentials, kept(tmp_path)):
        assert each.verify_stream_key("kettle")
        assert each.verify_stream_key("teapot")
        assert not each.verify_stream_key("key-of-the-house")
    assert {"kettle", "teapot"} <= set(admin.web.hidden)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "at least one stream key"),
        ([{"key": ""}], "1 to 256 characters"),
        ([{"key": "a b"}], "spaces"),
        ([{"key": "a/b"}], "spaces or any of"),
        ([{"key": "a\x00b"}], "spaces or any of"),
        ([{"key": "x"}, {"key": "x", "comment": "again"}], "twice"),
        ([{"key": "x", "comment": "y" * 201}], "200 characters"),
        ([{"key": str(number)} for number in range(101)], "at most 100"),
        ("kettle", "valid list"),
    ],
)
async def test_keys_that_cannot_be(admin: Admin, value: object, words: str) -> None:
    status, sentence = await admin.refused("POST", "/api/admin/config/streamkeys", {"value": value})
    assert (status, words in sentence) == (400, True), sentence
    assert admin.web.credentials.verify_stream_key("key-of-the-house")


async def test_the_password_is_changed_at_once_and_for_the_next_start(admin: Admin, tmp_path: Path) -> None:
    await admin.get("/api/admin/status")
    await admin.set("adminpass", NEW)
    status, _ = await admin.refused("GET", "/api/admin/status")
    assert status == 401
    assert (await admin.ask("GET", "/api/admin/status", headers=NEW_ADMIN))[0] == 200
    assert kept(tmp_path).verify_admin_password(NEW)
    assert NEW not in (tmp_path / "credentials.json").read_text()
    shown = (await admin.ask("GET", "/api/admin/serverconfig", headers=NEW_ADMIN))[1]
    assert found_at(shown, "adminPassword") == ""
    assert NEW not in json.dumps(shown)


@pytest.mark.parametrize("value", ["short", "x" * 257, 12345678, None])
async def test_passwords_that_cannot_be(admin: Admin, value: object) -> None:
    assert (await admin.refused("POST", "/api/admin/config/adminpass", {"value": value}))[0] == 400
    assert (await admin.ask("GET", "/api/admin/status"))[0] == 200


async def test_the_key_of_the_first_release_is_both(admin: Admin, tmp_path: Path) -> None:
    await admin.set("key", NEW)
    assert (await admin.ask("GET", "/api/admin/status", headers=NEW_ADMIN))[0] == 200
    for each in (admin.web.credentials, kept(tmp_path)):
        assert each.verify_stream_key(NEW)
        assert each.verify_admin_password(NEW)
        assert [key.key for key in each.stream_keys] == [NEW]


@pytest.mark.parametrize("value", ["new secret words", "short"])
async def test_a_value_that_cannot_be_both_changes_neither(admin: Admin, tmp_path: Path, value: str) -> None:
    await admin.get("/api/admin/status")
    assert (await admin.refused("POST", "/api/admin/config/key", {"value": value}))[0] == 400
    for each in (admin.web.credentials, kept(tmp_path)):
        assert not each.verify_admin_password(value)
        assert not each.verify_stream_key(value)
    assert admin.web.credentials.verify_admin_password(ADMIN_PASSWORD)
    assert admin.web.credentials.verify_stream_key("key-of-the-house")


async def test_what_is_configured_cannot_be_changed_here(tmp_path: Path) -> None:
    async with house(tmp_path) as home, webbed(home) as web, aiohttp.ClientSession() as session:
        admin = Admin(web, home, session)
        configured = Credentials(
            tmp_path / "credentials.json",
            [],
            web.credentials._hash,
            configured_key="from-outside",
            password_is_configured=True,
        )
        web.credentials.__dict__.update(configured.__dict__)
        shown = await admin.get("/api/admin/serverconfig")
        assert found_at(shown, "streamKeys.0.key") == "from-outside"
        assert (found_at(shown, "streamKeyOverridden"), found_at(shown, "adminPasswordOverridden")) == (True, True)
        for path in ("key", "adminpass"):
            status, sentence = await admin.refused("POST", f"/api/admin/config/{path}", {"value": NEW})
            assert (status, "configuration" in sentence) == (409, True)
        assert "stays valid" in await admin.set("streamkeys", [{"key": "second", "comment": ""}])
        assert web.credentials.verify_stream_key("from-outside")
        assert web.credentials.verify_stream_key("second")
        assert web.credentials.stream_keys[1] == StreamKey("second", "")
        assert "from-outside" not in (tmp_path / "credentials.json").read_text()


# Sessions.


async def sign_in(admin: Admin, password: str = ADMIN_PASSWORD, **headers: str) -> tuple[str, str]:
    """The cookie and the CSRF token of a new session."""
    address = admin.web.server.make_url("/api/admin/session")
    async with admin.session.post(address, json={"password": password}, headers=headers) as response:
        assert response.status == 200, await response.text()
        cookie = response.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        found = await response.json()
    return cookie.partition(";")[0], found["csrfToken"]


async def test_a_session_acts_with_its_token_and_only_with_it(admin: Admin, tmp_path: Path) -> None:
    cookie, token = await sign_in(admin)
    assert ADMIN_PASSWORD not in cookie
    held, acting = {"Cookie": cookie}, {"Cookie": cookie, CSRF_HEADER: token}
    assert (await admin.ask("GET", "/api/admin/status", headers=held))[0] == 200
    assert found_at((await admin.ask("GET", "/api/admin/session", headers=held))[1], "csrfToken") == token
    body = {"value": "By session"}
    for headers in (held, held | {CSRF_HEADER: "x"}, held | {CSRF_HEADER: ""}):
        status, sentence = await admin.refused("POST", "/api/admin/config/name", body, headers)
        assert (status, CSRF_HEADER in sentence) == (403, True)
    for site in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await admin.refused("POST", "/api/admin/config/name", body, acting | site))[0] == 403
    assert found_at(await admin.get("/api/config"), "name") == "Tea"
    assert (await admin.ask("POST", "/api/admin/config/name", body, acting))[0] == 200
    assert found_at(await admin.get("/api/config"), "name") == "By session"
    assert (await admin.ask("DELETE", "/api/admin/session", headers=acting))[0] == 200
    assert (await admin.ask("GET", "/api/admin/status", headers=held))[0] == 401


async def test_a_session_outlives_a_restart_but_not_another_password(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        mine, token = await sign_in(admin)
        other, _ = await sign_in(admin)
    async with administered(tmp_path) as again:
        for cookie in (mine, other):
            assert (await again.ask("GET", "/api/admin/status", headers={"Cookie": cookie}))[0] == 200
        headers = {"Cookie": mine, CSRF_HEADER: token}
        assert (await again.ask("POST", "/api/admin/config/adminpass", {"value": NEW}, headers))[0] == 200
        # The one that changed it goes on; the others have to sign in anew.
        assert (await again.ask("GET", "/api/admin/status", headers={"Cookie": mine}))[0] == 200
        assert (await again.ask("GET", "/api/admin/status", headers={"Cookie": other}))[0] == 401


async def test_a_session_ends_after_a_month(admin: Admin) -> None:
    cookie, _ = await sign_in(admin)
    headers = {"Cookie": cookie}
    admin.home.clock.turn((ADMIN_LIFETIME - timedelta(minutes=1)).total_seconds())
    assert (await admin.ask("GET", "/api/admin/status", headers=headers))[0] == 200
    admin.home.clock.turn(60)
    assert (await admin.ask("GET", "/api/admin/status", headers=headers))[0] == 401


async def test_a_session_over_tls_is_sent_over_tls_only(admin: Admin) -> None:
    address = admin.web.server.make_url("/api/admin/session")
    for proto, secure in (("https", True), ("http", False)):
        headers = {"X-Forwarded-Proto": proto}
        async with admin.session.post(address, json={"password": ADMIN_PASSWORD}, headers=headers) as response:
            assert ("Secure" in response.headers["Set-Cookie"]) is secure


async def test_nobodys_cookie_is_no_session(admin: Admin) -> None:
    chatter = await admin.post("/api/chat/register", {"displayName": "Eve"})
    for value in ("", "x", str(chatter["accessToken"]), "x" * 4_000):
        headers = {"Cookie": f"{SESSION_COOKIE}={value}"}
        assert (await admin.refused("GET", "/api/admin/status", headers=headers))[0] == 401
    assert (await admin.refused("GET", "/api/admin/session", headers=ADMIN))[0] == 404


async def test_guessing_the_password_of_a_session_is_limited(admin: Admin) -> None:
    address = "/api/admin/session"
    for _ in range(ATTEMPTS_AT_ONCE):
        assert (await admin.refused("POST", address, {"password": "wrong"}, None))[0] == 401
    status, sentence = await admin.refused("POST", address, {"password": ADMIN_PASSWORD}, None)
    assert (status, "try again in" in sentence) == (429, True)
    admin.home.clock.turn(60)
    await sign_in(admin)


async def test_a_page_that_fetches_is_not_interrupted_by_the_browsers_question(admin: Admin) -> None:
    address = admin.web.server.make_url("/api/admin/status")
    for mode, asks in (("cors", False), ("navigate", True)):
        async with admin.session.get(address, headers={"Sec-Fetch-Mode": mode}) as response:
            assert response.status == 401
            assert ("WWW-Authenticate" in response.headers) is asks
