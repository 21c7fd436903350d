"""Matrix' device management: listing, reading, renaming and removing where one is signed in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from house import Clock
from matrix_wire import PASSWORD, Json, Matrix, homeserver, proof

from owncast_py.accounts.devices import MAX_DEVICE_ID, MAX_DEVICES, MAX_NAME_LENGTH

KEYS = {"device_id", "user_id", "display_name", "last_seen_ip", "last_seen_ts"}


@pytest.fixture
async def matrix(tmp_path: Path) -> AsyncIterator[Matrix]:
    async with homeserver(tmp_path) as matrix:
        yield matrix


def stamp(moment: datetime) -> int:
    """A moment as Matrix tells it."""
    return round(moment.timestamp() * 1000)


async def test_every_device_of_ones_own_is_listed_and_nobody_elses(matrix: Matrix) -> None:
    ana = await matrix.register("ana", initial_device_display_name="Phone")
    matrix.home.clock.turn(60)
    other = await matrix.login("ana", device_id="LAPTOP", initial_device_display_name="Laptop")
    await matrix.register("ben")
    first, second = await matrix.devices(ana)
    assert first.keys() == second.keys() == KEYS
    assert (first["device_id"], first["display_name"]) == (ana.device_id, "Phone")
    assert (second["device_id"], second["display_name"]) == ("LAPTOP", "Laptop")
    assert first["user_id"] == second["user_id"] == ana.user_id == other.user_id


async def test_one_device_is_read_as_it_is_listed(matrix: Matrix) -> None:
    ana = await matrix.register("ana", device_id="PHONE", initial_device_display_name="Phone")
    found = (await matrix.ask("GET", "devices/PHONE", person=ana)).done()
    assert found == (await matrix.devices(ana))[0]
    assert found.keys() == KEYS


@pytest.mark.parametrize("device_id", ["NOBODYS", "BENS"])
async def test_a_device_that_is_not_ones_own_is_not_found(matrix: Matrix, device_id: str) -> None:
    ana = await matrix.register("ana")
    ben = await matrix.register("ben", device_id="BENS", initial_device_display_name="Ben's")
    path = f"devices/{device_id}"
    assert device_id in (await matrix.ask("GET", path, person=ana)).refused(404, "M_NOT_FOUND")
    for body in ({}, {"display_name": "mine"}):
        (await matrix.ask("PUT", path, body, ana)).refused(404, "M_NOT_FOUND")
    assert [device["display_name"] for device in await matrix.devices(ben)] == ["Ben's"]


async def test_a_name_is_changed_and_kept_over_a_restart(tmp_path: Path) -> None:
    async with homeserver(tmp_path) as matrix:
        ana = await matrix.register("ana", device_id="PHONE", initial_device_display_name="Phone")
        assert (await matrix.ask("PUT", "devices/PHONE", {"display_name": "My other phone"}, ana)).done() == {}
        assert (await matrix.ask("GET", "devices/PHONE", person=ana)).done()["display_name"] == "My other phone"
        # Without a name, or anything else that is known, nothing is changed.
        for body in ({}, {"display_name": None}, {"last_seen_ip": "1.2.3.4"}, None):
            assert (await matrix.ask("PUT", "devices/PHONE", body, ana)).done() == {}
    async with homeserver(tmp_path) as matrix:
        [device] = await matrix.devices(ana)
        assert device["display_name"] == "My other phone"
        assert device["last_seen_ip"] == "127.0.0.1"


async def test_a_device_whose_name_is_taken_away_has_none(matrix: Matrix) -> None:
    ana = await matrix.register("ana", device_id="PHONE")
    assert (await matrix.ask("PUT", "devices/PHONE", {"display_name": ""}, ana)).done() == {}
    [device] = await matrix.devices(ana)
    assert device.keys() == KEYS - {"display_name"}


async def test_a_name_has_at_most_100_characters(matrix: Matrix) -> None:
    ana = await matrix.register("ana", device_id="PHONE")
    longest = "😀" * MAX_NAME_LENGTH
    assert MAX_NAME_LENGTH == 100
    assert (await matrix.ask("PUT", "devices/PHONE", {"display_name": longest}, ana)).done() == {}
    too_long = await matrix.ask("PUT", "devices/PHONE", {"display_name": longest + "x"}, ana)
    assert "not 101" in too_long.refused(400, "M_TOO_LARGE")
    [device] = await matrix.devices(ana)
    assert device["display_name"] == longest


async def test_a_long_name_at_sign_in_is_shortened(matrix: Matrix) -> None:
    ana = await matrix.register("ana", initial_device_display_name="x" * 101)
    [device] = await matrix.devices(ana)
    assert device["display_name"] == "x" * 100


async def test_a_device_that_names_itself_nothing_is_called_as_its_program_is(matrix: Matrix) -> None:
    await matrix.register("ana")
    identifier = {"type": "m.id.user", "user": "ana"}
    body = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD, "device_id": "PHONE"}
    await matrix.ask("POST", "login", body, User_Agent="Element 1.2")
    ana = await matrix.login("ana")
    names = {device["device_id"]: device.get("display_name") for device in await matrix.devices(ana)}
    assert names["PHONE"] == "Element 1.2"


async def test_a_device_is_removed_after_a_proof_and_its_token_with_it(matrix: Matrix) -> None:
    ana = await matrix.register("ana")
    phone = await matrix.login("ana", device_id="PHONE")
    session = (await matrix.ask("DELETE", "devices/PHONE", person=ana)).asks()
    assert await matrix.is_known(phone), "nothing is done before the proof"
    body = {"auth": proof(ana, session=session)}
    assert (await matrix.ask("DELETE", "devices/PHONE", body, ana)).done() == {}
    (await matrix.ask("GET", "devices/PHONE", person=ana)).refused(404, "M_NOT_FOUND")
    assert not await matrix.is_known(phone)
    assert await matrix.device_ids(ana) == [ana.device_id]


async def test_a_removed_device_stays_removed_over_a_restart(tmp_path: Path) -> None:
    async with homeserver(tmp_path) as matrix:
        ana = await matrix.register("ana")
        phone = await matrix.login("ana", device_id="PHONE")
        await matrix.delete(ana, "PHONE")
    async with homeserver(tmp_path) as matrix:
        assert not await matrix.is_known(phone)
        assert await matrix.device_ids(ana) == [ana.device_id]


async def test_a_device_may_remove_itself(matrix: Matrix) -> None:
    ana = await matrix.register("ana")
    body = {"auth": proof(ana)}
    assert (await matrix.ask("DELETE", f"devices/{ana.device_id}", body, ana)).done() == {}
    assert not await matrix.is_known(ana)


async def test_whether_a_device_exists_is_not_told_before_the_proof(matrix: Matrix) -> None:
    ana = await matrix.register("ana")
    session = (await matrix.ask("DELETE", "devices/NOBODYS", person=ana)).asks()
    body = {"auth": proof(ana, session=session)}
    assert (await matrix.ask("DELETE", "devices/NOBODYS", body, ana)).done() == {}
    assert await matrix.device_ids(ana) == [ana.device_id]


async def test_another_users_device_stays_where_it_is(matrix: Matrix) -> None:
    ana, ben = await matrix.register("ana"), await matrix.register("ben", device_id="BENS")
    assert (await matrix.ask("DELETE", "devices/BENS", {"auth": proof(ana)}, ana)).done() == {}
    await matrix.delete(ana, "BENS")
    assert await matrix.is_known(ben)


async def test_users_may_have_devices_of_the_same_id(matrix: Matrix) -> None:
    ana, ben = await matrix.register("ana", device_id="SAME"), await matrix.register("ben", device_id="SAME")
    await matrix.delete(ana, "SAME")
    assert not await matrix.is_known(ana)
    assert await matrix.is_known(ben)


async def test_many_devices_are_removed_at_once_and_unknown_ones_passed_over(matrix: Matrix) -> None:
    ana = await matrix.register("ana")
    gone = [await matrix.login("ana", device_id=name) for name in ("A", "B")]
    kept = await matrix.login("ana", device_id="C")
    body: Json = {"devices": ["A", "NOBODYS", "B", "A"]}
    session = (await matrix.ask("POST", "delete_devices", body, ana)).asks()
    body["auth"] = proof(ana, session=session)
    assert (await matrix.ask("POST", "delete_devices", body, ana)).done() == {}
    assert [await matrix.is_known(person) for person in (*gone, kept)] == [False, False, True]
    assert await matrix.device_ids(ana) == sorted([ana.device_id, "C"])


async def test_no_devices_are_removed_as_asked(matrix: Matrix) -> None:
    ana = await matrix.register("ana")
    await matrix.delete(ana)
    assert await matrix.device_ids(ana) == [ana.device_id]


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"auth": {"type": "m.login.password"}}, "M_MISSING_PARAM"),
        ({"devices": "A"}, "M_BAD_JSON"),
        ({"devices": {"A": 1}}, "M_BAD_JSON"),
        ({"devices": [1]}, "M_BAD_JSON"),
        ({"devices": None}, "M_BAD_JSON"),
        ({"devices": ["x"] * (MAX_DEVICES + 1)}, "M_INVALID_PARAM"),
        ([], "M_BAD_JSON"),
        (b"{", "M_NOT_JSON"),
    ],
)
async def test_a_list_that_is_none_is_refused_before_any_proof(matrix: Matrix, body: object, errcode: str) -> None:
    ana = await matrix.register("ana")
    (await matrix.ask("POST", "delete_devices", body, ana)).refused(400, errcode)


async def test_when_and_where_a_device_was_seen_is_shown_at_once(matrix: Matrix) -> None:
    clock = matrix.home.clock
    ana = await matrix.register("ana")
    clock.turn(5.5)
    phone = await matrix.login("ana", device_id="PHONE")
    began = clock.now()
    clock.turn(60)
    await matrix.ask("GET", "account/whoami", person=phone, X_Forwarded_For="2001:db8::7")
    seen = {device["device_id"]: device for device in await matrix.devices(ana)}
    assert (seen["PHONE"]["last_seen_ip"], seen["PHONE"]["last_seen_ts"]) == ("2001:db8::7", stamp(clock.now()))
    assert seen[ana.device_id]["last_seen_ts"] == stamp(clock.now()) > stamp(began)


async def test_when_a_device_was_seen_is_kept_once_it_is_flushed(tmp_path: Path) -> None:
    clock = Clock(datetime(2026, 3, 4, 5, 6, 7, 891_000, tzinfo=UTC))
    async with homeserver(tmp_path, clock=clock) as matrix:
        ana = await matrix.register("ana")
        await matrix.login("ana", device_id="PHONE")
        at = clock.now()
        await matrix.home.foundations.accounts.devices.flush_seen()
        # What is seen later than a flush is kept at the end of the server.
        clock.turn(60)
        await matrix.ask("GET", "account/whoami", person=ana, X_Forwarded_For="192.0.2.5")
        later = clock.now()
    clock.turn(timedelta(days=1).total_seconds())
    async with homeserver(tmp_path, clock=clock) as matrix:
        other = await matrix.login("ana", device_id="OTHER")
        seen = {device["device_id"]: device for device in await matrix.devices(other)}
        assert seen["PHONE"]["last_seen_ts"] == stamp(at)
        assert seen[ana.device_id]["last_seen_ts"] == stamp(later)
        assert [seen[each]["last_seen_ip"] for each in ("PHONE", ana.device_id)] == ["127.0.0.1", "192.0.2.5"]


async def test_a_device_that_was_never_used_does_not_say_when(matrix: Matrix) -> None:
    ana = await matrix.register("ana")
    user = await matrix.home.foundations.accounts.with_login("ana")
    assert user is not None
    await matrix.home.foundations.accounts.devices.sign_in(user.id, "", "NEW")
    assert (await matrix.ask("GET", "devices/NEW", person=ana)).done() == {"device_id": "NEW", "user_id": ana.user_id}


async def test_ids_and_tokens_are_too_random_to_be_guessed(matrix: Matrix) -> None:
    people = [await matrix.register(f"ana{number}") for number in range(5)]
    assert len({person.device_id for person in people}) == len({person.token for person in people}) == 5
    for person in people:
        assert re.fullmatch(r"[A-Za-z0-9_-]{16}", person.device_id), "96 bits"
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", person.token), "256 bits"


@pytest.mark.parametrize("device_id", ["a/b", "ü é", "a?b#c", "%2F", ".hidden", "{x}", "x" * MAX_DEVICE_ID])
async def test_an_id_that_somebody_chose_is_taken_whatever_stands_in_it(matrix: Matrix, device_id: str) -> None:
    ana = await matrix.register("ana")
    chosen = await matrix.login("ana", device_id=device_id)
    assert chosen.device_id == device_id
    path = f"devices/{quote(device_id, safe='')}"
    assert (await matrix.ask("PUT", path, {"display_name": "Chosen"}, ana)).done() == {}
    found = (await matrix.ask("GET", path, person=ana)).done()
    assert (found["device_id"], found["display_name"]) == (device_id, "Chosen")
    assert (await matrix.ask("DELETE", path, {"auth": proof(ana)}, ana)).done() == {}
    assert not await matrix.is_known(chosen)
    assert await matrix.is_known(ana)


async def test_whoever_signs_in_beyond_the_limit_takes_the_place_of_the_least_used_device(matrix: Matrix) -> None:
    ana = await matrix.register("ana")
    user = await matrix.home.foundations.accounts.with_login("ana")
    assert user is not None
    devices, clock = matrix.home.foundations.accounts.devices, matrix.home.clock
    for number in range(1, MAX_DEVICES):
        clock.turn(1)
        await devices.sign_in(user.id, "", f"D{number}")
    assert len(await matrix.devices(ana)) == MAX_DEVICES == 1_000
    # The oldest has just been used: the next one goes.
    clock.turn(1)
    other = await matrix.login("ana", device_id="NEWEST")
    found = await matrix.device_ids(other)
    assert len(found) == MAX_DEVICES
    assert "D1" not in found
    assert {ana.device_id, "D2", "NEWEST"} <= set(found)
    # A device that is there already makes no room for itself.
    again = await matrix.login("ana", device_id="D500")
    assert await matrix.device_ids(again) == found
