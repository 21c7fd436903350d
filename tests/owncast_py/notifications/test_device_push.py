"""Pushes to devices, from a channel's message to what a push service is told, and back to the state of the device."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import http_ece
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from parcels import AT, endpoint
from push_house import PushHouse, push_house
from receiver import Receiver, Request, answering, posting, receiving, resetting, until

from owncast_py import device_queue
from owncast_py.device_queue import DEVICE
from owncast_py.errors import ConfigError
from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.channels.device import DeviceChannel, Said, told
from owncast_py.notifications.channels.posting import Poster
from owncast_py.notifications.channels.push_apns import MAX_PAYLOAD, TOKEN_LIFE, ApnsTransport, Provider
from owncast_py.notifications.channels.push_fcm import GRANT, SCOPE, FcmTransport, ServiceAccount
from owncast_py.notifications.channels.push_web import WebTransport
from owncast_py.notifications.channels.webpush import WebPush
from owncast_py.notifications.errors import NotificationError
from owncast_py.notifications.model import DOMAIN, Parcel, Topic
from owncast_py.notifications.vapid import VapidKeys
from owncast_py.realtime.messages import DEFAULT_APP, Action, Address, Draft, Message
from owncast_py.realtime.push_devices import PushState, Registration

APP = DEFAULT_APP
PUSH = {
    "notification": {"title": "Tea", "body": "Kettle is on", "sound": "gong", "icon": "pot", "collapseKey": "tea"},
    "data": {"pot": "green"},
}
FCM_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
APNS_KEY = ec.generate_private_key(ec.SECP256R1())
WEB_KEYS = VapidKeys.generate()


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Clock:
    """What time it is, as a test says."""

    def __init__(self) -> None:
        self.moment = AT

    def now(self) -> datetime:
        return self.moment


def parcel(push: object) -> Parcel:
    return Parcel("ntf_0000000000000001", Topic("top_1", DOMAIN, "PUSH", AT), AT, orjson.dumps(push))


def said(push: object, *names: str) -> Said:
    return told(parcel(push), names)


# What a push says to one transport.


def test_what_is_for_one_transport_goes_before_what_is_for_all() -> None:
    push = PUSH | {
        "fcm": {"notification": {"body": "For Android"}, "data": {"cup": "big"}, "android": {"priority": "high"}},
        "apns": {"notification": {"title": "For Apple"}},
    }
    android = said(push, "gcm", "fcm")
    assert android.notification == {**PUSH["notification"], "body": "For Android"}
    assert (android.data, android.own) == ({"pot": "green", "cup": "big"}, {"android": {"priority": "high"}})
    assert said(push, "apns").text("title") == "For Apple"
    assert said(push).own == {}


@pytest.mark.parametrize(
    ("data", "read"),
    [('{"a":"b"}', {"a": "b"}), ("plain", {"data": "plain"}), ("[1]", {"data": "[1]"}), ("", {}), (None, {})],
)
def test_data_may_be_a_text(data: object, read: dict[str, object]) -> None:
    assert said({"data": data}).data == read


async def test_nobody_types_in_a_device() -> None:
    with pytest.raises(NotificationError, match="Devices register themselves"):
        DeviceChannel({}).check(endpoint(DEVICE))


# FCM.


def account(service: Receiver) -> ServiceAccount:
    return ServiceAccount("tea", "server@tea.example", service.url.replace("/hook", "/token"), pem(FCM_KEY))


def firebase(status: int = 200, answer: bytes = b'{"name": "sent"}', *, token_status: int = 200) -> object:
    """Gives tokens `t1`, `t2`, … for an hour, and takes messages."""
    tokens = 0

    async def manner(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal tokens
        if request.path == "/token":
            tokens += 1
            body = b'{"access_token": "t%d", "expires_in": 3599, "token_type": "Bearer"}' % tokens
            await answering(token_status, body if token_status == 200 else b"{}")(request, writer)
        else:
            await answering(status, answer)(request, writer)

    return manner


def fcm(service: Receiver, poster: Poster, clock: Clock) -> FcmTransport:
    return FcmTransport(poster, account(service), clock.now, address=service.url.removesuffix("/hook"))


RECIPIENT = {"transportType": "fcm", "registrationToken": "phone's"}


async def test_fcm_is_told_in_its_own_words_by_whoever_it_knows() -> None:
    clock = Clock()
    async with receiving(firebase()) as service, posting() as poster:  # type: ignore[arg-type]
        transport = fcm(service, poster, clock)
        first = await transport.send(RECIPIENT, said(PUSH | {"data": {"pot": "green", "n": 3}}, "gcm", "fcm"))
        await transport.send(RECIPIENT, said(PUSH, "gcm", "fcm"))
        clock.moment += timedelta(hours=1)
        await transport.send(RECIPIENT, said(PUSH, "gcm", "fcm"))
    assert (first.received, first.error) == (True, "")
    assert [request.path for request in service.requests] == [
        "/token",
        "/v1/projects/tea/messages:send",
        "/v1/projects/tea/messages:send",
        "/token",
        "/v1/projects/tea/messages:send",
    ]
    asked, sent = service.requests[:2]
    form = dict(pair.split("=") for pair in asked.body.decode().split("&"))
    assert form["grant_type"].replace("%3A", ":") == GRANT
    claims = jwt.decode(
        form["assertion"],
        FCM_KEY.public_key(),
        algorithms=["RS256"],
        audience=account(service).token_address,
        options={"verify_exp": False, "verify_iat": False},
    )
    stamp = int(AT.timestamp())
    assert (claims["iss"], claims["scope"], claims["iat"], claims["exp"]) == (
        "server@tea.example",
        SCOPE,
        stamp,
        stamp + 3600,
    )
    assert sent.headers["authorization"] == "Bearer t1"
    assert service.requests[4].headers["authorization"] == "Bearer t2"
    assert orjson.loads(sent.body) == {
        "message": {
            "token": "phone's",
            "notification": {"title": "Tea", "body": "Kettle is on"},
            "data": {"pot": "green", "n": "3"},
            "android": {"notification": {"icon": "pot", "sound": "gong"}, "collapse_key": "tea"},
        }
    }


UNREGISTERED = orjson.dumps(
    {"error": {"status": "NOT_FOUND", "details": [{"@type": "…FcmError", "errorCode": "UNREGISTERED"}]}}
)


@pytest.mark.parametrize(
    ("status", "answer", "gone"),
    [
        (404, UNREGISTERED, True),
        (404, b"no such project", False),
        (404, b'{"error": 1}', False),
        (400, UNREGISTERED, False),
        (410, b"", False),
        (503, b"", False),
    ],
)
async def test_what_fcm_answers(status: int, answer: bytes, gone: bool) -> None:
    async with receiving(firebase(status, answer)) as service, posting() as poster:  # type: ignore[arg-type]
        outcome = await fcm(service, poster, Clock()).send(RECIPIENT, said(PUSH))
    assert (outcome.received, outcome.status, outcome.gone) == (False, status, gone)
    assert outcome.error.endswith(f"answered {status}.")


async def test_a_token_that_fcm_does_not_take_is_got_anew() -> None:
    async with receiving(firebase(401)) as service, posting() as poster:  # type: ignore[arg-type]
        transport = fcm(service, poster, Clock())
        for _ in range(2):
            await transport.send(RECIPIENT, said(PUSH))
    assert [request.path for request in service.requests].count("/token") == 2


@pytest.mark.parametrize("status", [400, 410])
async def test_no_token_means_no_push_and_no_device_is_lost(status: int) -> None:
    async with receiving(firebase(token_status=status)) as service, posting() as poster:  # type: ignore[arg-type]
        outcome = await fcm(service, poster, Clock()).send(RECIPIENT, said(PUSH))
    assert (outcome.received, outcome.gone) == (False, False)
    assert outcome.error.startswith("FCM gave no access token.")
    assert [request.path for request in service.requests] == ["/token"]


def test_a_service_account_is_read(tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    document = {"project_id": "p", "client_email": "e", "token_uri": "https://t.example/", "private_key": "SECRET"}
    file.write_bytes(orjson.dumps(document))
    found = ServiceAccount.read(file)
    assert (found.project, found.email, found.token_address, found.private_key) == tuple(document.values())
    assert "SECRET" not in repr(found)
    for content, sentence in ((b"{", "cannot be read: it is not JSON"), (b"[]", "has no project_id")):
        file.write_bytes(content)
        with pytest.raises(ConfigError, match=sentence):
            ServiceAccount.read(file)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        ServiceAccount.read(tmp_path / "missing")


async def test_a_key_that_is_none_is_a_sentence_without_it() -> None:
    broken = ServiceAccount("p", "e", "http://127.0.0.1:9/", "SECRET")
    async with posting() as poster:
        outcome = await FcmTransport(poster, broken, Clock().now).send(RECIPIENT, said(PUSH))
        apple = await ApnsTransport(poster, Provider("T", "K", "app", "SECRET"), Clock().now).send({}, said(PUSH))
    assert outcome == Outcome(error="The private_key of the service account for FCM is no key in PEM.")
    assert apple.error.startswith("The key for Apple's push service is no key of P-256")


# Apple. Its service speaks HTTP/2, which `http2` posts over; what is posted is the same over HTTP/1.1.

PROVIDER = Provider("TEAM", "KEYID", "org.tea.app", pem(APNS_KEY))
APPLE = {"transportType": "apns", "deviceToken": "ab/cd"}


def apns(service: Receiver, poster: Poster, clock: Clock) -> ApnsTransport:
    return ApnsTransport(poster, PROVIDER, clock.now, address=service.url.removesuffix("/hook"))


async def test_apple_is_told_in_its_own_words() -> None:
    clock = Clock()
    push = PUSH | {"apns": {"aps": {"badge": 2}, "custom": 1}}
    async with receiving(answering(200)) as service, posting() as poster:
        transport = apns(service, poster, clock)
        outcome = await transport.send(APPLE, said(push, "apns"))
        clock.moment += TOKEN_LIFE
        await transport.send(APPLE, said({"data": {"a": "b"}}, "apns"))
    assert outcome.received
    loud, silent = service.requests
    assert loud.path == "/3/device/ab%2Fcd"
    assert orjson.loads(loud.body) == {
        "aps": {"alert": {"title": "Tea", "body": "Kettle is on"}, "sound": "gong", "badge": 2},
        "pot": "green",
        "custom": 1,
    }
    assert {name: loud.headers[name] for name in loud.headers if name.startswith("apns-")} == {
        "apns-topic": "org.tea.app",
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-expiration": str(int((AT + timedelta(hours=24)).timestamp())),
        "apns-collapse-id": "tea",
    }
    kind, _, token = loud.headers["authorization"].partition(" ")
    claims = jwt.decode(token, APNS_KEY.public_key(), algorithms=["ES256"], options={"verify_iat": False})
    assert (kind, claims) == ("bearer", {"iss": "TEAM", "iat": int(AT.timestamp())})
    assert jwt.get_unverified_header(token)["kid"] == "KEYID"
    assert orjson.loads(silent.body) == {"aps": {"content-available": 1}, "a": "b"}
    assert (silent.headers["apns-push-type"], silent.headers["apns-priority"]) == ("background", "5")
    assert silent.headers["authorization"] != loud.headers["authorization"]


@pytest.mark.parametrize(
    ("status", "reason", "gone"),
    [
        (410, "Unregistered", True),
        (400, "BadDeviceToken", True),
        (400, "DeviceTokenNotForTopic", True),
        (400, "PayloadEmpty", False),
        (403, "InvalidProviderToken", False),
        (429, "TooManyRequests", False),
        (500, "", False),
    ],
)
async def test_what_apple_answers(status: int, reason: str, gone: bool) -> None:
    answer = orjson.dumps({"reason": reason}) if reason else b"[]"
    async with receiving(answering(status, answer)) as service, posting() as poster:
        outcome = await apns(service, poster, Clock()).send(APPLE, said(PUSH))
    assert (outcome.received, outcome.status, outcome.gone) == (False, status, gone)
    assert outcome.error.endswith(f"Apple says {reason}." if reason else f"answered {status}.")


async def test_apple_is_not_sent_more_than_it_takes() -> None:
    async with receiving() as service, posting() as poster:
        outcome = await apns(service, poster, Clock()).send(APPLE, said({"data": {"a": "x" * MAX_PAYLOAD}}))
    octets = MAX_PAYLOAD + len('{"a":"","aps":{"content-available":1}}')
    assert outcome.error == f"The push has {octets} octets; Apple takes {MAX_PAYLOAD}."
    assert service.requests == []


def test_a_provider_is_read(tmp_path: Path) -> None:
    file = tmp_path / "key.p8"
    file.write_text(pem(APNS_KEY))
    assert Provider.read(file, team="TEAM", key_id="KEYID", topic="org.tea.app") == PROVIDER
    assert "PRIVATE" not in repr(PROVIDER)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        Provider.read(tmp_path / "missing", team="", key_id="", topic="")


# Browsers.


class Browser:
    """Somebody's browser."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = bytes(range(16))

    def recipient(self, url: str) -> dict[str, object]:
        """As client libraries write it: plain base64."""
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        coded = {"p256dh": base64.b64encode(point).decode(), "auth": base64.b64encode(self.auth).decode()}
        return {
            "transportType": "web",
            "targetUrl": base64.b64encode(url.encode()).decode(),
            "publicVapidKey": WEB_KEYS.public_key,
            "encryptionKey": coded,
        }

    def reads(self, request: Request) -> object:
        return orjson.loads(
            http_ece.decrypt(request.body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        )


def web(poster: Poster) -> WebTransport:
    return WebTransport(WebPush(poster, WEB_KEYS, lambda: "", lambda: AT, lambda: "", allow_private=True))


async def test_a_browser_is_told() -> None:
    browser = Browser()
    async with receiving(answering(201)) as service, posting() as poster:
        transport = web(poster)
        push = PUSH | {"web": {"notification": {"body": "For browsers"}, "ttl": 60}}
        outcome = await transport.send(browser.recipient(service.url), said(push, "web"))
        plain = browser.recipient(service.url) | {"targetUrl": service.url}
        await transport.send(plain, said(PUSH, "web"))
    assert outcome.received
    first, second = service.requests
    assert browser.reads(first) == {
        "notification": {**PUSH["notification"], "body": "For browsers"},
        "data": {"pot": "green"},
        "ttl": 60,
    }
    assert (first.headers["ttl"], second.headers["ttl"]) == ("60", "86400")
    assert browser.reads(second) == PUSH


@pytest.mark.parametrize(("status", "gone"), [(404, True), (410, True), (400, False), (500, False)])
async def test_what_a_push_service_answers_a_device(status: int, gone: bool) -> None:
    async with receiving(answering(status)) as service, posting() as poster:
        outcome = await web(poster).send(Browser().recipient(service.url), said(PUSH))
    assert (outcome.status, outcome.gone) == (status, gone)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"targetUrl": "%%%"}, "neither an address nor one in base64"),
        ({"targetUrl": "gopher://x/"}, "gopher"),
        ({"encryptionKey": {}}, "keys.p256dh is missing"),
        ({"encryptionKey": "none"}, "keys.p256dh is missing"),
    ],
)
async def test_what_is_no_browser(change: dict[str, object], sentence: str) -> None:
    async with posting() as poster:
        recipient = Browser().recipient("http://127.0.0.1:9/") | change
        outcome = await web(poster).send(recipient, said(PUSH))
        too_long = await web(poster).send(recipient, said({"data": {"a": "x" * 3000}}))
    assert sentence in outcome.error
    assert "octets; a push service takes 3000" in too_long.error


