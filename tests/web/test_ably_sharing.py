"""Pages of other origins: what their browsers let them ask of channels, and read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from admin_wire import Admin, administered
from yarl import URL

ORIGIN = "https://overlay.example"
PATHS = (
    "/channels",
    "/channels/game/messages",
    "/channels/a%2Fb/messages/1/versions",
    "/keys/a.b/requestToken",
    "/push/deviceRegistrations/x",
    "/stats",
    "/time",
    "/messages",
    "/presence",
    "/sse",
    "/event-stream",
    "/apps",
)
SENT = "authorization, content-type, x-ably-version, ably-agent, accept, x-ably-clientid, x-ably-devicetoken"


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Admin]:
    async with administered(tmp_path) as opened:
        yield opened


def words(header: str) -> set[str]:
    return {each.strip().lower() for each in header.split(",")}


async def asked(admin: Admin, path: str, method: str) -> aiohttp.ClientResponse:
    """What a browser asks before it sends such a request."""
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": SENT,
    }
    address = str(admin.web.server.make_url("")).rstrip("/") + path
    async with admin.session.options(URL(address, encoded=True), headers=headers) as response:
        await response.read()
        return response


@pytest.mark.parametrize("path", PATHS)
async def test_a_browser_may_ask_anything_of_channels(admin: Admin, path: str) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        response = await asked(admin, path, method)
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert method.lower() in words(response.headers["Access-Control-Allow-Methods"])
        assert words(SENT) <= words(response.headers["Access-Control-Allow-Headers"])
        assert "Access-Control-Allow-Credentials" not in response.headers


async def test_a_page_may_read_links_and_refusals(admin: Admin) -> None:
    key = await admin.home.foundations.keyring.create_key()
    said = {"Authorization": aiohttp.encode_basic_auth(*key.text.split(":")), "Origin": ORIGIN}
    for headers, status in ((said, 200), ({"Origin": ORIGIN}, 401)):
        async with admin.session.get(admin.web.server.make_url("/channels/a/messages"), headers=headers) as response:
            assert response.status == status
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            exposed = words(response.headers["Access-Control-Expose-Headers"])
            assert {"link", "x-ably-errorcode", "x-ably-errormessage", "content-type"} <= exposed
            assert "Access-Control-Allow-Credentials" not in response.headers
    address = admin.web.server.make_url("/sse").with_query(channels="a", key=key.text)
    async with admin.session.get(address, headers={"Origin": ORIGIN}) as response:
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (200, "*")


async def test_other_paths_share_what_they_did(admin: Admin) -> None:
    response = await asked(admin, "/api/config", "DELETE")
    assert words(response.headers["Access-Control-Allow-Methods"]) == {"get", "head", "post", "options"}
    for path in ("/", "/notifications/topics", "/channelsx", "/healthz"):
        response = await asked(admin, path, "GET")
        assert "Access-Control-Allow-Origin" not in response.headers, path
        assert "Access-Control-Allow-Methods" not in response.headers, path
