"""What all of the delivery API has in common: links, media types, entity tags, references, refusals, the way in."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from apiture_wire import Office, office
from structlog.testing import capture_logs

from owncast_py.errors import StorageError
from owncast_py.notifications.errors import QueueFull

NOBODY = "sub_0000000000000000"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as opened:
        yield opened


# The way in.


@pytest.mark.parametrize("path", ["", "/"])
async def test_the_root_leads_everywhere(desk: Office, path: str) -> None:
    root = await desk.get(path)
    assert root.body["_profile"] == "https://api.apiture.com/schemas/common/root/v1.0.0/profile.json"
    assert (root.body["_id"], root.body["apiVersion"]) == ("notifications", "0.4.1")
    links = root.body["_links"]
    assert isinstance(links, dict)
    assert links.pop("apiture:subscriber") == {"href": "urn:owncast:user:admin"}
    assert links.pop("self") == {"href": f"{desk.origin}/notifications/"}
    for relation, link in links.items():
        assert link == {"href": f"{desk.origin}/notifications/{relation.removeprefix('apiture:')}"}
        answer = await desk.ask("GET", link["href"])
        # What is only posted to says so.
        assert answer.status == 200 or "POST" in answer.headers["Allow"], relation
    assert len(links) == 11


async def test_links_are_right_behind_a_proxy(tmp_path: Path) -> None:
    forwarded = {"X-Forwarded-Proto": "https", "Host": "live.example"}
    async with office(tmp_path, trusted="127.0.0.0/8") as desk:
        topic = await desk.topic()
        found = await desk.get(f"/topics/{topic.id}", headers=forwarded)
        assert found.href("self") == f"https://live.example/notifications/topics/{topic.id}"
        page = await desk.get("/topics?limit=1", headers=forwarded)
        assert page.href("next").startswith("https://live.example/notifications/topics?")
        body = desk.body(found.href("self"))
        made = await desk.done("POST", "/subscriptions", body, status=201, headers=forwarded)
        assert made.headers["Location"].startswith("https://live.example/")
        await desk.refused("POST", "/subscriptions", body, status=422, kind="referenceInvalid")


async def test_a_strangers_proxy_changes_nothing(desk: Office) -> None:
    found = await desk.get("/", headers={"X-Forwarded-Proto": "https"})
    assert found.href("self") == f"{desk.origin}/notifications/"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/hal+json", "application/hal+json"),
        ("text/html, Application/HAL+JSON;q=0.9", "application/hal+json"),
    ],
)
async def test_the_media_type_is_as_it_was_asked_for(desk: Office, accept: str, expected: str) -> None:
    headers = {"Accept": accept}
    found = await desk.get("/topics", headers=headers)
    assert (found.headers["Content-Type"], found.headers["Vary"]) == (expected, "Accept")
    missing = await desk.refused("GET", "/topics/x", status=404, kind="resourceNotFound", headers=headers)
    assert missing.headers["Content-Type"] == expected
    nowhere = await desk.refused("GET", "/teapots", status=404, kind="resourceNotFound", headers=headers)
    assert nowhere.headers["Content-Type"] == expected


# Refusals.


async def test_a_refusal_says_what_and_when_and_what_to_do(desk: Office) -> None:
    first = await desk.refused("GET", "/topics/x", status=404, kind="resourceNotFound")
    error = first.body["_error"]
    assert isinstance(error, dict)
    assert error == {
        "_id": error["_id"],
        "_profile": "https://api.apiture.com/schemas/common/errorResponse/v1.0.0/profile.json",
        "message": "There is no topic with the id 'x'.",
        "statusCode": 404,
        "type": "resourceNotFound",
        "attributes": {},
        "remediation": "Look for it in its collection.",
        "occurredAt": "2026-03-04T05:06:07.000Z",
        "_links": {"describedby": {"href": f"{desk.origin}/api/docs#ErrorView"}},
        "_embedded": {"errors": []},
    }
    assert uuid.UUID(error["_id"]).version == 4
    again = await desk.refused("GET", "/topics/x", status=404, kind="resourceNotFound")
    assert again.at("_error/_id") != error["_id"]
    async with desk.session.get(f"{desk.origin}/api/docs") as page:
        assert '<details id="ErrorView">' in await page.text()


async def test_what_no_operation_answers_is_refused_alike(desk: Office) -> None:
    await desk.refused("GET", "/teapots", status=404, kind="resourceNotFound", key="")
    found = await desk.refused("PATCH", "/topics", status=405, kind="methodNotAllowed", key="")
    assert set(found.headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}
    large = b'{"name":"' + b"x" * 70_000 + b'"}'
    await desk.refused("POST", "/topics", large, status=413, kind="payloadTooLarge")
    # Others keep their own way.
    async with desk.session.get(f"{desk.origin}/notification") as other:
        assert (other.status, other.content_type) == (404, "text/plain")


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (RuntimeError("a secret"), 500, "internalError"),
        (StorageError("The database refused: database or disk is full."), 507, "storageFull"),
        (StorageError("The database is closed; the server is stopping."), 503, "storageUnavailable"),
        (QueueFull("There is no room."), 507, "queueFull"),
    ],
)
async def test_the_servers_own_faults_are_logged_with_their_id(
    desk: Office, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, kind: str
) -> None:
    topic = await desk.topic()

    async def publish(*_arguments: object) -> str:
        raise error

    monkeypatch.setattr(desk.notifications, "publish", publish)
    message = {"body": {}, "_links": {"apiture:topic": {"href": topic.id}}}
    with capture_logs() as logs:
        found = await desk.refused("POST", "/messages", message, status=status, kind=kind)
    (entry,) = [entry for entry in logs if entry["event"] == "request failed"]
    assert entry["error_id"] == found.at("_error/_id")
    assert "a secret" not in json.dumps(found.body)


# Entity tags.


async def test_tags_are_strong_and_the_same_for_everybody(desk: Office) -> None:
    topic = await desk.topic()
    identity = await desk.subscribed(topic, "push")
    reader, _ = await desk.token("data/read")
    here = f"/subscriptions/{identity}"
    tag = (await desk.get(here)).etag
    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    assert (await desk.get(here, key=reader, headers={"Accept": "application/hal+json"})).etag == tag
    # What comes and goes by itself is not part of it.
    await desk.publish(topic, 1)
    await desk.lying("/receivedNotifications", 1)
    assert (await desk.get(here)).etag == tag


async def test_what_is_known_already_is_not_sent_again(desk: Office) -> None:
    topic = await desk.topic()
    for here in (f"/topics/{topic.id}", f"/subscriptions/{await desk.subscribed(topic)}"):
        tag = (await desk.get(here)).etag
        for known in (tag, f"W/{tag}", f'"a", {tag}', "*"):
            found = await desk.done("GET", here, status=304, headers={"If-None-Match": known})
            assert (found.etag, found.body) == (tag, {})
        for unknown in ('"a"', tag.strip('"'), ""):
            assert (await desk.get(here, headers={"If-None-Match": unknown})).body["_id"]


async def test_changes_are_made_to_what_was_seen(desk: Office) -> None:
    topic = await desk.topic()
    here = f"/subscriptions/{await desk.subscribed(topic)}"
    tag = (await desk.get(here)).etag
    body = desk.body(topic.id, deliveryChannel="email")
    changes: list[tuple[str, str, object]] = [
        ("PUT", here, body),
        ("PATCH", here, {"ordered": True}),
        ("DELETE", here, None),
        ("DELETE", f"/topics/{topic.id}", None),
        ("POST", f"/inactiveSubscriptions?subscription={here.rpartition('/')[2]}", None),
    ]
    for stale in ('"x"', f"W/{tag}", "nonsense", '"x", "y"'):
        for method, path, sent in changes:
            headers = {"If-Match": stale}
            await desk.refused(method, path, sent, status=412, kind="resourceChanged", headers=headers)
    assert (await desk.get(here)).etag == tag
    after = await desk.done("PUT", here, body, headers={"If-Match": f'"x", {tag}'})
    assert (await desk.get(here)).etag == after.etag != tag
    await desk.refused("PATCH", here, {}, status=412, kind="resourceChanged", headers={"If-Match": tag})
    await desk.done("PATCH", here, {"ordered": True}, headers={"If-Match": "*"})
    await desk.refused("DELETE", "/subscriptions/x", status=404, kind="resourceNotFound", headers={"If-Match": "*"})
    await desk.done("DELETE", here, status=204, headers={"If-Match": (await desk.get(here)).etag})


async def test_of_two_who_have_seen_the_same_one_wins(desk: Office) -> None:
    topic = await desk.topic()
    here = f"/subscriptions/{await desk.subscribed(topic)}"
    headers = {"If-Match": (await desk.get(here)).etag}
    answers = await asyncio.gather(
        *(desk.ask("PATCH", here, {"deliveryChannel": f"c{number}"}, headers=headers) for number in range(5))
    )
    assert sorted(answer.status for answer in answers) == [200, 412, 412, 412, 412]
    (won,) = [answer for answer in answers if answer.status == 200]
    assert (await desk.get(here)).body == won.body


# References.


async def test_ids_and_uris_mean_the_same(desk: Office) -> None:
    topic = await desk.topic()
    identity = await desk.subscribed(topic)
    encoded = identity.replace("_", "%5F")
    for reference in (
        identity,
        f"{desk.origin}/notifications/subscriptions/{identity}",
        f"{desk.origin.upper()}/notifications/subscriptions/{identity}",
        f"/notifications/subscriptions/{identity}",
        f"/notifications/subscriptions/{encoded}",
    ):
        for query in (reference, quote(reference, safe="")):
            found = await desk.done("POST", f"/activeSubscriptions?subscription={query}")
            assert found.body["_id"] == identity


@pytest.mark.parametrize(
    "reference",
    [
        "x",
        "sub_",
        "SUB_0000000000000000",
        "top_0000000000000000",
        "https://elsewhere.example/notifications/subscriptions/{id}",
        "//elsewhere.example/notifications/subscriptions/{id}",
        "ftp://{host}/notifications/subscriptions/{id}",
        "/notifications/topics/{id}",
        "/subscriptions/{id}",
        "/notifications/subscriptions/{id}/notifications",
        "/notifications/subscriptions/{id}?x=1",
        "/notifications/subscriptions/{id}%23x",
        "/notifications/subscriptions/",
        "https://[/notifications/subscriptions/{id}",
        "{id}/",
        "\x00",
    ],
)
async def test_references_that_lead_nowhere(desk: Office, reference: str) -> None:
    identity = await desk.subscribed(await desk.topic())
    text = reference.format(id=identity, host=desk.origin.removeprefix("http://"))
    path = f"/activeSubscriptions?subscription={quote(text, safe='')}"
    found = await desk.refused("POST", path, status=422, kind="referenceInvalid")
    assert "/notifications/subscriptions/{id}" in str(found.at("_error/message"))


async def test_references_are_few(desk: Office) -> None:
    many = "|".join([NOBODY] * 101)
    await desk.refused("GET", f"/pullNotifications?subscription={many}", status=422, kind="parameterInvalid")
    found = await desk.refused("GET", f"/topics?filter={'x' * 4_001}", status=422, kind="parameterInvalid")
    assert "4000" in str(found.at("_error/message"))


async def test_unknown_parameters_are_ignored(desk: Office) -> None:
    assert (await desk.get("/subscriptions?colour=red&limit=5")).body["limit"] == 5