# All together.


async def ann(house: PushHouse, recipient: dict[str, object], device_id: str = "phone") -> None:
    await house.push.register(APP, Registration(device_id, "phone", "android", recipient, client_id="ann"))


def state(house: PushHouse, device_id: str = "phone") -> PushState:
    return house.push.device(APP, device_id).state


@asynccontextmanager
async def online(address: str, service: Receiver) -> AsyncIterator[PushHouse]:
    async with posting() as poster:
        transport = fcm(service, poster, Clock())
        async with push_house(address, {"fcm": transport, "web": web(poster)}) as house:
            yield house


def sent(service: Receiver) -> list[str]:
    """The tokens of the devices that were told."""
    return [
        orjson.loads(each.body)["message"]["token"] for each in service.requests if each.path.endswith("messages:send")
    ]


async def test_a_message_of_a_channel_reaches_devices_after_a_crash_too(address: str) -> None:
    async with receiving(resetting) as service:
        async with online(address, service) as house:
            await ann(house, RECIPIENT)
            await ann(house, RECIPIENT | {"registrationToken": "tablet's"}, "tablet")
            await house.push.subscribe(APP, "news", client_id="ann")
            draft = Draft("news", b"{}", extras=orjson.dumps({"push": PUSH}))
            await house.channels.publish(Address(APP, "news"), draft, Draft("quiet", b"{}"))
            await until(lambda: state(house) is state(house, "tablet") is PushState.FAILING)
            assert "broke before an answer came" in house.push.device(APP, "phone").error
        service.manner = firebase()  # type: ignore[assignment]
        async with online(address, service) as house:
            await until(lambda: state(house) is state(house, "tablet") is PushState.ACTIVE)
        assert sorted(sent(service)) == ["phone's", "tablet's"]


