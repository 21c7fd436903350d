"""Push by request: every operation by its shape and what comes of it, in all formats, and by whom it may be asked."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from push_wire import APP, JSON, MSGPACK, Wire, push_wire

from owncast_py.realtime.messages import Address, Message
from web.api.ably.push_views import Details, unfolded

FORM = "application/x-www-form-urlencoded"
RECIPIENT = {"transportType": "gcm", "registrationToken": "xxxx"}
PHONE = {
    "id": "phone 1/a",
    "clientId": "ann",
    "deviceSecret": "s3cret",
    "platform": "android",
    "formFactor": "phone",
    "metadata": {"model": "x"},
    "push": {"recipient": RECIPIENT},
}
SHOWN = {name: value for name, value in PHONE.items() if name not in ("deviceSecret", "push")}
DEVICES, SUBSCRIPTIONS = "/push/deviceRegistrations", "/push/channelSubscriptions"
PUSHING = {"*": ["push-subscribe"]}


def at(device_id: object) -> str:
    return f"{DEVICES}/{quote(str(device_id), safe='')}"


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    async with push_wire(tmp_path) as found:
        yield found


async def other(wire: Wire, capability: object = None, client_id: str = "", **headers: str) -> Wire:
    """Somebody with another key."""
    return wire.as_key(await wire.house.keyring.create_key(capability=capability or PUSHING), client_id, **headers)


def without_time(body: object) -> dict[str, object]:
    assert isinstance(body, dict)
    assert body.pop("modified") > 1_700_000_000_000
    return body


async def ids(wire: Wire, **query: object) -> list[str]:
    answer = await wire.ask("GET", DEVICES, **query)
    assert (answer.status, answer.type) == (200, JSON)
    assert isinstance(answer.body, list)
    return [each["id"] for each in answer.body]


async def subscribed(wire: Wire, **query: object) -> list[tuple[str, str]]:
    answer = await wire.ask("GET", SUBSCRIPTIONS, **query)
    assert (answer.status, answer.type) == (200, JSON)
    assert isinstance(answer.body, list)
    return [(each["channel"], each.get("deviceId") or each["clientId"]) for each in answer.body]


@pytest.mark.parametrize("type", [JSON, MSGPACK])
async def test_a_device_is_saved_and_got_in_either_format(wire: Wire, type: str) -> None:
    speaking = wire.saying(Accept=type)
    saved = await speaking.ask("PUT", at(PHONE["id"]), PHONE, type)
    assert (saved.status, saved.type) == (200, type)
    got = await speaking.ask("GET", at(PHONE["id"]))
    assert got.body == saved.body
    assert without_time(got.body) == SHOWN | {"push": {"recipient": RECIPIENT, "state": "ACTIVE"}}


async def test_older_clients_read_other_fields(wire: Wire) -> None:
    await wire.ask("PUT", at("a"), PHONE | {"id": "a"})
    for version in ("", "1.2", "new"):
        old = await wire.saying(X_Ably_Version=version).ask("GET", at("a"))
        assert isinstance(old.body, dict)
        assert (old.body["push.recipient"], old.body["push.state"]) == (RECIPIENT, "Active")
        assert old.body["push"] == {"recipient": RECIPIENT, "state": "Active"}


async def test_forms_and_the_documents_own_names_are_taken(wire: Wire) -> None:
    form = {
        "clientId": "ann",
        "platform": "ios",
        "formFactor": "tablet",
        "metadata": '{"model": "y"}',
        "push.recipient.transportType": "apns",
        "push.recipient.deviceToken": "abc",
    }
    saved = await wire.ask("PUT", at("tablet"), form, FORM)
    assert without_time(saved.body)["metadata"] == {"model": "y"}
    text = form | {"push.recipient": '{"transportType": "apns", "deviceToken": "abc"}'}
    del text["push.recipient.transportType"], text["push.recipient.deviceToken"]
    assert without_time((await wire.ask("PUT", at("tablet"), text, FORM)).body) == without_time(
        (await wire.ask("GET", at("tablet"))).body
    )
    changed = await wire.ask("PATCH", at("tablet"), {"push.recipient": RECIPIENT})
    assert isinstance(changed.body, dict)
    assert changed.body["push"]["recipient"] == RECIPIENT


async def test_put_replaces_and_patch_changes_three_things(wire: Wire) -> None:
    await wire.ask("PUT", at("a"), PHONE | {"id": "a"})
    smaller = {"formFactor": "watch", "platform": "ios", "push": {"recipient": RECIPIENT}}
    replaced = without_time((await wire.ask("PUT", at("a"), smaller)).body)
    assert replaced == smaller | {"id": "a", "metadata": {}, "push": {"recipient": RECIPIENT, "state": "ACTIVE"}}
    new = {"transportType": "apns", "deviceToken": "t"}
    patched = await wire.ask(
        "PATCH", at("a"), {"clientId": "bob", "metadata": {"n": 1}, "push": {"recipient": new}, "platform": "ios"}
    )
    expected = {**replaced, "clientId": "bob", "metadata": {"n": 1}, "push": {"recipient": new, "state": "ACTIVE"}}
    assert without_time(patched.body) == expected
    for name, value in (("formFactor", "tv"), ("platform", "android"), ("id", "b"), ("deviceSecret", "x")):
        refused = await wire.ask("PATCH", at("a"), {name: value, "clientId": "eve"})
        assert refused.fault == (400, 40000)
        assert name in str(refused.body)
    assert without_time((await wire.ask("GET", at("a"))).body) == expected
    assert (await wire.ask("PATCH", at("none"), {"clientId": "eve"})).fault == (404, 40400)
    assert (await wire.ask("PUT", at("a"), smaller | {"id": "b"})).fault == (400, 40000)


@pytest.mark.parametrize(
    "change",
    [
        {"push": {"color": "red"}},
        {"push": {}},
        {"push": "text"},
        {"push": {"recipient": {"transportType": "xyz"}}},
        {"push": {"recipient": ["gcm"]}},
        {"push": {"recipient": {"transportType": "gcm"}}},
        {"push": {"recipient": {"transportType": "ablyChannel", "channel": "a"}}},
        {"platform": "native"},
        {"formFactor": 7},
        {"formFactor": None},
        {"metadata": "text"},
        {"clientId": "*"},
        {"deviceSecret": "x" * 201},
    ],
)
async def test_what_no_device_is(wire: Wire, change: dict[str, object]) -> None:
    assert (await wire.ask("PUT", at("a"), PHONE | {"id": "a"} | change)).fault == (400, 40000)
    assert await ids(wire) == []


@pytest.mark.parametrize(
    ("body", "type"), [(b"{", JSON), (b"\xc1", MSGPACK), (b"[]", JSON), (b"7", JSON), (b"%ff=1", FORM)]
)
async def test_bodies_that_cannot_be_read(wire: Wire, body: bytes, type: str) -> None:
    for method, path in (("PUT", at("a")), ("POST", DEVICES), ("POST", SUBSCRIPTIONS), ("POST", "/push/publish")):
        assert (await wire.ask(method, path, body, type)).fault == (400, 40000)


async def test_a_body_that_is_too_large(wire: Wire) -> None:
    large = PHONE | {"id": "a", "metadata": {"x": "y" * 17_000}}
    assert (await wire.ask("PUT", at("a"), large)).fault == (413, 40009)
    assert (await wire.ask("PUT", at("a"), {"x": "y" * 70_000})).fault == (413, 40009)
    assert (
        await wire.ask("POST", "/push/publish", {"recipient": {"clientId": "a"}, "data": {"x": "y" * 17_000}})
    ).fault == (
        413,
        40009,
    )


async def test_devices_are_listed_by_filter_and_page_and_removed(wire: Wire) -> None:
    for number in range(5):
        body = PHONE | {"id": f"d{number}", "clientId": "ann" if number < 3 else "bob"}
        await wire.ask("PUT", at(f"d{number}"), body)
    assert await ids(wire) == ["d0", "d1", "d2", "d3", "d4"]
    assert await ids(wire, limit=5000) == ["d0", "d1", "d2", "d3", "d4"]
    assert await ids(wire, deviceId="d3") == ["d3"]
    assert await ids(wire, clientId="ann") == ["d0", "d1", "d2"]
    first = await wire.ask("GET", DEVICES, limit=2)
    second = await wire.ask("GET", "/push/" + first.next)
    third = await wire.ask("GET", "/push/" + second.next)
    pages = [[each["id"] for each in page.body] for page in (first, second, third)]  # type: ignore[attr-defined]
    assert (pages, third.next) == ([["d0", "d1"], ["d2", "d3"], ["d4"]], "")
    assert first.next.startswith("./deviceRegistrations?")
    for limit in (0, -1, "many"):
        assert (await wire.ask("GET", DEVICES, limit=limit)).fault == (400, 40000)
    for query in ({}, {"deviceId": "d0", "clientId": "ann"}):
        assert (await wire.ask("DELETE", DEVICES, **query)).fault == (400, 40000)
    assert (await wire.ask("DELETE", DEVICES, clientId="ann")).status == 204
    assert (await wire.ask("DELETE", at("d3"))).status == 204
    assert (await wire.ask("DELETE", at("d3"))).status == 204
    assert await ids(wire) == ["d4"]
    assert (await wire.ask("GET", at("d3"))).fault == (404, 40400)


async def test_channels_are_subscribed_listed_and_left(wire: Wire) -> None:
    await wire.ask("PUT", at("d1"), PHONE | {"id": "d1"})
    made = await wire.ask("POST", SUBSCRIPTIONS, {"channel": "news", "deviceId": "d1"})
    assert (made.status, made.body) == (201, {"channel": "news", "deviceId": "d1"})
    again = await wire.ask("POST", SUBSCRIPTIONS, {"channel": "news", "deviceId": "d1"}, MSGPACK)
    assert (again.status, again.body) == (201, made.body)
    await wire.ask("POST", SUBSCRIPTIONS, {"channel": "news", "clientId": "bob"}, FORM)
    await wire.ask("POST", SUBSCRIPTIONS, {"channel": "art/é", "clientId": "bob"})
    expected = [("art/é", "bob"), ("news", "bob"), ("news", "d1")]
    assert await subscribed(wire) == expected
    assert await subscribed(wire, channel="news") == expected[1:]
    assert await subscribed(wire, deviceId="d1") == expected[2:]
    assert await subscribed(wire, clientId="bob", channel="art/é") == expected[:1]
    assert await subscribed(wire, clientId="bob", deviceId="d1", concatFilters="true", channel="news") == expected[1:]
    first = await wire.ask("GET", SUBSCRIPTIONS, limit=2)
    rest = await wire.ask("GET", "/push/" + first.next)
    assert (rest.body, rest.next) == ([{"channel": "news", "deviceId": "d1"}], "")
    channels = await wire.ask("GET", "/push/channels")
    assert channels.body == ["art/é", "news"]
    page = await wire.ask("GET", "/push/channels", limit=1)
    assert (await wire.ask("GET", "/push/" + page.next)).body == ["news"]
    refused: list[tuple[dict[str, object], tuple[int, int]]] = [
        ({"channel": "news"}, (400, 40000)),
        ({"channel": "news", "deviceId": "d1", "clientId": "bob"}, (400, 40000)),
        ({"deviceId": "d1"}, (400, 40000)),
        ({"channel": "", "deviceId": "d1"}, (400, 40000)),
        ({"channel": "news", "deviceId": "unknown"}, (404, 40400)),
        ({"channel": "news", "clientId": 7}, (400, 40000)),
    ]
    for body, fault in refused:
        assert (await wire.ask("POST", SUBSCRIPTIONS, body)).fault == fault, body
    for query in ({}, {"deviceId": "d1", "clientId": "bob"}):
        assert (await wire.ask("DELETE", SUBSCRIPTIONS, **query)).fault == (400, 40000)
    assert (await wire.ask("GET", SUBSCRIPTIONS, clientId="bob", deviceId="d1")).fault == (400, 40000)
    for cursor in ("x", "[1,2,3]", '["a"]'):
        assert (await wire.ask("GET", SUBSCRIPTIONS, cursor=cursor)).fault == (400, 40000)
    assert (await wire.ask("DELETE", SUBSCRIPTIONS, channel="news", clientId="bob")).status == 204
    assert await subscribed(wire) == [("art/é", "bob"), ("news", "d1")]
    await wire.ask("DELETE", at("d1"))
    assert await subscribed(wire) == [("art/é", "bob")]


@pytest.mark.parametrize("inside", [True, False])
async def test_a_push_reaches_the_channel_of_its_recipient(wire: Wire, inside: bool) -> None:
    key = await wire.house.keyring.create_key(capability={"inbox": ["publish"]})
    recipient = {"transportType": "ablyChannel", "channel": "inbox", "ablyKey": key.text, "ablyUrl": wire.url}
    heard: list[Message] = []
    inbox = Address(APP, "inbox")
    wire.house.channels.broker.subscribe(inbox, heard.extend)  # type: ignore[arg-type]
    saved = await wire.ask("PUT", at("d1"), PHONE | {"id": "d1", "push": {"recipient": recipient}})
    assert isinstance(saved.body, dict)
    assert key.secret not in str(saved.body)
    # What was got may be put back, though the key is no more among it.
    assert (await wire.ask("PUT", at("d1"), PHONE | {"id": "d1", "push": saved.body["push"]})).status == 200
    said = {"notification": {"title": "Tea"}, "data": {"a": "b"}}
    for number, whom in enumerate(({"deviceId": "d1"}, {"clientId": "ann"}, recipient), 1):
        body = {"recipient": whom, "push": said} if inside else {"recipient": whom, **said}
        sent = await wire.ask("POST", "/push/publish", body, MSGPACK if number == 2 else JSON)
        assert (sent.status, sent.body) == (204, b"")
        async with wire.house.database.reading():
            pass
        await wire.house.channels.settle(inbox)
        while len(heard) < number:
            await wire.session.get(wire.url)
        assert (heard[-1].name, orjson.loads(heard[-1].data)) == ("__ably_push__", said)


async def test_what_cannot_be_pushed(wire: Wire) -> None:
    said = {"notification": {"title": "Tea"}}
    narrow = await wire.house.keyring.create_key(capability={"mine": ["publish"]})
    relayed = {"transportType": "ablyChannel", "channel": "inbox"}
    refused: list[tuple[dict[str, object], tuple[int, int]]] = [
        ({}, (400, 40000)),
        (said, (400, 40000)),
        ({"recipient": {"clientId": "ann"}}, (400, 40000)),
        ({"recipient": {"clientId": "ann"}, "notification": "text"}, (400, 40000)),
        ({"recipient": {}, **said}, (400, 40000)),
        ({"recipient": {"deviceId": "unknown"}, **said}, (404, 40400)),
        ({"recipient": "ann", **said}, (400, 40000)),
        ({"recipient": {"transportType": "pigeon"}, **said}, (400, 40000)),
        ({"recipient": relayed, **said}, (400, 40000)),
        ({"recipient": relayed | {"ablyKey": "nonsense"}, **said}, (400, 40005)),
        ({"recipient": relayed | {"ablyKey": narrow.text + "x"}, **said}, (401, 40101)),
        ({"recipient": relayed | {"ablyKey": narrow.text}, **said}, (401, 40160)),
    ]
    for body, fault in refused:
        assert (await wire.ask("POST", "/push/publish", body)).fault == fault, body
    assert wire.house.queue.endpoints() == {}


# Who may.


async def test_a_device_registers_itself_and_proves_who_it_is(wire: Wire) -> None:
    ann = await other(wire, client_id="ann")
    body = {name: value for name, value in PHONE.items() if name not in ("metadata", "clientId")}
    made = await ann.ask("POST", DEVICES, body | {"id": "mine"})
    assert made.status == 201
    assert isinstance(made.body, dict)
    token = made.body["deviceIdentityToken"]["token"]
    assert (made.body["clientId"], made.body["deviceIdentityToken"]["deviceId"]) == ("ann", "mine")
    await wire.ask("PUT", at("foreign"), PHONE | {"id": "foreign", "deviceSecret": "another"})
    encoded = base64.b64encode(token.encode()).decode()
    ways = {
        "token": ann.saying(X_Ably_DeviceToken=token),
        "base64": ann.saying(X_Ably_DeviceToken=encoded),
        "secret": ann.saying(X_Ably_DeviceSecret="s3cret"),
        "bearer": ann.saying(Authorization=f"Bearer {encoded}", X_Ably_ClientId=""),
        "plain bearer": ann.saying(Authorization=f"Bearer {token}", X_Ably_ClientId=""),
    }
    for name, device in ways.items():
        assert (await device.ask("GET", at("mine"))).status == 200, name
        assert await ids(device, deviceId="mine") == ["mine"], name
        patched = await device.ask(
            "PATCH", at("mine"), {"push": {"recipient": RECIPIENT | {"registrationToken": name}}}
        )
        assert isinstance(patched.body, dict)
        assert patched.body["push"]["recipient"]["registrationToken"] == name
        subscription = await device.ask("POST", SUBSCRIPTIONS, {"channel": name, "deviceId": "mine"})
        assert (subscription.status, subscription.body) == (201, {"channel": name, "deviceId": "mine"})
        assert (name, "mine") in await subscribed(device, deviceId="mine")
        assert (await device.ask("DELETE", SUBSCRIPTIONS, channel=name, deviceId="mine")).status == 204
        refusals = [
            await device.ask("GET", at("foreign")),
            await device.ask("GET", at("unknown")),
            await device.ask("GET", DEVICES),
            await device.ask("GET", DEVICES, clientId="ann"),
            await device.ask("GET", SUBSCRIPTIONS),
            await device.ask("GET", "/push/channels"),
            await device.ask("DELETE", DEVICES, deviceId="foreign"),
            await device.ask("DELETE", at("foreign")),
            await device.ask("DELETE", SUBSCRIPTIONS, channel="news"),
            await device.ask("PATCH", at("foreign"), {"clientId": "ann"}),
            await device.ask("PUT", at("foreign"), body | {"deviceSecret": "guessed", "id": "foreign"}),
            await device.ask("POST", DEVICES, body | {"deviceSecret": "guessed", "id": "foreign"}),
            await device.ask("GET", f"{at('foreign')}/resetUpdateToken"),
            await device.ask("POST", SUBSCRIPTIONS, {"channel": "news", "deviceId": "foreign"}),
            await device.ask("POST", SUBSCRIPTIONS, {"channel": "news", "clientId": "bob"}),
            await device.ask("POST", "/push/publish", {"recipient": {"deviceId": "mine"}, "data": {"a": "b"}}),
            await device.ask("PATCH", at("mine"), {"metadata": {"a": 1}}),
            await device.ask("PUT", at("mine"), body | {"id": "mine", "metadata": {"a": 1}}),
        ]
        assert {refused.status for refused in refusals} == {401}, name
        assert (await device.ask("PATCH", at("mine"), {"clientId": "bob"})).fault == (400, 40012)
    assert (await ann.ask("GET", at("mine"))).fault == (401, 40100)
    reset = await ways["secret"].ask("GET", f"{at('mine')}/resetUpdateToken")
    assert isinstance(reset.body, dict)
    renewed = reset.body["updateToken"]
    assert renewed == reset.body["deviceIdentityToken"]["token"] != token
    assert (await ways["bearer"].ask("GET", at("mine"))).fault == (401, 41001)
    fresh = ann.saying(Authorization=f"Bearer {renewed}", X_Ably_ClientId="")
    assert (await fresh.ask("DELETE", DEVICES, deviceId="mine")).status == 204
    assert (await fresh.ask("GET", at("mine"))).fault == (401, 41001)
    assert await ids(wire) == ["foreign"]


async def test_a_client_subscribes_itself_where_it_may(wire: Wire) -> None:
    ann = await other(wire, {"news:*": ["push-subscribe"]}, "ann")
    assert (await ann.ask("POST", SUBSCRIPTIONS, {"channel": "news:1", "clientId": "ann"})).status == 201
    assert (await ann.ask("POST", SUBSCRIPTIONS, {"channel": "other", "clientId": "ann"})).fault == (401, 40160)
    assert (await ann.ask("POST", SUBSCRIPTIONS, {"channel": "news:1", "clientId": "bob"})).fault == (401, 40160)
    assert await subscribed(ann, clientId="ann") == [("news:1", "ann")]
    admin = await other(wire, {"news:*": ["push-admin"]})
    assert (await admin.ask("POST", SUBSCRIPTIONS, {"channel": "news:2", "clientId": "bob"})).status == 201
    assert (await admin.ask("POST", SUBSCRIPTIONS, {"channel": "other", "clientId": "bob"})).fault == (401, 40160)
    assert (await ann.ask("DELETE", SUBSCRIPTIONS, channel="news:2", clientId="bob")).fault == (401, 40160)
    assert (await ann.ask("DELETE", SUBSCRIPTIONS, clientId="ann")).status == 204
    assert await subscribed(wire) == [("news:2", "bob")]


async def test_who_has_no_part_in_push_is_refused_everywhere(wire: Wire) -> None:
    await wire.ask("PUT", at("d1"), PHONE | {"id": "d1"})
    reader = await other(wire, {"*": ["subscribe", "publish"]}, X_Ably_DeviceSecret="s3cret")
    nobody = reader.saying(Authorization="")
    requests: list[tuple[str, str, object]] = [
        ("GET", DEVICES, None),
        ("POST", DEVICES, PHONE | {"id": "new"}),
        ("DELETE", f"{DEVICES}?deviceId=d1", None),
        ("GET", at("d1"), None),
        ("PUT", at("d1"), PHONE | {"id": "d1"}),
        ("PATCH", at("d1"), {"clientId": "eve"}),
        ("DELETE", at("d1"), None),
        ("GET", f"{at('d1')}/resetUpdateToken", None),
        ("GET", f"{SUBSCRIPTIONS}?deviceId=d1", None),
        ("POST", SUBSCRIPTIONS, {"channel": "news", "deviceId": "d1"}),
        ("DELETE", f"{SUBSCRIPTIONS}?deviceId=d1", None),
        ("GET", "/push/channels", None),
        ("POST", "/push/publish", {"recipient": {"deviceId": "d1"}, "data": {"a": "b"}}),
    ]
    for method, path, body in requests:
        assert (await reader.ask(method, path, body)).fault == (401, 40160), path
        assert (await nobody.ask(method, path, body)).fault == (401, 40101), path
    assert await ids(wire) == ["d1"]
    assert await subscribed(wire) == []


async def test_apps_know_nothing_of_each_other(wire: Wire) -> None:
    made = await wire.ask("POST", DEVICES, PHONE | {"id": "d1"})
    assert isinstance(made.body, dict)
    app = await wire.house.keyring.create_app("other")
    stranger = wire.as_key(await wire.house.keyring.create_key(app.id))
    assert await ids(stranger) == []
    assert (await stranger.ask("GET", at("d1"))).fault == (404, 40400)
    token = made.body["deviceIdentityToken"]["token"]
    assert (await stranger.saying(X_Ably_DeviceToken=token).ask("GET", DEVICES)).fault == (401, 41001)
    await stranger.ask("DELETE", at("d1"))
    assert await ids(wire) == ["d1"]


async def test_browsers_are_told_the_key(wire: Wire) -> None:
    answer = await wire.saying(Authorization="").ask("GET", "/push/publicVapidKey")
    assert (answer.status, answer.type, answer.body) == (200, "text/plain; charset=utf-8", b"the-key")


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["push", "push.recipient", "push.recipient.a", "id", "a.b", "."]), JSONS))
def test_whatever_has_dots_can_be_unfolded(document: dict[str, object]) -> None:
    found = unfolded(document)
    assert unfolded(found) == found or any(isinstance(each, str) and "{" in each for each in document.values())
    try:
        details = Details.model_validate(document)
    except ValueError:
        return
    assert details.recipient is None or isinstance(details.recipient, dict)
