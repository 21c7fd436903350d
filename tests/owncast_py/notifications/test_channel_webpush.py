"""The browser push channel: a push service that verifies who sends, and a browser that decrypts what comes."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import http_ece
import orjson
import py_vapid
import py_vapid.jwt
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from parcels import AT, PARCEL, endpoint, started
from receiver import Request, answering, posting, receiving, resetting
from yarl import URL

from owncast_py.notifications.channels.posting import Poster
from owncast_py.notifications.channels.webpush import MAX_PAYLOAD, WebPush, browser_keys, payload
from owncast_py.notifications.channels.wording import GONE_LIVE
from owncast_py.notifications.errors import NotificationError, TargetRefused
from owncast_py.notifications.model import Endpoint, Topic
from owncast_py.notifications.vapid import LIFE, MAX_HEADERS, RENEWED, Vapid, VapidKeys

CONTACT = "mailto:owner@tea.example"
KEYS = VapidKeys.generate()
AUTH = bytes(range(16))


def coded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@dataclass
class Browser:
    """Somebody's browser."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def keys(self) -> dict[str, str]:
        """As `PushSubscription.toJSON` has them."""
        return {"p256dh": coded(point(self.key)), "auth": coded(AUTH)}

    def reads(self, request: Request) -> dict[str, str]:
        """What its page's worker is told."""
        assert request.headers["content-encoding"] == "aes128gcm"
        said: dict[str, str] = orjson.loads(
            http_ece.decrypt(request.body, private_key=self.key, auth_secret=AUTH, version="aes128gcm")
        )
        return said

    def subscribed(self, url: str, **document: object) -> Endpoint:
        return endpoint("webpush", url, document={"keys": self.keys, **document})


def claims(authorization: str) -> dict[str, object]:
    """What the header says, once its signature is verified with the key that pages have."""
    assert py_vapid.Vapid02.verify(authorization)
    scheme, _, rest = authorization.partition(" ")
    parts = dict(part.split("=", 1) for part in rest.split(","))
    assert (scheme, parts["k"]) == ("vapid", KEYS.public_key)
    verified: dict[str, object] = py_vapid.jwt.decode(parts["t"], KEYS.public_key)
    return verified


def webpush(poster: Poster, at: datetime = AT) -> WebPush:
    return WebPush(poster, KEYS, lambda: CONTACT, lambda: at, lambda: GONE_LIVE, allow_private=True)


async def test_a_browser_reads_that_the_show_began() -> None:
    browser = Browser()
    async with receiving(answering(201)) as service, posting() as poster:
        wants = browser.subscribed(service.url, message="Kettle is on")
        outcome = await webpush(poster, AT + timedelta(minutes=30)).deliver(wants, started())
    assert (outcome.received, outcome.error) == (True, "")
    (request,) = service.requests
    assert request.method == "POST"
    assert browser.reads(request) == {
        "title": "Tea",
        "body": "Kettle is on\nGreen tea",
        "icon": "https://tea.example/logo",
        "url": "https://tea.example",
    }
    assert (request.headers["ttl"], request.headers["urgency"]) == (str(int(3.5 * 3600)), "high")
    verified = claims(request.headers["authorization"])
    assert verified == {
        "aud": service.url.removesuffix("/hook"),
        "sub": CONTACT,
        "exp": (AT + timedelta(minutes=30) + LIFE).timestamp() // 1,
    }


async def test_no_other_browser_reads_it_and_no_two_are_alike() -> None:
    browser = Browser()
    async with receiving() as service, posting() as poster:
        channel = webpush(poster)
        for _ in range(2):
            await channel.deliver(browser.subscribed(service.url), started())
    first, second = service.requests
    assert first.body != second.body
    with pytest.raises(http_ece.ECEException, match="Decryption error"):
        Browser().reads(first)
    assert browser.reads(first) == browser.reads(second)
    assert b"Green" not in first.body


async def test_other_events_are_less_urgent_and_what_is_late_is_for_who_is_there() -> None:
    browser = Browser()
    async with receiving() as service, posting() as poster:
        await webpush(poster).deliver(browser.subscribed(service.url), PARCEL)
        await webpush(poster, AT + timedelta(hours=5)).deliver(browser.subscribed(service.url), started())
    other, late = service.requests
    assert (other.headers["ttl"], other.headers["urgency"]) == ("86400", "normal")
    assert (late.headers["ttl"], late.headers["urgency"]) == ("0", "high")


@pytest.mark.parametrize(
    ("status", "gone", "unauthenticated"),
    [(404, True, False), (410, True, False), (403, False, True), (400, False, False), (413, False, False)],
)
async def test_what_a_push_service_answers(status: int, gone: bool, unauthenticated: bool) -> None:
    async with receiving(answering(status, b"why")) as service, posting() as poster:
        outcome = await webpush(poster).deliver(Browser().subscribed(service.url), started())
    assert (outcome.received, outcome.status, outcome.gone) == (False, status, gone)
    assert (outcome.unauthenticated, outcome.answer) == (unauthenticated, "why")
    assert outcome.error.endswith(f"answered {status}.")