async def test_a_device_that_is_gone_gets_nothing_until_it_comes_back(address: str) -> None:
    async with receiving(firebase(404, UNREGISTERED)) as service, online(address, service) as house:  # type: ignore[arg-type]
        await ann(house, RECIPIENT)
        await house.push.publish(APP, {"deviceId": "phone"}, PUSH)
        await until(lambda: state(house) is PushState.FAILED)
        await until(lambda: house.notifications.endpoints.listing(DEVICE) == [])
        assert await house.push.publish(APP, {"clientId": "ann"}, PUSH) == 0
        service.manner = firebase()  # type: ignore[assignment]
        await house.push.change(APP, "phone", recipient=RECIPIENT | {"registrationToken": "new"})
        assert await house.push.publish(APP, {"clientId": "ann"}, PUSH) == 1
        await until(lambda: sent(service)[-1] == "new")
        assert state(house) is PushState.ACTIVE


async def test_what_waits_for_a_device_goes_to_its_new_recipient(address: str) -> None:
    async with receiving(firebase(503)) as service, online(address, service) as house:  # type: ignore[arg-type]
        await ann(house, RECIPIENT)
        await house.push.publish(APP, {"deviceId": "phone"}, PUSH)
        await until(lambda: state(house) is PushState.FAILING)
        await ann(house, RECIPIENT | {"registrationToken": "new"})
        service.manner = firebase()  # type: ignore[assignment]
        await until(lambda: state(house) is PushState.ACTIVE and sent(service)[-1] == "new")


