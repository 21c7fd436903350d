"""Places of addresses, with files that are whole, missing and damaged."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import mmdb
import pytest

from owncast_py.metrics import geo as module
from owncast_py.metrics.geo import Geo, GeoIp

OXFORD: mmdb.Value = {
    "country": {"iso_code": "GB", "names": {"en": "United Kingdom", "de": "Vereinigtes Königreich"}},
    "subdivisions": [{"names": {"de": "X", "en": "England"}}, {"names": {"en": "Oxfordshire"}}],
    "location": {"time_zone": "Europe/London"},
}
ODD: mmdb.Value = {"country": "GB", "subdivisions": {"names": 5}, "location": ["Europe/London"]}
NETWORKS: dict[str, mmdb.Value] = {
    "81.2.69.0/24": OXFORD,
    "81.2.70.0/24": {"country": {"iso_code": "SE"}},
    "1.1.1.0/24": ODD,
    "10.0.0.0/8": OXFORD,
}


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[GeoIp]:
    geo = GeoIp(path)
    await geo.start()
    yield geo
    await geo.aclose()


async def test_places(tmp_path: Path) -> None:
    async with opened(mmdb.write(tmp_path / "City.mmdb", NETWORKS)) as geo:
        assert geo.enabled
        oxford = Geo("GB", "England", "Europe/London")
        assert geo.lookup("81.2.69.142") == oxford
        assert geo.lookup("::ffff:81.2.69.1") == oxford
        assert geo.lookup("81.2.70.1") == Geo("SE", "", "")
        for unknown in ("1.1.1.1", "8.8.8.8", "2606:4700::1", "2606:4700::1%eth0"):
            assert geo.lookup(unknown) is None
    assert not geo.enabled
    assert geo.lookup("81.2.69.142") is None


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "127.0.0.1", "192.168.0.1", "::1", "fe80::1", "::ffff:10.1.2.3", "", "x", "81.2.69", "1" * 1000, "\0"],
)
async def test_private_addresses_and_other_texts_have_no_place(tmp_path: Path, address: str) -> None:
    async with opened(mmdb.write(tmp_path / "City.mmdb", NETWORKS)) as geo:
        assert geo.lookup(address) is None


async def test_without_a_file_it_is_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with opened(tmp_path / "none.mmdb") as geo:
        assert not geo.enabled
        assert geo.lookup("81.2.69.142") is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"hello", bytes(100_000), b"\xab\xcd\xefMaxMind.com"])
async def test_a_file_that_is_no_database(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "City.mmdb"
    path.write_bytes(content)
    async with opened(path) as geo:
        assert not geo.enabled
    assert "viewers' places are unknown" in capsys.readouterr().out


async def test_a_directory_is_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with opened(tmp_path) as geo:
        assert not geo.enabled
    assert "viewers' places are unknown" in capsys.readouterr().out


async def test_damage_inside_is_logged_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = mmdb.database(NETWORKS)
    tree = whole.index(bytes(16))
    path = tmp_path / "City.mmdb"
    path.write_bytes(b"\xff" * tree + whole[tree:])
    async with opened(path) as geo:
        assert geo.lookup("81.2.69.142") is None
        assert geo.lookup("81.2.69.143") is None
    assert capsys.readouterr().out.count("damaged") == 1


async def test_no_damage_raises(tmp_path: Path) -> None:
    whole = mmdb.database(NETWORKS)
    chance = random.Random(7)
    for number in range(200):
        content = bytearray(whole)
        for _ in range(chance.randrange(1, 8)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path = tmp_path / f"{number}.mmdb"
        path.write_bytes(content)
        async with opened(path) as geo:
            for address in ("81.2.69.142", "81.2.70.1", "1.1.1.1", "8.8.8.8"):
                geo.lookup(address)


async def test_answers_are_remembered_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CACHED", 2)
    asked: list[str] = []
    monkeypatch.setattr(GeoIp, "_find", lambda _self, address: asked.append(address))
    async with opened(mmdb.write(tmp_path / "City.mmdb", NETWORKS)) as geo:
        for address in ("a", "a", "b", "c", "a"):
            geo.lookup(address)
    assert asked == ["a", "b", "c", "a"]