async def test_a_push_service_asks_for_a_pause_or_breaks() -> None:
    async with receiving(answering(429, Retry_After="9")) as service, posting() as poster:
        wants = Browser().subscribed(service.url)
        assert (await webpush(poster).deliver(wants, started())).retry_after == 9.0
        service.manner = resetting
        assert "broke before an answer came" in (await webpush(poster).deliver(wants, started())).error


async def test_many_at_once_share_one_header() -> None:
    browsers = [Browser() for _ in range(20)]
    async with receiving() as service, posting() as poster:
        channel = webpush(poster)
        await asyncio.gather(
            *(
                channel.deliver(browser.subscribed(service.url, title=str(number)), started())
                for number, browser in enumerate(browsers)
            )
        )
    assert len({request.headers["authorization"] for request in service.requests}) == 1
    bodies = {request.body for request in service.requests}
    for number, browser in enumerate(browsers):
        titles = []
        for body in bodies:
            try:
                titles.append(orjson.loads(http_ece.decrypt(body, private_key=browser.key, auth_secret=AUTH))["title"])
            except http_ece.ECEException:
                continue
        assert titles == [str(number)]


# What is typed in.


async def test_what_a_browser_gave_is_checked() -> None:
    async with posting() as poster:
        strict = WebPush(poster, KEYS, lambda: CONTACT, lambda: AT, lambda: GONE_LIVE)
        good = Browser().subscribed("https://push.example/abc")
        strict.check(good)
        with pytest.raises(NotificationError, match="begins with https://"):
            strict.check(replace(good, url="http://push.example/abc"))
        with pytest.raises(TargetRefused, match="a private address"):
            strict.check(replace(good, url="https://10.0.0.1/abc"))
        webpush(poster).check(replace(good, url="http://127.0.0.1/abc"))
        assert await strict.greet(good) == ""


def test_keys_with_padding_are_the_same() -> None:
    keys = Browser().keys
    padded = {"p256dh": keys["p256dh"] + "=", "auth": keys["auth"] + "=="}
    assert browser_keys({"keys": padded}) == browser_keys({"keys": keys})


GOOD = Browser().keys
POINT = base64.urlsafe_b64decode(GOOD["p256dh"] + "=")


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (None, "keys.p256dh is missing"),
        ([], "keys.p256dh is missing"),
        ({}, "keys.p256dh is missing"),
        (GOOD | {"p256dh": 7}, "keys.p256dh is missing or not base64url"),
        (GOOD | {"p256dh": "no/base+64url"}, "keys.p256dh is missing or not base64url"),
        (GOOD | {"p256dh": GOOD["p256dh"] + "\n"}, "keys.p256dh is missing or not base64url"),
        (GOOD | {"p256dh": "A" * 5}, "keys.p256dh has 0 octets, not 65"),
        (GOOD | {"p256dh": coded(POINT[:-1])}, "keys.p256dh has 64 octets, not 65"),
        (GOOD | {"p256dh": coded(b"\x03" + POINT[1:])}, "no uncompressed point of P-256"),
        (GOOD | {"p256dh": coded(POINT[:-1] + bytes([POINT[-1] ^ 1]))}, "no uncompressed point of P-256"),
        (GOOD | {"p256dh": coded(b"\x04" + b"\xff" * 64)}, "no uncompressed point of P-256"),
        (GOOD | {"p256dh": coded(b"\x04" + bytes(64))}, "no uncompressed point of P-256"),
        ({"p256dh": GOOD["p256dh"]}, "keys.auth is missing"),
        (GOOD | {"auth": ""}, "keys.auth is missing"),
        (GOOD | {"auth": coded(b"s3cret")}, "keys.auth has 6 octets, not 16"),
    ],
)
async def test_keys_that_no_browser_gives_are_refused(keys: object, sentence: str) -> None:
    async with receiving() as service, posting() as poster:
        wrong = endpoint("webpush", service.url, document={"keys": keys})
        with pytest.raises(NotificationError, match=sentence) as caught:
            webpush(poster).check(wrong)
        outcome = await webpush(poster).deliver(wrong, started())
        assert (outcome.status, outcome.error) == (None, str(caught.value))
        assert coded(b"s3cret") not in outcome.error
        assert service.requests == []


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=64, max_size=64) | st.just(POINT[1:]))
def test_points_are_judged_as_the_library_judges_them(coordinates: bytes) -> None:
    octets = b"\x04" + coordinates
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), octets)
    except ValueError:
        with pytest.raises(NotificationError, match="no uncompressed point"):
            browser_keys({"keys": GOOD | {"p256dh": coded(octets)}})
    else:
        assert browser_keys({"keys": GOOD | {"p256dh": coded(octets)}})[0] == octets


# What is said.


@pytest.mark.parametrize("event", [None, [], {}, {"eventData": []}, {"eventData": {"name": 7, "serverURL": "x"}}])
def test_a_show_that_began_is_told_whatever_the_event_is(event: object) -> None:
    said = orjson.loads(payload({}, started(event), GONE_LIVE))
    assert said == {"title": "STREAM_STARTED", "body": "I've gone live!"}