async def test_a_push_comes_out_of_a_channel_for_whoever_may_publish_there(address: str) -> None:
    async with receiving() as service, online(address, service) as house:
        key = await house.keyring.create_key(capability={"inbox:*": ["publish"]})
        heard: list[Message] = []
        inbox = Address(APP, "inbox:ann")
        house.channels.broker.subscribe(
            inbox, lambda all_of: heard.extend(each for each in all_of if isinstance(each, Message))
        )

        def relayed(channel: str) -> dict[str, object]:
            return {"transportType": "ablyChannel", "channel": channel, "app": APP, "keyName": key.name}

        await ann(house, relayed("inbox:ann"))
        await house.push.publish(APP, {"deviceId": "phone"}, PUSH)
        await until(lambda: len(heard) == 1)
        assert (heard[0].name, heard[0].encoding, orjson.loads(heard[0].data)) == ("__ably_push__", "utf-8", PUSH)
        await house.push.publish(APP, relayed("inbox:ann"), {"data": {"direct": "yes"}})
        await until(lambda: len(heard) == 2)
        for device_id, channel in (("other", "elsewhere"), ("chat", "chat")):
            await ann(house, relayed(channel), device_id)
            await house.push.publish(APP, {"deviceId": device_id}, PUSH)
        await until(lambda: state(house, "other") is state(house, "chat") is PushState.FAILING)
        assert "may not publish on 'elsewhere' any more" in house.push.device(APP, "other").error
        assert "the server's own" in house.push.device(APP, "chat").error
        await house.keyring.revoke_key(key.name)
        await house.push.publish(APP, {"deviceId": "phone"}, PUSH)
        await until(lambda: state(house) is PushState.FAILING)
        assert len(heard) == 2
        assert await house.channels.count(Address(APP, "chat")) == 0


