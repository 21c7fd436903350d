"""Who asks: addresses through proxies, and what tells players apart."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from web.addresses import TRUSTED_PROXIES, TrustedProxies, client_address, viewer_id

PROXIES = TrustedProxies([ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"), ip_network("::1/128")])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.9", "", "192.0.2.9"),
        ("192.0.2.9", "198.51.100.1", "192.0.2.9"),  # not from a proxy of ours
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "203.0.113.66, 198.51.100.1", "198.51.100.1"),  # the first was invented by the client
        ("127.0.0.1", "203.0.113.66, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
        ("127.0.0.1", "10.9.9.9, 10.1.2.3", "10.9.9.9"),
        ("127.0.0.1", "198.51.100.1:51000", "198.51.100.1"),
        ("127.0.0.1", "[2001:db8::7]:51000", "2001:db8::7"),
        ("127.0.0.1", "198.51.100.1, unknown", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1," + "10.0.0.1," * 500 + "10.0.0.2", "10.0.0.1"),  # bounded
    ],
)
def test_the_client_behind_proxies(peer: str, forwarded: str, client: str) -> None:
    assert PROXIES.client(peer, forwarded) == client


@given(st.text(max_size=80))
@settings(max_examples=150, deadline=None)
def test_no_header_raises(forwarded: str) -> None:
    assert PROXIES.client("127.0.0.1", forwarded)


def request(headers: Mapping[str, str] | CIMultiDict[str], path: str = "/hls/stream.m3u8") -> web.Request:
    app = web.Application()
    app[TRUSTED_PROXIES] = PROXIES
    made = make_mocked_request("GET", path, CIMultiDict(headers), app=app)
    return made.clone(remote="127.0.0.1")


def identity(path: str = "/hls/stream.m3u8", **headers: str) -> str:
    return viewer_id(request({name.replace("_", "-"): value for name, value in headers.items()}, path))


def test_all_lines_of_a_repeated_header_count() -> None:
    lines = CIMultiDict([("X-Forwarded-For", "203.0.113.66"), ("X-Forwarded-For", "198.51.100.1")])
    assert client_address(request(lines)) == "198.51.100.1"


def test_one_player_is_the_same_wherever_it_says_its_cmcd_session() -> None:
    ids = {
        identity(CMCD_Session='cid="show",sid="6e2fb550",st=l'),
        identity(CMCD='br=3200,sid="6e2fb550"'),
        identity("/hls/0/stream.m3u8?CMCD=br%3D3200%2Csid%3D%226e2fb550%22"),
        identity(CMCD_Session='sid="6e2fb550"', Cookie="viewer=other", User_Agent="x"),
    }
    assert len(ids) == 1
    (found,) = ids
    assert len(found) == 32


def test_players_are_told_apart() -> None:
    ids = [
        identity(CMCD_Session='sid="a"'),
        identity(CMCD_Session='sid="b"'),
        identity(X_Playback_Session_Id="a"),
        identity(Cookie="viewer=a"),
        identity(Cookie="viewer=b"),
        identity(User_Agent="VLC"),
        identity(User_Agent="mpv"),
        identity(User_Agent="mpv", X_Forwarded_For="198.51.100.1"),
    ]
    assert len(set(ids)) == len(ids)
    assert identity(User_Agent="mpv") == ids[6]


@pytest.mark.parametrize("nonsense", ['sid=""', "sid=", 'sid="' + "x" * 500 + '"', 'asid="a"', "%", '"'])
def test_nonsense_is_no_session(nonsense: str) -> None:
    assert identity(CMCD_Session=nonsense) == identity()
