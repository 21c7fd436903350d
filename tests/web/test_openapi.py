"""The OpenAPI document: true, complete, and held against the server by schemathesis."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import schemathesis
from admin_wire import Admin, administered
from attempts import attempt
from house import ADMIN
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from web.api.ably.dialect import ROOTS
from web.api.matrix import sync
from web.api.matrix.paths import CLIENT
from web.openapi import PAGE, PATH
from web.operations import OPERATIONS
from web.pages import Page

EXAMPLES = 6
"""Of each operation; the fuzzing of bodies is `test_attacks`'s."""


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Admin]:
    page = Page(b"<html><head><title></title></head></html>", None, "text/html", "x", "no-cache")
    async with administered(tmp_path, pages={"/index.html": page, "/admin.html": page}) as opened:
        yield opened


async def test_every_operation_is_described(admin: Admin) -> None:
    document = await admin.get(PATH)
    assert isinstance(document, dict)
    assert document["openapi"] == "3.1.0"
    described = {(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs}
    mounted = {(each.method, re.sub(r"{(\w+)[^}]*}", r"{\1}", each.path)) for each in admin.web.application[OPERATIONS]}
    assert described == mounted
    # Nothing answers below /api that is not described, apart from the document itself and the sockets.
    served = {
        (route.method, resource.canonical)
        for resource in admin.web.application.router.resources()
        for route in resource
        if resource.canonical.startswith("/api/") and route.method != "HEAD"
    }
    assert served - described == {("GET", PATH), ("GET", PAGE), ("GET", f"{PAGE}/style.css"), ("GET", "/api/ping")}
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            assert len(operation["summary"]) > 5, (verb, path)
            assert operation["summary"][0].isupper()
            for_all = path in FOR_ALL or (not path.startswith(GUARDED) and path not in CHATTERS)
            assert ("security" not in operation) == (for_all or (verb, path) == ("post", "/api/admin/session")), path
    identifiers = [operation["operationId"] for verbs in document["paths"].values() for operation in verbs.values()]
    assert len(identifiers) == len(set(identifiers))


GUARDED = (
    *("/api/admin/", "/api/integrations/", "/api/moderation/", "/notifications", "/_matrix/"),
    *(f"/{root}" for root in ROOTS),
)
FOR_ALL = {
    *("/notifications/apiDoc", "/time", "/keys/{keyName}/requestToken", "/push/publicVapidKey"),
    "/_matrix/client/versions",
    *(f"{CLIENT}/{path}" for path in ("login", "register", "register/available")),
}
CHATTERS = {
    *("/api/chat/account", "/api/chat/account/password"),
    *(f"/api/chat/devices{part}" for part in ("", "/rename", "/signout")),
    "/api/notifications/register",
    "/api/chat/messagevisibility",
    "/api/chat/users/setenabled",
    "/api/chat/users/timeout",
    "/api/chat/pin",
}


async def test_every_reference_leads_somewhere(admin: Admin) -> None:
    document = await admin.get(PATH)
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert isinstance(document, dict)
    assert names <= document["components"]["schemas"].keys()


async def test_the_page_for_people_needs_nothing_from_elsewhere(admin: Admin) -> None:
    async with admin.session.get(admin.web.server.make_url(PAGE)) as response:
        html = await response.text()
        assert response.headers["Content-Security-Policy"] == "default-src 'none'; style-src 'self'"
    assert "<script" not in html
    assert set(re.findall(r'(?:src|href)="([^"]+)"', html)) == {f"{PAGE}/style.css", PATH}
    assert "/api/admin/config/streamtitle" in html
    async with admin.session.get(admin.web.server.make_url(f"{PAGE}/style.css")) as response:
        assert response.content_type == "text/css"


LEFT_OUT = r"^/api/admin/(config/(key|adminpass)|session)$"
"""What would lock the test out."""


async def test_schemathesis_finds_no_answer_that_is_not_as_described(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that follow the document, as schemathesis makes them: no answer may be a fault or of another shape."""
    monkeypatch.setattr(sync, "MAX_WAIT", 0.01)
    accounts, loop = admin.home.foundations.accounts, asyncio.get_running_loop()
    chatter, _ = await accounts.register("Ana")
    questions: list[str] = []
    address = str(admin.web.server.make_url(PATH))
    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]

    def ask(case: schemathesis.Case) -> None:
        # Each as somebody at a device of their own, as the one before may have signed itself out.
        signing_in = accounts.devices.sign_in(chatter.id, "schemathesis")
        token = asyncio.run_coroutine_threadsafe(signing_in, loop).result().token
        bearer = case.path.startswith("/_matrix/")
        headers = {"Authorization": f"Bearer {token}"} if bearer else ADMIN
        params = {"accessToken": token} if case.path in CHATTERS else None
        response = case.call(headers=headers, params=params, allow_redirects=False)
        case.validate_response(response, checks=checks)
        if response.status_code == 401 and bearer:
            assert "flows" in response.json(), (case.path, response.text)
            questions.append(case.path)

    def hold() -> int:
        schema = schemathesis.openapi.from_url(address).exclude(path_regex=LEFT_OUT)
        tried = 0
        for found in schema.get_all_operations():
            operation = found.ok()
            attempt(operation.as_strategy(), ask, EXAMPLES)
            tried += 1
        return tried

    assert await asyncio.to_thread(hold) > 100
    assert f"{CLIENT}/delete_devices" in questions, "more proof was asked for, and that is described as well"
