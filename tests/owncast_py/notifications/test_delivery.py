"""One delivery over real HTTP, to receivers with all kinds of manners."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from receiver import Manner, Request, answering, endless, posting, receiving, resetting, saying

from owncast_py.notifications.channels.posting import MAX_ANSWER, MAX_REDIRECTS

BODY = b'{"type":"CHAT","eventData":{}}'


@pytest.mark.parametrize(
    ("manner", "sentence"),
    [
        (resetting, "broke before an answer came"),
        (saying(b""), "broke before an answer came"),
        (saying(b"HTTP/1.1 20"), "broke before an answer came"),
        (saying(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "is not HTTP"),
        (saying(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"), "is not HTTP"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), "is not HTTP"),
    ],
)
async def test_no_answer(manner: Manner, sentence: str) -> None:
    async with receiving(manner) as receiver, posting() as poster:
        outcome = await poster.post(receiver.url, BODY, {})
    assert not outcome.received
    assert outcome.status is None
    assert sentence in outcome.error
    assert "hook" not in outcome.error


async def test_nobody_listens() -> None:
    async with receiving() as receiver:
        pass
    async with posting() as poster:
        outcome = await poster.post(receiver.url, BODY, {})
    assert outcome.error.startswith("There is no connection to 127.0.0.1:")


async def test_silence_ends_in_time() -> None:
    async with receiving() as receiver, posting(seconds=0.05) as poster:
        receiver.manner = receiver.hang
        outcome = await poster.post(receiver.url, BODY, {})
        assert outcome.error.endswith("did not answer within 0.05 seconds.")


@pytest.mark.parametrize("status", [400, 404, 500, 502, 300, 304])
async def test_other_answers_are_failures(status: int) -> None:
    async with receiving(answering(status)) as receiver, posting() as poster:
        outcome = await poster.post(receiver.url, BODY, {})
    assert (outcome.received, outcome.status, outcome.gone, outcome.retry_after) == (False, status, False, None)
    assert outcome.error.endswith(f"answered {status}.")


@pytest.mark.parametrize("status", [429, 503])
async def test_a_receiver_asks_for_a_pause(status: int) -> None:
    async with receiving(answering(status, Retry_After="7")) as receiver, posting() as poster:
        outcome = await poster.post(receiver.url, BODY, {})
    assert (outcome.received, outcome.retry_after) == (False, 7.0)


async def test_a_receiver_is_gone() -> None:
    async with receiving(answering(410, b"no more")) as receiver, posting() as poster:
        outcome = await poster.post(receiver.url, BODY, {})
    assert (outcome.gone, outcome.answer) == (True, "no more")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_in_the_same_place_is_followed_with_the_same_post(status: int) -> None:
    async with receiving() as receiver, posting() as poster:

        async def manner(request: Request, writer: asyncio.StreamWriter) -> None:
            answer = answering(200) if request.path == "/there" else answering(status, Location="/there")
            await answer(request, writer)

        receiver.manner = manner
        outcome = await poster.post(receiver.url, BODY, {"webhook-id": "ntf_1"})
    assert outcome.received
    assert [request.path for request in receiver.requests] == ["/hook", "/there"]
    assert receiver.bodies == {BODY}
    assert receiver.ids == ["ntf_1", "ntf_1"]


async def test_a_circle_of_redirects_ends() -> None:
    async with receiving(answering(302, Location="/hook")) as receiver, posting() as poster:
        outcome = await poster.post(receiver.url, BODY, {})
    assert outcome.status == 302
    assert "more than 2 times" in outcome.error
    assert len(receiver.requests) == MAX_REDIRECTS + 1


@pytest.mark.parametrize("location", ["{other}", "//{place}/", "https://127.0.0.1/", "ftp://127.0.0.1/", ""])
async def test_a_redirect_to_another_place_is_not_followed(location: str) -> None:
    async with receiving() as other, receiving() as receiver, posting() as poster:
        there = location.format(other=other.url, place=other.url.split("/")[2])
        receiver.manner = answering(302, Location=there)
        outcome = await poster.post(receiver.url, BODY, {})
        assert outcome.status == 302
        assert "redirect" in outcome.error
        assert other.requests == []
        assert len(receiver.requests) == 1


async def test_credentials_in_a_redirect_are_not_followed() -> None:
    async with receiving() as receiver, posting() as poster:
        receiver.manner = answering(302, Location=receiver.url.replace("//", "//me:secret@"))
        outcome = await poster.post(receiver.url, BODY, {})
    assert "secret" not in outcome.error
    assert len(receiver.requests) == 1


async def test_an_endless_answer_is_cut() -> None:
    async with receiving(endless) as receiver, posting() as poster:
        outcome = await poster.post(receiver.url, BODY, {})
    assert outcome.received
    assert outcome.answer == "x" * MAX_ANSWER


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
    ],
)
async def test_who_took_it_and_dies_in_mid_answer_has_taken_it(raw: bytes) -> None:
    async with receiving(saying(raw)) as receiver, posting() as poster:
        outcome = await poster.post(receiver.url, BODY, {})
    assert (outcome.received, outcome.error) == (True, "")


async def test_an_answer_longer_than_it_says_does_not_spoil_the_next() -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + b"HTTP/1.1 410 Gone\r\n\r\n"
    async with receiving(saying(raw)) as receiver, posting() as poster:
        assert (await poster.post(receiver.url, BODY, {})).answer == "ok"
        receiver.manner = answering(200)
        outcome = await poster.post(receiver.url, BODY, {})
    assert not outcome.gone


async def test_an_answer_that_drips_is_cut_in_time() -> None:
    async with receiving() as receiver, posting(answer_seconds=0.05) as poster:

        async def dripping(request: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 99\r\n\r\na drop")
            await receiver.over.wait()

        receiver.manner = dripping
        outcome = await poster.post(receiver.url, BODY, {})
        assert (outcome.status, outcome.answer) == (500, "a drop")


async def test_answers_are_kept_as_text_whatever_they_are() -> None:
    packed = gzip.compress(b"0" * 10_000_000)
    async with receiving(answering(200, b"a\0b\xff")) as receiver, posting() as poster:
        assert (await poster.post(receiver.url, BODY, {})).answer == "a\0b\ufffd"
        receiver.manner = answering(200, packed[:1000], Content_Encoding="gzip")
        assert len((await poster.post(receiver.url, BODY, {})).answer) <= 1000
        assert receiver.requests[0].headers["accept-encoding"] == "identity"


async def test_an_address_that_cannot_be_called_is_a_sentence() -> None:
    async with posting() as poster:
        outcome = await poster.post("ftp://example.org/", BODY, {})
    assert outcome.error.startswith("The address begins with 'ftp://exampl'")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_receiver_does_not_know_this_server(status: int) -> None:
    async with receiving(answering(status)) as receiver, posting() as poster:
        outcome = await poster.post(receiver.url, BODY, {})
        assert (outcome.status, outcome.received, outcome.unauthenticated) == (status, False, True)
        receiver.manner = answering(404)
        assert not (await poster.post(receiver.url, BODY, {})).unauthenticated


async def test_options_are_asked_without_a_body_and_answered_with_headers() -> None:
    async with receiving(answering(200, b"yes", Allow="POST")) as receiver, posting() as poster:
        outcome, headers = await poster.options(receiver.url, {"Asked": "this"})
    (request,) = receiver.requests
    assert (request.method, request.path, request.body, request.headers["asked"]) == ("OPTIONS", "/hook", b"", "this")
    assert (outcome.received, outcome.answer, headers["ALLOW"]) == (True, "yes", "POST")


async def test_options_keep_the_rules_of_posts() -> None:
    async with receiving() as other, receiving() as receiver, posting() as poster:
        receiver.manner = answering(307, Location="/hook")
        outcome, _ = await poster.options(receiver.url, {})
        assert "more than 2 times" in outcome.error
        assert [request.method for request in receiver.requests] == ["OPTIONS"] * (MAX_REDIRECTS + 1)
        receiver.manner = answering(307, Location=other.url)
        outcome, _ = await poster.options(receiver.url, {})
        assert "redirects to another place" in outcome.error
        receiver.manner = receiver.hang
        async with posting(seconds=0.05) as hasty:
            outcome, headers = await hasty.options(receiver.url, {})
        assert outcome.error.endswith("did not answer within 0.05 seconds.")
        assert headers == {}
        assert other.requests == []


async def test_what_would_be_two_headers_is_not_sent() -> None:
    async with receiving() as receiver, posting() as poster:
        outcome = await poster.post(receiver.url, BODY, {"Authorization": "Bearer a\r\nX-Injected: b"})
    assert (outcome.status, receiver.requests) == (None, [])
