"""The webhook channel: headers that receivers' own libraries verify, CloudEvents, and the handshake."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.v1.event import CloudEvent
from hypothesis import example, given, settings
from hypothesis import strategies as st
from parcels import AT, PARCEL, endpoint, started
from receiver import Manner, Receiver, Request, answering, now, posting, receiving, resetting
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from owncast_py.notifications import cloud_events
from owncast_py.notifications.channels.posting import Poster
from owncast_py.notifications.channels.webhook import Webhook
from owncast_py.notifications.errors import NotificationError, TargetRefused
from owncast_py.notifications.model import MAX_TOKEN, Endpoint, Topic
from owncast_py.notifications.signing import new_secret

ORIGIN = "tea.example"
SECRET = new_secret()
FORMER = new_secret()


def webhook(poster: Poster, *, allow_private: bool = True) -> Webhook:
    return Webhook(poster, now, lambda: ORIGIN, allow_private=allow_private)


def by_method(options: Manner, post: Manner) -> Manner:
    async def manner(request: Request, writer: asyncio.StreamWriter) -> None:
        await (options if request.method == "OPTIONS" else post)(request, writer)

    return manner


async def greeted(receiver: Receiver, **values: object) -> str:
    async with posting() as poster:
        return await webhook(poster).greet(endpoint("webhook", receiver.url, **values))


async def test_an_event_comes_as_it_is_with_its_id() -> None:
    async with receiving(answering(200, b"thanks")) as receiver, posting() as poster:
        outcome = await webhook(poster).deliver(endpoint("webhook", receiver.url), PARCEL)
    (request,) = receiver.requests
    assert (outcome.received, outcome.status, outcome.answer, outcome.error) == (True, 200, "thanks", "")
    assert request.method == "POST"
    assert request.body == PARCEL.body
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "test/1"
    assert request.headers["webhook-id"] == PARCEL.notification_id
    assert abs(int(request.headers["webhook-timestamp"]) - now().timestamp()) < 60
    assert request.headers.keys().isdisjoint({"webhook-signature", "authorization", "origin"})


async def test_a_receiver_verifies_the_signature_and_finds_the_token() -> None:
    async with receiving() as receiver, posting() as poster:
        await webhook(poster).deliver(endpoint("webhook", receiver.url, secret=SECRET, token="t0k/en="), PARCEL)
    (request,) = receiver.requests
    assert Verifier(SECRET).verify(request.body, dict(request.headers)) == orjson.loads(PARCEL.body)
    assert request.headers["authorization"] == "Bearer t0k/en="


@pytest.mark.parametrize("until", [timedelta(hours=1), timedelta(0), None])
async def test_the_former_secret_signs_for_a_while(until: timedelta | None) -> None:
    moment = now()
    values = {"secret": SECRET, "former_secret": FORMER, "former_until": None if until is None else moment + until}
    async with receiving() as receiver, posting() as poster:
        channel = Webhook(poster, lambda: moment, lambda: ORIGIN)
        await channel.deliver(endpoint("webhook", receiver.url, **values), PARCEL)
    (request,) = receiver.requests
    Verifier(SECRET).verify(request.body, dict(request.headers))
    if until:
        Verifier(FORMER).verify(request.body, dict(request.headers))
    else:
        with pytest.raises(WebhookVerificationError, match="No matching signature"):
            Verifier(FORMER).verify(request.body, dict(request.headers))


# CloudEvents.


def parsed(body: bytes, headers: Mapping[str, str]) -> CloudEvent:
    event = from_http_event(HTTPMessage({"content-type": headers["content-type"]}, body))
    assert isinstance(event, CloudEvent)
    return event


async def test_a_cloud_event_is_one_and_is_signed() -> None:
    parcel = replace(PARCEL, entity="https://example.org/users/7")
    wants = endpoint("webhook", document={"format": "cloudevents"}, secret=SECRET, token="abc")
    async with receiving() as receiver, posting() as poster:
        outcome = await webhook(poster).deliver(replace(wants, url=receiver.url), parcel)
    assert outcome.received
    (request,) = receiver.requests
    Verifier(SECRET).verify(request.body, dict(request.headers))
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert request.headers["origin"] == ORIGIN
    assert request.headers["webhook-id"] == parcel.notification_id
    event = parsed(request.body, request.headers)
    assert event.get_specversion() == "1.0"
    assert event.get_id() == parcel.notification_id
    assert event.get_source() == "urn:owncast:owncast"
    assert event.get_type() == "CHAT"
    assert event.get_time() == AT
    assert event.get_subject() == "https://example.org/users/7"
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == orjson.loads(parcel.body)
    assert orjson.loads(request.body)["time"] == "2026-03-04T05:06:07.890000Z"


def test_an_event_about_nothing_has_no_subject() -> None:
    body = cloud_events.envelope(PARCEL)
    assert parsed(body, {"content-type": cloud_events.CONTENT_TYPE}).get_subject() is None
    assert set(orjson.loads(body)) == {"specversion", "id", "source", "type", "time", "datacontenttype", "data"}


@pytest.mark.parametrize(
    ("domain", "uri"),
    [
        ("owncast", "urn:owncast:owncast"),
        ("tea shop", "urn:owncast:tea%20shop"),
        ("tee/größe?#[%]", "urn:owncast:tee%2Fgr%C3%B6%C3%9Fe%3F%23%5B%25%5D"),
        ("example.org", "urn:owncast:example.org"),
        ("https://tea.example/a?b=%20", "https://tea.example/a?b=%20"),
        ("urn:isbn:0451450523", "urn:isbn:0451450523"),
        ("https://tea.example/a b", "urn:owncast:https:%2F%2Ftea.example%2Fa%20b"),
        ("urn:bad:%2", "urn:owncast:urn:bad:%252"),
        ("urn:x:y\n", "urn:owncast:urn:x:y%0A"),
        ("1:2", "urn:owncast:1:2"),
    ],
)
def test_a_domain_is_a_uri_or_becomes_one(domain: str, uri: str) -> None:
    assert cloud_events.source(domain) == uri


@settings(max_examples=150, deadline=None)
@given(
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.dictionaries(st.text(st.characters(codec="utf-8")), st.none() | st.booleans() | st.integers(-1000, 1000)),
)
@example("owncast", '","data":1,"x":"', {"a": 1})
def test_whatever_is_in_it_the_envelope_holds(domain: str, name: str, data: dict[str, object]) -> None:
    parcel = replace(PARCEL, topic=Topic("top_1", domain, name, AT), body=orjson.dumps(data))
    event = parsed(cloud_events.envelope(parcel), {"content-type": cloud_events.CONTENT_TYPE})
    assert event.get_type() == name
    assert event.get_data() == data
    source = event.get_source()
    assert source.isascii()
    assert not any(character.isspace() for character in source)


# What is typed in.


@pytest.mark.parametrize(
    "token", ["a b", "a\r\nX-Injected: 1", "tab\t", "ümlaut", "\x7f", "\x00", "x" * (MAX_TOKEN + 1)]
)
async def test_a_token_that_is_no_header_is_refused(token: str) -> None:
    async with posting() as poster:
        with pytest.raises(NotificationError, match=r"give (it without|one of at most)") as caught:
            webhook(poster).check(endpoint("webhook", token=token))
    assert "njected" not in str(caught.value)


async def test_what_is_typed_in_is_checked() -> None:
    async with posting() as poster:
        strict, lenient = webhook(poster, allow_private=False), webhook(poster)
        for document in ({}, {"format": "event"}, {"format": "cloudevents"}):
            strict.check(endpoint("webhook", document=document, token="!~" * (MAX_TOKEN // 2)))
        for wrong in ("CloudEvents", "", None, 7, ["event"], {}):
            with pytest.raises(NotificationError, match="there are: event, cloudevents"):
                strict.check(endpoint("webhook", document={"format": wrong}))
        with pytest.raises(TargetRefused, match="begins with 'ftp"):
            lenient.check(endpoint("webhook", "ftp://example.org/"))
        inside = endpoint("webhook", "http://127.0.0.1/hook")
        lenient.check(inside)
        with pytest.raises(TargetRefused, match="this machine itself"):
            strict.check(inside)


# The handshake.


@pytest.mark.parametrize("allowed", ["*", ORIGIN, "Tea.Example"])
async def test_a_receiver_that_knows_the_handshake_is_sent_nothing_else(allowed: str) -> None:
    async with receiving(answering(200, WebHook_Allowed_Origin=allowed)) as receiver:
        assert await greeted(receiver, token="abc", secret=SECRET) == ""
    (request,) = receiver.requests
    assert (request.method, request.path, request.body) == ("OPTIONS", "/hook", b"")
    assert request.headers["webhook-request-origin"] == ORIGIN
    assert request.headers["authorization"] == "Bearer abc"


async def test_a_receiver_that_lets_others_send_refuses_this_server() -> None:
    async with receiving(answering(200, WebHook_Allowed_Origin="coffee.example")) as receiver:
        sentence = await greeted(receiver)
    assert "lets 'coffee.example' send to it, but this server is 'tea.example'" in sentence
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_receiver_that_wants_another_token_says_so(status: int) -> None:
    refusal = answering(status, WebHook_Allowed_Origin="*")
    async with receiving(refusal) as receiver:
        assert f"answered {status}. It does not know this server; give the endpoint the token" in await greeted(
            receiver
        )
        assert [request.method for request in receiver.requests] == ["OPTIONS"]
        receiver.manner = by_method(answering(405), refusal)
        assert f"answered {status}. It does not know this server" in await greeted(receiver)


@pytest.mark.parametrize("options", [200, 204, 404, 405, 500, 501])
@pytest.mark.parametrize("document", [{}, {"format": "cloudevents"}])
async def test_a_receiver_that_knows_no_handshake_is_sent_a_signed_test(options: int, document: object) -> None:
    async with receiving(by_method(answering(options), answering(202))) as receiver:
        assert await greeted(receiver, secret=SECRET, token="abc", document=document) == ""
        assert await greeted(receiver, secret=SECRET, token="abc", document=document) == ""
    first, second = (request for request in receiver.requests if request.method == "POST")
    received = Verifier(SECRET).verify(first.body, dict(first.headers))
    if document:
        event = parsed(first.body, first.headers)
        assert event.get_type() == "TEST"
        assert event.get_id() == first.headers["webhook-id"]
        received = event.get_data()
    assert received["type"] == "TEST"
    assert "This is a test" in received["eventData"]["message"]
    assert first.headers["authorization"] == "Bearer abc"
    assert first.headers["webhook-id"] != second.headers["webhook-id"]


@pytest.mark.parametrize("status", [302, 400, 404, 410, 429, 500])
async def test_a_receiver_that_refuses_the_test_is_told_what_to_do(status: int) -> None:
    async with receiving(by_method(answering(405), answering(status))) as receiver:
        sentence = await greeted(receiver)
    assert f"answered {status}" in sentence
    assert "let the receiver answer those with 2xx, and try again" in sentence
    assert "/hook" not in sentence


async def test_who_does_not_answer_at_all_is_not_asked_twice() -> None:
    async with receiving(resetting) as receiver:
        assert "broke before an answer came" in await greeted(receiver)
    assert {request.method for request in receiver.requests} == {"OPTIONS"}
    async with receiving(by_method(answering(405), resetting)) as receiver:
        assert "broke before an answer came" in await greeted(receiver)


async def test_a_greeting_ends_in_time() -> None:
    async with receiving() as receiver, posting(seconds=0.05) as poster:
        receiver.manner = receiver.hang
        sentence = await webhook(poster).greet(endpoint("webhook", receiver.url))
        assert sentence.endswith("did not answer within 0.05 seconds.")


async def test_a_message_of_another_topic_goes_to_the_same_place() -> None:
    async with receiving() as receiver, posting() as poster:
        kept: Endpoint = endpoint("webhook", receiver.url, secret=SECRET)
        for parcel in (PARCEL, started()):
            assert (await webhook(poster).deliver(kept, parcel)).received
    assert receiver.ids == [PARCEL.notification_id, started().notification_id]
