"""The delivery API's topics and subscriptions: what they look like, and what becomes of them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from apiture_wire import SUBSCRIBER, TOKEN, TOPIC, Office, office

from owncast_py.topics import TOPICS

PROFILES = "https://api.apiture.com/schemas"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NEVER = "top_0000000000000000"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as opened:
        yield opened


# Topics.


async def test_a_topic_is_made_and_shown(desk: Office) -> None:
    made = await desk.done("POST", "/topics", TOPIC, status=201)
    identity = str(made.body["_id"])
    here = f"{desk.origin}/notifications/topics/{identity}"
    assert made.headers["Location"] == here
    assert made.body == {
        "_id": identity,
        "_profile": f"{PROFILES}/notifications/topic/v1.0.0/profile.json",
        "_links": {
            "self": {"href": here},
            "collection": {"href": f"{desk.origin}/notifications/topics"},
            "apiture:notifications": {"href": f"{here}/notifications"},
        },
        "name": "AccountCreated",
        "domain": "Accounts",
        "createdAt": "2026-03-04T05:06:07.000Z",
        "updatedAt": "2026-03-04T05:06:07.000Z",
        "_embedded": {"items": []},
    }
    found = await desk.get(f"/topics/{identity}")
    assert (found.body, found.etag) == (made.body, made.etag)
    again = await desk.refused("POST", "/topics", TOPIC, status=422, kind="alreadyExists")
    assert "AccountCreated" in str(again.at("_error/message"))
    assert (await desk.get("/topics?name=AccountCreated")).body["count"] == 1


async def test_a_topic_has_its_subscriptions_along(desk: Office) -> None:
    topic = await desk.topic()
    before = await desk.get(f"/topics/{topic.id}")
    subscription = await desk.subscribed(topic)
    after = await desk.get(f"/topics/{topic.id}", headers={"If-None-Match": before.etag})
    assert after.items == [(await desk.get(f"/subscriptions/{subscription}")).body]
    assert after.etag != before.etag


async def test_all_topics_are_listed_in_pages(desk: Office) -> None:
    for name in ("Green", "Black", "White"):
        await desk.topic(name)
    found = await desk.get("/topics?filter=eq(domain,Kettles)&sortBy=-name&limit=2")
    assert found.body["_profile"] == f"{PROFILES}/notifications/topics/v1.0.0/profile.json"
    assert {name: found.body[name] for name in ("name", "start", "limit", "count")} == {
        "name": "topics",
        "start": 0,
        "limit": 2,
        "count": 3,
    }
    assert [item["name"] for item in found.items] == ["White", "Green"]
    assert "_embedded" not in found.items[0]
    rest = await desk.get(found.href("next"))
    assert [item["name"] for item in rest.items] == ["Black"]
    assert (await desk.get(rest.href("prev"))).ids == found.ids
    assert (await desk.get("/topics?q=gree")).ids == [found.ids[1]]
    assert (await desk.get("/topics?name=Green|Black&sortBy=name")).ids == [*rest.ids, found.ids[1]]
    # The server's own are there as well.
    own = await desk.get("/topics?filter=eq(domain,owncast)")
    assert {item["name"] for item in own.items} == set(TOPICS)


async def test_a_topic_goes_with_its_subscriptions(desk: Office) -> None:
    topic = await desk.topic()
    subscription = await desk.subscribed(topic)
    await desk.publish(topic, 1)
    (notification,) = (await desk.get("/pullNotifications")).ids
    await desk.done("DELETE", f"/topics/{topic.id}", status=204)
    for gone in (f"/topics/{topic.id}", f"/subscriptions/{subscription}", f"/pullNotifications/{notification}"):
        await desk.refused("GET", gone, status=404, kind="resourceNotFound")
    await desk.refused("DELETE", f"/topics/{topic.id}", status=404, kind="resourceNotFound")


async def test_the_servers_own_topics_stay(desk: Office) -> None:
    (chat,) = (await desk.get("/topics?name=CHAT")).ids
    await desk.refused("DELETE", f"/topics/{chat}", status=422, kind="requestInvalid")
    body = {"name": "Another", "domain": "owncast"}
    await desk.refused("POST", "/topics", body, status=422, kind="requestInvalid")
    message = {"body": {}, "_links": {"apiture:topic": {"href": chat}}}
    found = await desk.refused("POST", "/messages", message, status=422, kind="requestInvalid")
    assert "CHAT" in str(found.at("_error/message"))


# Subscriptions.


async def test_a_pull_subscription_is_made_as_the_document_shows_it(desk: Office) -> None:
    topic = (await desk.done("POST", "/topics", TOPIC, status=201)).href("self")
    sent = {
        "deliveryMethod": "pull",
        "deliveryChannel": "SMS",
        "state": "active",
        "endpoint": {"token": TOKEN, "recipientUrl": "http://somedomain.com/an/external/endpoint"},
        "subscriberContent": {"smsNumber": "555-555-5555"},
        "_links": {"apiture:topic": {"href": topic}, "apiture:subscriber": {"href": SUBSCRIBER}},
    }
    made = await desk.done("POST", "/subscriptions", sent, status=201)
    identity = str(made.body["_id"])
    here = f"{desk.origin}/notifications/subscriptions/{identity}"
    assert made.headers["Location"] == here
    assert made.body == {
        **sent,
        "_id": identity,
        "_profile": f"{PROFILES}/notifications/subscription/v1.0.0/profile.json",
        "_links": {
            "self": {"href": here},
            "collection": {"href": f"{desk.origin}/notifications/subscriptions"},
            "apiture:topic": {"href": topic},
            "apiture:subscriber": {"href": SUBSCRIBER},
            "apiture:notifications": {"href": f"{here}/notifications"},
            "apiture:events": {"href": f"{here}/events"},
        },
        "recipientId": made.body["recipientId"],
        "authenticationState": "authenticated",
        "ordered": False,
        "createdAt": "2026-03-04T05:06:07.000Z",
        "updatedAt": "2026-03-04T05:06:07.000Z",
    }
    found = await desk.get(here)
    assert (found.body, found.etag) == (made.body, made.etag)
    assert desk.receiver.asked == []


async def test_an_endpoint_is_asked_before_it_is_pushed_to(desk: Office) -> None:
    topic = await desk.topic()
    made = await desk.done("POST", "/subscriptions", desk.body(topic.id, "push", ordered=True), status=201)
    assert desk.receiver.asked == [f"Bearer {TOKEN}"]
    assert (made.body["state"], made.body["authenticationState"], made.body["ordered"]) == (
        "active",
        "authenticated",
        True,
    )
    endpoint = made.at("endpoint")
    assert isinstance(endpoint, dict)
    assert endpoint.pop("signingSecret").startswith("whsec_")
    assert endpoint == {"recipientUrl": desk.receiver.url, "token": TOKEN}
    shared = f"/subscriptions?filter=eq(recipientId,{made.body['recipientId']})"
    assert (await desk.get(shared)).ids == [made.body["_id"]]
    # The secret is shown once.
    found = await desk.get(f"/subscriptions/{made.body['_id']}")
    assert (found.body["endpoint"], found.etag) == (endpoint, made.etag)


async def test_there_is_no_subscription_without_the_endpoints_consent(desk: Office) -> None:
    topic = await desk.topic()
    desk.receiver.status = 401
    sent = desk.body(topic.id, "push")
    await desk.refused("POST", "/subscriptions", sent, status=422, kind="endpointNotAuthenticated")
    assert (await desk.get("/subscriptions")).body["count"] == 0


async def test_an_endpoint_without_a_token_waits_for_one(desk: Office) -> None:
    topic = await desk.topic()
    endpoint = {"recipientUrl": desk.receiver.url}
    made = await desk.done("POST", "/subscriptions", desk.body(topic.id, "push", endpoint=endpoint), status=201)
    assert (made.body["state"], made.body["authenticationState"]) == ("inactive", "unauthenticated")
    assert desk.receiver.asked == []
    here = f"/subscriptions/{made.body['_id']}"
    activate = f"/activeSubscriptions?subscription={made.body['_id']}"
    await desk.refused("POST", activate, status=422, kind="endpointNotAuthenticated")
    changed = await desk.done("PATCH", here, {"endpoint": {"token": TOKEN}})
    assert changed.at("endpoint/recipientUrl") == desk.receiver.url
    assert changed.body["authenticationState"] == "authenticated"
    assert desk.receiver.asked == [f"Bearer {TOKEN}"]
    assert (await desk.done("POST", activate)).body["state"] == "active"


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"deliveryMethod": "carrier pigeon"}, "fieldInvalid", "carrier pigeon"),
        ({"deliveryMethod": None}, "fieldInvalid", "deliveryMethod"),
        ({"deliveryMethod": "push", "deliveryChannel": "pigeon"}, "requestInvalid", "webhook"),
        ({"deliveryChannel": "x" * 41}, "fieldInvalid", "deliveryChannel"),
        ({"state": "sleepy"}, "fieldInvalid", "sleepy"),
        ({"_links": {"apiture:topic": {"href": NEVER}}}, "fieldMissing", "apiture:subscriber"),
        ({"_links": {"apiture:subscriber": {"href": SUBSCRIBER}}}, "fieldMissing", "apiture:topic"),
        ({"_links": {}}, "requestInvalid", "2 faults"),
        ({"endpoint": {"recipientUrl": 5, "token": {}}}, "requestInvalid", "2 faults"),
        ({"subscriberContent": []}, "fieldInvalid", "subscriberContent"),
    ],
)
async def test_subscriptions_that_cannot_be(desk: Office, change: dict[str, object], kind: str, words: str) -> None:
    topic = await desk.topic()
    found = await desk.refused("POST", "/subscriptions", desk.body(topic.id) | change, status=422, kind=kind)
    assert words in str(found.at("_error/message"))
    assert (await desk.get("/subscriptions")).body["count"] == 0


async def test_nobody_subscribes_to_what_is_not_there(desk: Office) -> None:
    found = await desk.refused("POST", "/subscriptions", desk.body(NEVER), status=422, kind="requestInvalid")
    assert NEVER in str(found.at("_error/message"))


async def test_several_faults_are_told_together(desk: Office) -> None:
    found = await desk.refused(
        "POST", "/subscriptions", {"deliveryMethod": "push", "state": 1}, status=422, kind="requestInvalid"
    )
    nested = found.at("_error/_embedded/errors")
    assert isinstance(nested, list)
    assert [each["_error"]["attributes"] for each in nested] == [
        {"field": "deliveryChannel"},
        {"field": "state"},
        {"field": "_links"},
    ]
    assert {each["_error"]["statusCode"] for each in nested} == {422}
    assert all(each.keys() == {"_profile", "_error"} for each in nested)


async def test_put_replaces_everything(desk: Office) -> None:
    topic, other = await desk.topic("Green"), await desk.topic("Black")
    identity = await desk.subscribed(topic, subscriberContent={"smsNumber": "1"}, ordered=True, state="inactive")
    before = await desk.get(f"/subscriptions/{identity}")
    desk.clock.turn(1.5)
    ignored = {"_id": "x", "createdAt": "2001-01-01T00:00:00Z", "authenticationState": "unauthenticated"}
    sent = desk.body(other.id, deliveryChannel="email") | ignored
    after = await desk.done("PUT", f"/subscriptions/{identity}", sent)
    assert (after.body["_id"], after.body["createdAt"]) == (identity, before.body["createdAt"])
    assert after.body["updatedAt"] == "2026-03-04T05:06:08.500Z"
    assert after.href("apiture:topic").endswith(other.id)
    shown = ("deliveryChannel", "subscriberContent", "ordered", "state", "authenticationState")
    assert [after.body[name] for name in shown] == ["email", {}, False, "active", "authenticated"]
    assert after.etag != before.etag
    assert (await desk.get(f"/subscriptions/{identity}")).body == after.body
    partly = {"deliveryChannel": "SMS"}
    found = await desk.refused("PUT", f"/subscriptions/{identity}", partly, status=422, kind="requestInvalid")
    assert "deliveryMethod" in str(found.at("_error/message"))


async def test_patch_merges(desk: Office) -> None:
    topic = await desk.topic()
    identity = await desk.subscribed(
        topic, "push", subscriberContent={"format": "event", "b": {"c": 2, "d": 3}}, ordered=True
    )
    here = f"/subscriptions/{identity}"
    before = await desk.get(here)
    same = await desk.done("PATCH", here, {})
    assert (same.body, same.etag) == (before.body, before.etag)
    change = {"subscriberContent": {"format": "cloudevents", "b": {"c": None, "e": 4}}, "_id": "y", "color": "red"}
    after = await desk.done("PATCH", here, change)
    assert after.body["subscriberContent"] == {"format": "cloudevents", "b": {"d": 3, "e": 4}}
    kept = ("endpoint", "ordered", "state", "deliveryMethod", "_links", "_id")
    assert [after.body[name] for name in kept] == [before.body[name] for name in kept]
    # Nobody was asked again, for the address is the same.
    assert len(desk.receiver.asked) == 1
    assert (await desk.done("PATCH", here, {"state": "inactive"})).body["state"] == "inactive"
    assert (await desk.done("PATCH", here, {"subscriberContent": None})).body["subscriberContent"] == {}
    await desk.refused("PATCH", here, {"deliveryMethod": None}, status=422, kind="fieldMissing")
    desk.receiver.status = 403
    stranger = await desk.done("PATCH", here, {"state": "active", "endpoint": {"token": "another"}})
    assert (stranger.body["authenticationState"], stranger.body["state"]) == ("unauthenticated", "inactive")


async def test_subscriptions_are_switched_off_and_on(desk: Office) -> None:
    topic = await desk.topic()
    identity = await desk.subscribed(topic)
    uri = f"{desk.origin}/notifications/subscriptions/{identity}"
    off = await desk.done("POST", f"/inactiveSubscriptions?subscription={uri}")
    assert (off.body["state"], off.body["_id"]) == ("inactive", identity)
    assert off.etag == (await desk.get(uri)).etag
    await desk.publish(topic, 1)
    assert (await desk.get("/pullNotifications")).body["count"] == 0
    on = await desk.done("POST", f"/activeSubscriptions?subscription={identity}")
    assert on.body["state"] == "active"
    await desk.publish(topic, 2)
    assert [item["body"] for item in (await desk.get("/pullNotifications")).items] == [{"number": 2}]
    for wrong in ("?subscription=sub_0000000000000000", "?subscription=nobody", ""):
        kind = "referenceInvalid" if wrong else "parameterMissing"
        await desk.refused("POST", f"/activeSubscriptions{wrong}", status=422, kind=kind)


async def test_subscriptions_are_listed(desk: Office) -> None:
    topic = await desk.topic()
    first = await desk.subscribed(topic)
    desk.clock.turn(60)
    second = await desk.subscribed(topic, state="inactive")
    found = await desk.get("/subscriptions")
    assert (found.ids, found.body["count"], found.body["name"]) == ([first, second], 2, "subscriptions")
    assert found.items[0] == (await desk.get(f"/subscriptions/{first}")).body
    assert (await desk.get("/subscriptions?state=inactive")).ids == [second]
    assert (await desk.get("/subscriptions?state=inactive|active&sortBy=-createdAt")).ids == [second, first]
    at = str(found.items[1]["createdAt"])
    assert MOMENT.fullmatch(at)
    assert (await desk.get(f"/subscriptions?createdAt={at}")).ids == [second]
    assert (await desk.get(f"/subscriptions?createdAt={at}&state=active")).ids == []
    await desk.refused("GET", "/subscriptions?state=sleepy", status=400, kind="parameterNotWellFormed")
    await desk.refused("GET", "/subscriptions?createdAt=noon", status=400, kind="parameterNotWellFormed")


async def test_a_subscription_is_deleted_with_what_it_has_got(desk: Office) -> None:
    topic = await desk.topic()
    identity = await desk.subscribed(topic)
    await desk.publish(topic, 1)
    await desk.done("DELETE", f"/subscriptions/{identity}", status=204)
    await desk.refused("GET", f"/subscriptions/{identity}", status=404, kind="resourceNotFound")
    await desk.refused("DELETE", f"/subscriptions/{identity}", status=404, kind="resourceNotFound")
    await desk.refused("GET", f"/subscriptions/{identity}/notifications", status=404, kind="resourceNotFound")
    assert (await desk.get("/pullNotifications")).body["count"] == 0


async def test_a_secret_is_renewed_and_shown_once(desk: Office) -> None:
    topic = await desk.topic()
    made = await desk.done("POST", "/subscriptions", desk.body(topic.id, "push"), status=201)
    here = f"/subscriptions/{made.body['_id']}"
    renewed = await desk.done("POST", f"{here}/secret")
    secret = str(renewed.at("endpoint/signingSecret"))
    assert secret.startswith("whsec_")
    assert secret != made.at("endpoint/signingSecret")
    found = await desk.get(here)
    assert "signingSecret" not in found.at("endpoint")  # type: ignore[operator]
    pulled = await desk.subscribed(topic)
    await desk.refused("POST", f"/subscriptions/{pulled}/secret", status=422, kind="requestInvalid")


async def test_a_test_is_sent_at_once(desk: Office) -> None:
    topic = await desk.topic()
    identity = await desk.subscribed(topic, "push")
    told = await desk.done("POST", f"/subscriptions/{identity}/test")
    assert (told.body["status"], told.body["error"], told.body["milliseconds"]) == (204, "", 0)
    headers, body = await desk.receiver.next()
    assert b'"TEST"' in body
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    desk.receiver.status = 500
    told = await desk.done("POST", f"/subscriptions/{identity}/test")
    assert (told.body["status"], told.body["answer"]) == (500, "said the endpoint")
    assert "500" in str(told.body["error"])
    pulled = await desk.subscribed(topic)
    await desk.refused("POST", f"/subscriptions/{pulled}/test", status=422, kind="requestInvalid")
