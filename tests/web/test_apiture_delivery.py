"""The delivery API's messages and notifications: on their way, waiting, received, and given up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from apiture_wire import PATIENCE, TOKEN, Answer, Office, office
from standardwebhooks import Webhook

from owncast_py.notifications import shelves
from owncast_py.notifications.model import Topic

PROFILES = "https://api.apiture.com/schemas"
ENTITY = "https://api.example/accounts/account/1"
COLLECTIONS = ("pullNotifications", "deliveryQueue", "failedNotifications", "receivedNotifications")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as opened:
        yield opened


def message(topic_id: str, body: object, entity: str = "") -> dict[str, object]:
    about = {"apiture:entity": {"href": entity}} if entity else {}
    return {"body": body, "_links": {"apiture:topic": {"href": topic_id}} | about}


async def failed(desk: Office, topic: Topic, number: int) -> tuple[str, Answer]:
    """A subscription whose endpoint said that it is gone, and what lies in /failedNotifications then."""
    subscription = await desk.subscribed(topic, "push")
    desk.receiver.status = 410
    await desk.publish(topic, *range(number))
    found = await desk.lying(f"/failedNotifications?subscription={subscription}", number)
    async with asyncio.timeout(PATIENCE):
        while (await desk.get(f"/subscriptions/{subscription}")).body["state"] == "active":
            await asyncio.sleep(0)
    desk.receiver.status = 204
    while not desk.receiver.heard.empty():
        desk.receiver.heard.get_nowait()
    return subscription, found


# Messages.


async def test_a_message_is_taken_and_reaches_push_and_pull(desk: Office) -> None:
    topic = await desk.topic()
    pushed = await desk.done("POST", "/subscriptions", desk.body(topic.id, "push"), status=201)
    pulled = await desk.subscribed(topic)
    here = f"{desk.origin}/notifications/topics/{topic.id}"
    body = {"any": "valid", "json": ["object", {"ünïcode": None}]}
    taken = await desk.done("POST", "/messages", message(here, body, ENTITY), status=202)
    assert str(taken.body["_id"]).startswith("msg_")
    assert taken.body["_links"] == {"apiture:topic": {"href": here}, "apiture:entity": {"href": ENTITY}}
    headers, octets = await desk.receiver.next()
    assert json.loads(octets) == body
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    # Signed with the secret that was shown when the subscription was made.
    receipt = (await desk.lying(f"/receivedNotifications?subscription={pushed.body['_id']}", 1)).items[0]
    assert headers["webhook-id"] == receipt["_id"]
    # The receiver's own parser looks at the real clock, which stands elsewhere: it is asked to sign instead.
    signed = Webhook(str(pushed.at("endpoint/signingSecret")))
    expected = signed.sign(str(receipt["_id"]), desk.clock.now(), octets.decode())
    assert headers["webhook-signature"] == expected
    waiting = (await desk.get(f"/pullNotifications?subscription={pulled}")).items[0]
    assert (waiting["body"], waiting["state"], receipt["body"]) == (body, "pending", body)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"{", 400, "bodyNotWellFormed"),
        (b"[]", 400, "bodyNotWellFormed"),
        (b'"x"', 400, "bodyNotWellFormed"),
        (b"\xff", 400, "bodyNotWellFormed"),
        (b"", 422, "requestInvalid"),
        ({"body": {}}, 422, "fieldMissing"),
        ({"body": {}, "_links": {}}, 422, "fieldMissing"),
        (message("top_0000000000000000", {}), 422, "referenceInvalid"),
        (message("https://elsewhere.example/notifications/topics/top_0000000000000000", {}), 422, "referenceInvalid"),
    ],
)
async def test_messages_that_cannot_be(desk: Office, body: object, status: int, kind: str) -> None:
    await desk.refused("POST", "/messages", body, status=status, kind=kind)


@pytest.mark.parametrize("body", [[], "x", 1, None])
async def test_a_messages_body_is_an_object(desk: Office, body: object) -> None:
    topic = await desk.topic()
    found = await desk.refused("POST", "/messages", message(topic.id, body), status=422, kind="fieldInvalid")
    assert found.at("_error/attributes/field") == "body"


async def test_messages_have_256_kilobytes_and_no_more(desk: Office) -> None:
    topic = await desk.topic()
    pulled = await desk.subscribed(topic)
    empty = len(json.dumps(message(topic.id, {"a": ""})))
    longest = json.dumps(message(topic.id, {"a": "x" * (256 * 1024 - empty)})).encode()
    assert len(longest) == 256 * 1024
    await desk.done("POST", "/messages", longest, status=202)
    await desk.refused("POST", "/messages", longest + b" ", status=413, kind="payloadTooLarge")
    assert (await desk.get(f"/subscriptions/{pulled}/notifications?limit=1")).body["count"] == 1


async def test_what_is_nested_too_deeply_is_refused(desk: Office) -> None:
    topic = await desk.topic()
    body = b'{"a":' * 400 + b"1" + b"}" * 400
    sent = b'{"_links":{"apiture:topic":{"href":"%b"}},"body":%b}' % (topic.id.encode(), body)
    await desk.refused("POST", "/messages", sent, status=422, kind="fieldInvalid")


# Pull.


async def test_a_notification_that_waits_to_be_pulled(desk: Office) -> None:
    topic = await desk.topic()
    subscription = await desk.subscribed(topic)
    await desk.publish(topic, 7, entity=ENTITY)
    listed = await desk.get("/pullNotifications")
    base = f"{desk.origin}/notifications"
    identity = listed.ids[0]
    here = f"{base}/pullNotifications/{identity}"
    summary = {
        "_id": identity,
        "_profile": f"{PROFILES}/notifications/notification/v1.0.0/profile.json",
        "_links": {
            "self": {"href": here},
            "collection": {"href": f"{base}/pullNotifications"},
            "apiture:topic": {"href": f"{base}/topics/{topic.id}"},
            "apiture:subscription": {"href": f"{base}/subscriptions/{subscription}"},
            "apiture:entity": {"href": ENTITY},
            "apiture:acknowledge": {"href": f"{base}/receivedNotifications?notification={here}"},
        },
        "state": "pending",
        "body": {"number": 7},
        "deliveryMethod": "pull",
        "deliveryChannel": "SMS",
        "publishedAt": "2026-03-04T05:06:07.000Z",
        "createdAt": "2026-03-04T05:06:07.000Z",
        "updatedAt": "2026-03-04T05:06:07.000Z",
    }
    assert listed.items == [summary]
    found = await desk.get(here)
    assert found.body == {**summary, "_embedded": {"attempts": []}}
    unchanged = await desk.done("GET", here, status=304, headers={"If-None-Match": f'"x", W/{found.etag}'})
    assert (unchanged.etag, unchanged.body) == (found.etag, {})


async def test_what_is_pulled_stays_until_it_is_acknowledged(desk: Office) -> None:
    topic = await desk.topic()
    await desk.subscribed(topic)
    await desk.publish(topic, 1, 2)
    first, second = (await desk.get("/pullNotifications")).items
    assert (await desk.get("/pullNotifications")).body["count"] == 2
    desk.clock.turn(2)
    address = first["_links"]["apiture:acknowledge"]["href"]  # type: ignore[index]
    done = await desk.done("POST", address)
    assert (done.body["state"], done.body["_id"]) == ("received", first["_id"])
    assert done.body["updatedAt"] == "2026-03-04T05:06:09.000Z"
    assert "apiture:acknowledge" not in done.at("_links")  # type: ignore[operator]
    assert (await desk.get("/pullNotifications")).ids == [second["_id"]]
    assert (await desk.get("/receivedNotifications")).ids == [first["_id"]]
    found = await desk.get(f"/receivedNotifications/{first['_id']}")
    assert (found.body, found.etag) == (done.body, done.etag)
    # Again is fine, by id as well.
    again = await desk.done("POST", f"/receivedNotifications?notification={first['_id']}")
    assert again.body == done.body
    moved = await desk.refused("GET", f"/pullNotifications/{first['_id']}", status=404, kind="resourceNotFound")
    assert moved.at("_error/attributes/location") == done.href("self")


async def test_all_up_to_one_are_acknowledged_at_once(desk: Office) -> None:
    topic = await desk.topic()
    subscription, other = await desk.subscribed(topic), await desk.subscribed(topic)
    await desk.publish(topic, 1, 2, 3)
    ids = (await desk.get(f"/pullNotifications?subscription={subscription}")).ids
    done = await desk.done("POST", f"/receivedNotifications?subscription={subscription}&through={ids[1]}")
    assert done.body["acknowledged"] == 2
    assert (await desk.get(f"/pullNotifications?subscription={subscription}")).ids == ids[2:]
    assert (await desk.get(f"/pullNotifications?subscription={other}")).body["count"] == 3
    for query in ("", f"?through={ids[0]}", f"?subscription={subscription}"):
        await desk.refused("POST", f"/receivedNotifications{query}", status=422, kind="parameterMissing")
    nobody = "ntf_0000000000000000"
    for query in (f"?notification={nobody}", "?notification=x", f"?notification={desk.origin}/elsewhere/{ids[0]}"):
        await desk.refused("POST", f"/receivedNotifications{query}", status=422, kind="referenceInvalid")


async def test_pages_stay_right_while_notifications_arrive(desk: Office) -> None:
    topic = await desk.topic()
    await desk.subscribed(topic)
    await desk.publish(topic, *range(5))
    page = await desk.get("/pullNotifications?limit=2&sortBy=-createdAt,-id&q=sms")
    assert page.body["_profile"] == f"{PROFILES}/notifications/notifications/v1.0.0/profile.json"
    assert (page.body["count"], page.body["name"]) == (5, "notifications")
    assert page.body["_links"].keys() == {"self", "collection", "first", "next", "last"}  # type: ignore[attr-defined]
    await desk.publish(topic, 5, 6)
    seen = [item["body"]["number"] for item in page.items]  # type: ignore[index]
    while "next" in page.body["_links"]:  # type: ignore[operator]
        page = await desk.get(page.href("next"))
        assert page.body["count"] == 5
        assert "q=sms" in page.href("self")
        seen += [item["body"]["number"] for item in page.items]  # type: ignore[index]
    assert seen == [4, 3, 2, 1, 0]
    assert page.href("last") == page.href("self")
    assert (await desk.get(page.href("first"))).body["start"] == 0
    assert (await desk.get("/pullNotifications")).body["count"] == 7


async def test_a_request_waits_for_what_comes(desk: Office) -> None:
    topic = await desk.topic()
    subscription, other = await desk.subscribed(topic), await desk.topic("Other")
    await desk.subscribed(other)
    asking = asyncio.create_task(desk.get(f"/pullNotifications?subscription={subscription}&wait=30"))
    listeners = desk.notifications.shelves._listeners
    async with asyncio.timeout(PATIENCE):
        while not listeners:
            await asyncio.sleep(0)
    await desk.publish(other, 1)
    assert not asking.done()
    await desk.publish(topic, 2)
    async with asyncio.timeout(PATIENCE):
        found = await asking
    assert [item["body"] for item in found.items] == [{"number": 2}]
    assert listeners == set()
    # What is there is not waited for, and nothing comes in no time.
    assert (await desk.get("/pullNotifications?wait=30")).body["count"] == 2
    assert (await desk.get("/deliveryQueue?wait=30")).body["count"] == 0
    assert (await desk.get("/pullNotifications?wait=0.01&filter=eq(tries,9)")).body["count"] == 0


async def test_not_too_many_wait(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "MAX_LISTENERS", 0)
    topic = await desk.topic()
    await desk.subscribed(topic)
    found = await desk.refused("GET", "/pullNotifications?wait=5", status=503, kind="serverBusy")
    assert found.headers["Retry-After"] == "10"
    await desk.publish(topic, 1)
    assert (await desk.get("/pullNotifications?wait=5")).body["count"] == 1
    await desk.refused("GET", "/pullNotifications?wait=31", status=422, kind="parameterInvalid")
    await desk.refused("GET", "/pullNotifications?wait=nan", status=422, kind="parameterInvalid")


async def test_whoever_waits_is_answered_when_the_server_ends(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        asking = asyncio.create_task(desk.get("/pullNotifications?wait=30"))
        async with asyncio.timeout(PATIENCE):
            while not desk.notifications.shelves._listeners:
                await asyncio.sleep(0)
            await desk.application.shutdown()
            assert (await asking).body["count"] == 0


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_each_collection_answers_alike(desk: Office, collection: str) -> None:
    topic = await desk.topic()
    found = await desk.get(f"/{collection}?topic={topic.id}&start=3&limit=10")
    base = f"{desk.origin}/notifications/{collection}"
    assert found.body["_links"]["collection"] == {"href": base}  # type: ignore[index]
    assert (found.body["count"], found.body["start"], found.body["limit"], found.items) == (0, 3, 10, [])
    absent = f"/{collection}/ntf_0000000000000000"
    await desk.refused("GET", absent, status=404, kind="resourceNotFound")
    if collection != "receivedNotifications":
        await desk.refused("DELETE", absent, status=404, kind="resourceNotFound")
    await desk.refused("GET", f"/{collection}?limit=0", status=422, kind="parameterInvalid")
    await desk.refused("GET", f"/{collection}?limit=1001", status=422, kind="parameterInvalid")
    await desk.refused("GET", f"/{collection}?start=-1", status=422, kind="parameterInvalid")
    await desk.refused("GET", f"/{collection}?limit=many", status=400, kind="parameterNotWellFormed")
    await desk.refused("GET", f"/{collection}?sortBy=height", status=400, kind="parameterNotWellFormed")
    await desk.refused("GET", f"/{collection}?subscription=top_0000000000000000", status=422, kind="referenceInvalid")
    wrong = await desk.refused("GET", f"/{collection}?filter=eq(state,)", status=400, kind="filterNotWellFormed")
    assert wrong.at("_error/attributes") == {"position": 9}


async def test_notifications_are_found_by_what_they_belong_to(desk: Office) -> None:
    green, black = await desk.topic("Green"), await desk.topic("Black")
    one, two, three = await desk.subscribed(green), await desk.subscribed(green), await desk.subscribed(black)
    await desk.publish(green, 1)
    await desk.publish(black, 2)

    async def numbers(query: str) -> list[tuple[object, str]]:
        found = await desk.get(query)
        assert found.body["count"] == len(found.items)
        return [
            (item["body"]["number"], item["_links"]["apiture:subscription"]["href"].rpartition("/")[2])  # type: ignore[index]
            for item in found.items
        ]

    everything = [(1, one), (1, two), (2, three)]
    base = f"{desk.origin}/notifications"
    assert await numbers("/pullNotifications") == everything
    assert await numbers(f"/pullNotifications?topic={green.id}") == everything[:2]
    assert await numbers(f"/pullNotifications?topic={base}/topics/{black.id}") == everything[2:]
    assert await numbers(f"/pullNotifications?topic={black.id}|{green.id}") == everything
    assert await numbers(f"/pullNotifications?subscription={one}|/notifications/subscriptions/{three}") == [
        everything[0],
        everything[2],
    ]
    assert await numbers(f"/pullNotifications?subscriptionUri={base}/subscriptions/{two}") == everything[1:2]
    assert await numbers(f"/pullNotifications?topic={black.id}&subscription={one}") == []
    assert await numbers("/pullNotifications?state=pending&filter=eq(deliveryChannel,SMS)") == everything
    assert await numbers("/pullNotifications?state=received") == []
    assert await numbers("/pullNotifications?createdAt=2026-03-04T05:06:07.000Z|2001-01-01T00:00:00Z") == everything
    assert await numbers(f"/subscriptions/{one}/notifications") == everything[:1]
    assert await numbers(f"/subscriptions/{one}/notifications?topic={black.id}") == []
    assert await numbers(f"/topics/{green.id}/notifications?subscription={two}") == everything[1:2]


async def test_a_topics_notifications_tell_how_they_are_delivered(desk: Office) -> None:
    topic = await desk.topic()
    await desk.subscribed(topic)
    pushed = await desk.subscribed(topic, "push")
    await desk.publish(topic, 1)
    await desk.lying(f"/receivedNotifications?subscription={pushed}", 1)
    found = await desk.get(f"/topics/{topic.id}/notifications?sortBy=deliveryMethod")
    assert found.body["_profile"] == f"{PROFILES}/notifications/topicNotifications/v1.0.0/profile.json"
    shown = [(item["deliveryMethod"], item["deliveryChannel"], item["state"]) for item in found.items]
    assert shown == [("pull", "SMS", "pending"), ("push", "webhook", "received")]
    await desk.refused("GET", "/topics/top_0000000000000000/notifications", status=404, kind="resourceNotFound")


async def test_a_notification_is_deleted_as_it_was_seen(desk: Office) -> None:
    topic = await desk.topic()
    await desk.subscribed(topic)
    await desk.publish(topic, 1, 2)
    first, second = (await desk.get("/pullNotifications")).ids
    here = f"/pullNotifications/{first}"
    tag = (await desk.get(here)).etag
    for stale in ('"x"', f"W/{tag}", "nonsense"):
        found = await desk.refused("DELETE", here, status=412, kind="resourceChanged", headers={"If-Match": stale})
        assert found.at("_error/attributes/etag") == tag
    await desk.refused("DELETE", f"/deliveryQueue/{first}", status=404, kind="resourceNotFound")
    await desk.done("DELETE", here, status=204, headers={"If-Match": f'"x", {tag}'})
    await desk.done("DELETE", f"/pullNotifications/{second}", status=204, headers={"If-Match": "*"})
    assert (await desk.get("/pullNotifications")).body["count"] == 0


# Push.


async def test_what_cannot_be_pushed_waits_in_the_queue(desk: Office) -> None:
    topic = await desk.topic()
    subscription = await desk.subscribed(topic, "push")
    desk.receiver.status = 500
    await desk.publish(topic, 1)
    async with asyncio.timeout(PATIENCE):
        identity = (await desk.lying("/deliveryQueue", 1)).ids[0]
        while not (found := await desk.get(f"/deliveryQueue/{identity}")).at("_embedded/attempts"):
            await asyncio.sleep(0)
    assert found.body["state"] == "pending"
    attempts = found.at("_embedded/attempts")
    assert isinstance(attempts, list)
    (attempt,) = attempts
    assert (attempt["status"], attempt["answer"], attempt["milliseconds"]) == (500, "said the endpoint", 0)
    assert attempt["attemptedAt"] == "2026-03-04T05:06:07.000Z"
    assert "500" in attempt["error"]
    assert "errors" not in found.at("_embedded")  # type: ignore[operator]
    # The second try is five seconds and some chance later.
    assert "2026-03-04T05:06:12.000Z" <= str(found.at("nextAttemptAt")) < "2026-03-04T05:06:12.501Z"
    for relation in ("apiture:topic", "apiture:subscription", "self", "collection"):
        assert found.href(relation).startswith(f"{desk.origin}/notifications/")
    await desk.refused("POST", f"/receivedNotifications?notification={identity}", status=422, kind="requestInvalid")
    # What an endpoint answers, its subscriber sees alone.
    reader, _ = await desk.token("data/read")
    seen = await desk.get(f"/deliveryQueue/{identity}", key=reader)
    assert (seen.at("_embedded/attempts/0/status"), seen.at("_embedded/attempts/0/answer")) == (500, "")
    await desk.subscribed(await desk.topic("Other"), endpoint={"recipientUrl": "http://["})
    lanes = await desk.get("/lanes")
    lane, pulled = lanes.items
    assert (pulled["deliveryMethod"], pulled["host"], pulled["pending"]) == ("pull", "", 0)
    assert (lane["pending"], lane["failed"], lane["host"]) == (1, 0, "127.0.0.1")
    assert lane["state"] != "well"
    assert "500" in str(lane["error"])
    assert "external" not in json.dumps(lanes.body)
    await desk.done("DELETE", f"/deliveryQueue/{identity}", status=204)
    assert (await desk.get(f"/subscriptions/{subscription}/notifications")).body["count"] == 0


async def test_dead_letters_tell_why(desk: Office) -> None:
    topic = await desk.topic()
    subscription, found = await failed(desk, topic, 1)
    (letter,) = found.items
    assert (letter["state"], letter["body"]) == ("failed", {"number": 0})
    one = await desk.get(f"/failedNotifications/{letter['_id']}")
    errors = one.at("_embedded/errors")
    assert isinstance(errors, list)
    assert errors[0]["_error"]["statusCode"] == 410
    assert errors[0]["_error"]["type"] == "deliveryFailed"
    assert errors[0]["_error"]["occurredAt"] == "2026-03-04T05:06:07.000Z"
    assert (await desk.get(f"/subscriptions/{subscription}")).body["state"] == "inactive"
    await desk.done("DELETE", f"/failedNotifications/{letter['_id']}", status=204)
    assert (await desk.get("/failedNotifications")).body["count"] == 0


async def test_dead_letters_are_delivered_again(desk: Office) -> None:
    topic = await desk.topic()
    subscription, found = await failed(desk, topic, 3)
    await desk.done("POST", f"/activeSubscriptions?subscription={subscription}")
    again = await desk.done("POST", f"/deliveryQueue?notification={found.ids[0]}", status=202)
    assert again.body["queued"] == 1
    headers, body = await desk.receiver.next()
    assert (headers["webhook-id"], json.loads(body)) == (found.ids[0], found.items[0]["body"])
    await desk.lying("/failedNotifications", 2)
    later = await desk.done("POST", f"/deliveryQueue?subscription={subscription}&since=2030-01-01", status=202)
    assert later.body["queued"] == 0
    rest = await desk.done("POST", f"/deliveryQueue?subscription={subscription}&since=2026-01-01", status=202)
    assert rest.body["queued"] == 2
    heard = {(await desk.receiver.next())[0]["webhook-id"] for _ in range(2)}
    assert heard == set(found.ids[1:])
    assert (await desk.lying("/receivedNotifications", 3)).body["count"] == 3
    assert (await desk.done("POST", "/deliveryQueue?all=true", status=202)).body["queued"] == 0
    for query in ("", "?all=false", f"?all=true&subscription={subscription}"):
        await desk.refused("POST", f"/deliveryQueue{query}", status=422, kind="parameterMissing")
    since = f"/deliveryQueue?subscription={subscription}&since=noon"
    await desk.refused("POST", since, status=400, kind="parameterNotWellFormed")


async def test_dead_letters_are_cleared(desk: Office) -> None:
    topic = await desk.topic()
    subscription, _ = await failed(desk, topic, 2)
    other, _ = await failed(desk, await desk.topic("Other"), 1)
    await desk.refused("DELETE", "/failedNotifications", status=422, kind="parameterMissing")
    assert (await desk.done("DELETE", f"/failedNotifications?subscription={subscription}")).body["deleted"] == 2
    assert (await desk.get("/failedNotifications")).body["count"] == 1
    assert (await desk.done("DELETE", "/failedNotifications?all=true")).body["deleted"] == 1
    assert (await desk.get(f"/subscriptions/{other}/notifications")).body["count"] == 0
