"""The delivery API's callers: with which credentials they get in, and what each may see and change."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import encode_basic_auth
from apiture_wire import SUBSCRIBER, Office, office

from owncast_py.accounts.model import ADMIN_ID
from web.authentication import ATTEMPTS_AT_ONCE, CSRF_HEADER, SESSION_COOKIE, csrf_token
from web.operations import OPERATIONS

READ, WRITE, DELETE, FULL = "data/read", "data/write", "data/delete", "data/full"
NEEDED = {"GET": READ, "POST": WRITE, "PUT": WRITE, "PATCH": WRITE, "DELETE": DELETE}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as opened:
        yield opened


async def test_every_operation_needs_its_scope(desk: Office) -> None:
    tokens = {scope: (await desk.token(scope))[0] for scope in (READ, WRITE, DELETE, "CAN_SEND_MESSAGES")}
    tried = 0
    for operation in desk.application[OPERATIONS]:
        if operation.path == "/notifications/apiDoc":
            assert operation.guard is None
            continue
        path = re.sub(r"{(\w+)[^}]*}", "x", operation.path).removeprefix("/notifications")
        found = await desk.refused(operation.method, path, status=401, kind="credentialsRequired", key="")
        assert found.headers["WWW-Authenticate"] == "Bearer"
        needed = NEEDED[operation.method]
        for scope, token in tokens.items():
            if scope != needed:
                found = await desk.refused(operation.method, path, status=403, kind="accessDenied", key=token)
                assert needed in str(found.at("_error/message"))
        if operation.method != "GET":
            answer = await desk.ask(operation.method, path, key=tokens[needed])
            assert answer.status in (403, 404, 422), (operation.method, path)
            assert needed not in json.dumps(answer.body)
        tried += 1
    assert tried >= 28 - 1


async def test_a_token_may_stand_in_either_header(desk: Office) -> None:
    token, subscriber = await desk.token(READ)
    for headers in ({"API-Key": token}, {"Authorization": f"Bearer {token}"}, {"authorization": f"bearer {token}"}):
        root = await desk.get("/", key="", headers=headers)
        assert root.href("apiture:subscriber") == subscriber
    for headers in ({"API-Key": "x"}, {"Authorization": "Bearer x"}):
        await desk.refused("GET", "/", status=401, kind="credentialsRequired", key="", headers=headers)


@pytest.mark.parametrize("scope", [FULL, "HAS_ADMIN_ACCESS"])
async def test_full_access_is_all_access(desk: Office, scope: str) -> None:
    token, _ = await desk.token(scope)
    made = await desk.done("POST", "/topics", {"name": "a", "domain": "b"}, status=201, key=token)
    assert (await desk.get("/topics?name=a", key=token)).ids == [made.body["_id"]]
    await desk.done("DELETE", f"/topics/{made.body['_id']}", status=204, key=token)


async def test_wrong_tokens_become_slow(desk: Office) -> None:
    for number in range(ATTEMPTS_AT_ONCE):
        await desk.refused("GET", "/topics", status=401, kind="credentialsRequired", key=f"wrong{number}")
    found = await desk.refused("GET", "/topics", status=429, kind="tooManyRequests", key="wrong")
    assert int(found.headers["Retry-After"]) > 0
    desk.clock.turn(3_600)
    await desk.refused("GET", "/topics", status=401, kind="credentialsRequired", key="wrong")


async def test_the_owner_comes_with_password_or_session(desk: Office) -> None:
    wrong = {"Authorization": encode_basic_auth("admin", "wrong")}
    await desk.refused("GET", "/topics", status=401, kind="credentialsRequired", key="", headers=wrong)
    _, session = await desk.accounts.devices.sign_in(ADMIN_ID, "a browser")
    cookie = {"Cookie": f"{SESSION_COOKIE}={session}"}
    await desk.get("/topics", key="", headers=cookie)
    body = {"name": "a", "domain": "b"}
    found = await desk.refused("POST", "/topics", body, status=403, kind="accessDenied", key="", headers=cookie)
    assert CSRF_HEADER in str(found.at("_error/message"))
    csrf = cookie | {CSRF_HEADER: csrf_token(session)}
    await desk.done("POST", "/topics", body, status=201, key="", headers=csrf)
    foreign = csrf | {"Origin": "https://elsewhere.example"}
    await desk.refused("POST", "/topics", body, status=403, kind="accessDenied", key="", headers=foreign)


async def test_pages_of_other_origins_may_not_read(desk: Office) -> None:
    found = await desk.get("/topics", headers={"Origin": "https://elsewhere.example"})
    assert not [name for name in found.headers if name.lower().startswith("access-control-")]
    preflight = await desk.refused("OPTIONS", "/topics", status=405, kind="methodNotAllowed", key="")
    assert "GET" in preflight.headers["Allow"]


# Whoever has not data/full.


async def test_somebody_subscribes_for_themselves_alone(desk: Office) -> None:
    topic = await desk.topic()
    token, subscriber = await desk.token(READ, WRITE)
    other = desk.body(topic.id)
    found = await desk.refused("POST", "/subscriptions", other, status=403, kind="accessDenied", key=token)
    assert subscriber in str(found.at("_error/message"))
    links = {"apiture:topic": {"href": topic.id}, "apiture:subscriber": {"href": subscriber}}
    made = await desk.done("POST", "/subscriptions", other | {"_links": links}, status=201, key=token)
    stored = desk.notifications.subscribing.subscription(str(made.body["_id"]))
    assert stored is not None
    assert (stored.subscription.subscriber, stored.subscription.restricted) == (subscriber, True)
    # Also when the owner changes it, and it cannot be given away.
    here = f"/subscriptions/{made.body['_id']}"
    await desk.done("PATCH", here, {"ordered": True})
    gift = {"_links": {"apiture:subscriber": {"href": SUBSCRIBER}}}
    await desk.refused("PATCH", here, gift, status=403, kind="accessDenied", key=token)
    assert (await desk.done("PATCH", here, {"state": "inactive"}, key=token)).body["state"] == "inactive"
    changed = desk.notifications.subscribing.subscription(str(made.body["_id"]))
    assert changed is not None
    assert (changed.subscription.restricted, changed.subscription.subscriber) == (True, subscriber)


async def test_what_belongs_to_others_cannot_be_changed(desk: Office) -> None:
    topic = await desk.topic()
    theirs = await desk.subscribed(topic, "push", state="inactive")
    waiting = await desk.subscribed(topic)
    await desk.publish(topic, 1)
    (notification,) = (await desk.get("/pullNotifications")).ids
    token, subscriber = await desk.token(READ, WRITE, DELETE)
    here = f"/subscriptions/{theirs}"
    mine = {"apiture:topic": {"href": topic.id}, "apiture:subscriber": {"href": subscriber}}
    for method, path, body in (
        ("PUT", here, desk.body(topic.id) | {"_links": mine}),
        ("PATCH", here, {"state": "active"}),
        ("DELETE", here, None),
        ("POST", f"{here}/secret", None),
        ("POST", f"{here}/test", None),
        ("POST", f"/activeSubscriptions?subscription={theirs}", None),
        ("POST", f"/inactiveSubscriptions?subscription={theirs}", None),
        ("DELETE", f"/pullNotifications/{notification}", None),
        ("POST", f"/receivedNotifications?notification={notification}", None),
        ("POST", f"/receivedNotifications?subscription={waiting}&through={notification}", None),
        ("POST", f"/deliveryQueue?notification={notification}", None),
        ("POST", f"/deliveryQueue?subscription={theirs}", None),
        ("POST", "/deliveryQueue?all=true", None),
        ("DELETE", f"/failedNotifications?subscription={theirs}", None),
        ("DELETE", "/failedNotifications?all=true", None),
        ("DELETE", f"/topics/{topic.id}", None),
    ):
        await desk.refused(method, path, body, status=403, kind="accessDenied", key=token)
    assert (await desk.get("/pullNotifications")).ids == [notification]
    assert (await desk.get(here)).body["state"] == "inactive"
    assert desk.receiver.heard.empty()
    # A topic to which nobody else is subscribed is nobody else's.
    free = await desk.topic("Free")
    await desk.done("DELETE", f"/topics/{free.id}", status=204, key=token)


async def test_endpoints_of_others_are_not_shown(desk: Office) -> None:
    topic = await desk.topic()
    theirs = await desk.subscribed(topic, "push", subscriberContent={"format": "event"})
    reader, subscriber = await desk.token(READ)
    full = await desk.get(f"/subscriptions/{theirs}")
    seen = await desk.get(f"/subscriptions/{theirs}", key=reader)
    assert seen.body == {name: full.body[name] for name in full.body if name not in ("endpoint", "subscriberContent")}
    assert seen.etag == full.etag
    assert (await desk.get(f"/topics/{topic.id}", key=reader)).items == [seen.body]
    assert (await desk.get("/subscriptions?q=127.0.0.1", key=reader)).ids == []
    # One's own is shown, its token only to who could have set it.
    links = {"apiture:topic": {"href": topic.id}, "apiture:subscriber": {"href": subscriber}}
    mine = await desk.done("POST", "/subscriptions", desk.body(topic.id, "push") | {"_links": links}, status=201)
    shown = await desk.get(f"/subscriptions/{mine.body['_id']}", key=reader)
    assert shown.body["endpoint"] == {"recipientUrl": desk.receiver.url}
    assert (await desk.get("/subscriptions", key=reader)).ids == [mine.body["_id"]]


async def test_messages_about_others_are_not_read(desk: Office) -> None:
    topic = await desk.topic()
    subscription = await desk.subscribed(topic)
    token, subscriber = await desk.token(READ, WRITE, DELETE)
    await desk.publish(topic, 1)
    await desk.publish(topic, 2, entity=subscriber)
    await desk.publish(topic, 3, entity=SUBSCRIBER)
    everything = (await desk.get("/pullNotifications")).ids
    assert len(everything) == 3
    for path in (
        "/pullNotifications",
        f"/subscriptions/{subscription}/notifications",
        f"/topics/{topic.id}/notifications",
    ):
        found = await desk.get(path, key=token)
        assert (found.ids, found.body["count"]) == (everything[:2], 2)
    await desk.get(f"/pullNotifications/{everything[1]}", key=token)
    hidden = f"/pullNotifications/{everything[2]}"
    await desk.refused("GET", hidden, status=404, kind="resourceNotFound", key=token)
    await desk.refused("DELETE", hidden, status=404, kind="resourceNotFound", key=token)
    acknowledge = f"/receivedNotifications?notification={everything[2]}"
    await desk.refused("POST", acknowledge, status=422, kind="referenceInvalid", key=token)


async def test_a_restricted_subscription_gets_only_its_own(desk: Office) -> None:
    topic = await desk.topic()
    token, subscriber = await desk.token(READ, WRITE)
    subscription = await desk.restricted(topic, subscriber)
    await desk.publish(topic, 1)
    await desk.publish(topic, 2, entity=subscriber)
    await desk.publish(topic, 3, entity=SUBSCRIBER)
    found = await desk.get(f"/subscriptions/{subscription.id}/notifications")
    assert [item["body"] for item in found.items] == [{"number": 1}, {"number": 2}]
    acknowledged = await desk.done("POST", f"/receivedNotifications?notification={found.ids[0]}", key=token)
    assert acknowledged.body["state"] == "received"


async def test_a_disabled_users_token_is_worth_nothing(desk: Office) -> None:
    user, token = await desk.accounts.create_bot("Robot", [FULL])
    await desk.get("/topics", key=token)
    await desk.accounts.set_enabled(user.id, enabled=False)
    await desk.refused("GET", "/topics", status=403, kind="accessDenied", key=token)