async def test_recipients_without_a_device_make_room_for_each_other(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_queue, "DIRECT", 2)
    async with receiving(firebase()) as service:  # type: ignore[arg-type]
        async with online(address, service) as house:
            for token in ("a", "b", "a", "c"):
                await house.push.publish(APP, RECIPIENT | {"registrationToken": token}, PUSH)
                await until(lambda token=token: sent(service)[-1:] == [token])  # type: ignore[misc]
            documents = [each.document for each, _ in house.notifications.endpoints.listing(DEVICE)]
            assert [each["recipient"]["registrationToken"] for each in documents] == ["a", "c"]  # type: ignore[index]
        async with online(address, service) as house:
            await house.push.publish(APP, RECIPIENT | {"registrationToken": "d"}, PUSH)
            assert house.notifications.endpoints.count(DEVICE) == 2


async def test_a_transport_that_is_not_configured_says_so(address: str) -> None:
    async with receiving() as service, online(address, service) as house:
        await ann(house, {"transportType": "apns", "deviceToken": "x"})
        await house.push.publish(APP, {"deviceId": "phone"}, PUSH)
        await until(lambda: state(house) is PushState.FAILING)
        assert house.push.device(APP, "phone").error.startswith("This server has no way to 'apns'")


async def test_what_is_pushed_becomes_statistics(address: str) -> None:
    async with receiving(firebase()) as service, online(address, service) as house:  # type: ignore[arg-type]
        await ann(house, RECIPIENT)
        await house.push.subscribe(APP, "news", device_id="phone")
        draft = Draft("news", b"{}", extras=orjson.dumps({"push": PUSH}))
        (message,) = await house.channels.publish(Address(APP, "news"), draft)
        assert message.action is Action.CREATE
        await until(lambda: len(sent(service)) == 1)

        async def counted() -> bool:
            from owncast_py.realtime.stats_entries import MAX_AHEAD, Unit

            found = await house.stats.read(
                APP, Unit.MONTH, since=datetime(2000, 1, 1, tzinfo=UTC), until=MAX_AHEAD, limit=9
            )
            total = {name: sum(each.entries.get(name, 0) for each in found) for name in expected}
            return total == expected

        expected = {"push.channelMessages": 1, "push.notifications.fcm.successful": 1}
        await until(counted)