def test_an_event_of_ones_own_is_told_by_its_topic() -> None:
    parcel = replace(PARCEL, topic=Topic("top_1", "tea.example", "kettle", AT))
    assert orjson.loads(payload({}, parcel, GONE_LIVE)) == {"title": "kettle", "body": ""}
    assert orjson.loads(payload({"title": "Tea", "message": "boils"}, parcel, GONE_LIVE)) == {
        "title": "Tea",
        "body": "boils",
    }


ANY = st.text(st.characters(codec="utf-8"), max_size=60)


@settings(max_examples=150, deadline=None)
@given(ANY, ANY, ANY, ANY, st.integers(1, 3000))
@example("\x00", "\x01", "\x02", "https://tea.example/" + '"' * 200, 3000)
@example("\U0001f375", "\U0001f375", "\x02", "https://tea.example/" + "\x01" * 200, 3000)
def test_a_payload_is_never_too_long(title: str, message: str, name: str, address: str, times: int) -> None:
    document = {"title": title * times, "message": message * times}
    event = {"eventData": {"name": name * times, "streamTitle": message * times, "serverURL": address}}
    said = payload(document, started(event), GONE_LIVE)
    assert len(said) <= MAX_PAYLOAD
    told = orjson.loads(said)
    assert told["title"].isprintable()
    assert set(told) - {"icon", "url"} == {"title", "body"}


# Keys and headers.


def test_keys_survive_being_written_down() -> None:
    text = KEYS.to_text()
    again = VapidKeys.from_text(f" {text}=\n")
    assert (again, again.public_key) == (KEYS, KEYS.public_key)
    assert len(base64.urlsafe_b64decode(KEYS.public_key + "=")) == 65
    assert text not in repr(KEYS)
    assert VapidKeys.generate() != KEYS


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_keys_are_read_from_pem(form: PrivateFormat) -> None:
    pem = KEYS.signing_key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    assert VapidKeys.from_text(pem) == KEYS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s3cret",
        coded(bytes(32)),
        coded(b"\xff" * 32),
        coded(b"s3cret" * 6),
        "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----\n",
        ec.generate_private_key(ec.SECP384R1())
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode(),
        KEYS.signing_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"s3cret")).decode(),
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(NotificationError, match="make a new pair") as caught:
        VapidKeys.from_text(text)
    assert "s3cret" not in str(caught.value)


@dataclass
class Clock:
    """Time that passes when it is told to."""

    at: datetime = AT

    def __call__(self) -> datetime:
        return self.at


def test_a_header_is_kept_until_shortly_before_it_expires() -> None:
    clock, contact = Clock(), [CONTACT]
    vapid = Vapid(KEYS, lambda: contact[0], clock)
    first = vapid.authorization(URL("https://push.example/a"))
    assert claims(first)["aud"] == "https://push.example"
    clock.at = AT + LIFE - RENEWED - timedelta(seconds=1)
    assert vapid.authorization(URL("https://push.example:443/b")) == first
    other = vapid.authorization(URL("https://push.example:8443/b"))
    assert claims(other)["aud"] == "https://push.example:8443"
    clock.at = AT + LIFE - RENEWED
    renewed = vapid.authorization(URL("https://push.example/a"))
    assert claims(renewed)["exp"] == (clock.at + LIFE).timestamp() // 1
    clock.at = AT - timedelta(days=2)
    back = vapid.authorization(URL("https://push.example/a"))
    assert claims(back)["exp"] == (clock.at + LIFE).timestamp() // 1
    contact[0] = ""
    assert "sub" not in claims(vapid.authorization(URL("https://push.example/a")))


def test_the_headers_that_are_kept_are_bounded_and_the_used_ones_stay() -> None:
    vapid = Vapid(KEYS, lambda: CONTACT, lambda: AT)
    # A signature differs each time it is made, so the same header is a kept one.
    used = vapid.authorization(URL("https://used.example/"))
    forgotten = vapid.authorization(URL("https://forgotten.example/"))
    for number in range(MAX_HEADERS - 1):
        vapid.authorization(URL(f"https://{number}.example/"))
        assert vapid.authorization(URL("https://used.example/")) == used
    assert vapid.authorization(URL("https://forgotten.example/")) != forgotten
    assert len(vapid._kept) == MAX_HEADERS


def test_a_signature_by_another_key_is_not_verified() -> None:
    header = Vapid(VapidKeys.generate(), lambda: CONTACT, lambda: AT).authorization(URL("https://push.example/"))
    token = header.removeprefix("vapid t=").split(",")[0]
    with pytest.raises(InvalidSignature):
        py_vapid.jwt.decode(token, KEYS.public_key)


def test_a_server_that_sends_no_pushes_does_not_import_the_cryptography() -> None:
    program = (
        "import sys\n"
        "from owncast_py.notifications.channels.webpush import browser_keys\n"
        "from owncast_py.notifications.vapid import VapidKeys\n"
        f"VapidKeys.from_text({KEYS.to_text()!r}), browser_keys({{'keys': {GOOD!r}}})\n"
        "print([name for name in ('cryptography', 'http_ece', 'py_vapid', 'requests') if name in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"
