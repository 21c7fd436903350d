"""Token requests and tokens: the signed text, the window of time, replays, and texts that somebody made up."""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owncast_py.realtime import tokens
from owncast_py.realtime.errors import AccessError, Reason
from owncast_py.realtime.tokens import Claims, Replays, TokenRequest, to_milliseconds

NOW = datetime(2026, 3, 4, 5, 6, 7, 123_000, tzinfo=UTC)
SECRET = "the-secret-of-the-key-with-enough-bits"
NAME = "owncast.key1"
SIGNED = TokenRequest(NAME, 3_600_000, '{"*":["*"]}', "ana", to_milliseconds(NOW), "1234567890123456", "not yet signed")
CLAIMS = Claims(NAME, NOW, NOW + timedelta(hours=1), '{"*":["*"]}', "ana", "group")


def reason(call: object, *arguments: object) -> Reason:
    with pytest.raises(AccessError) as refused:
        call(*arguments)  # type: ignore[operator]
    assert SECRET not in str(refused.value)
    return refused.value.reason


def web_token(secret: str = SECRET, *, headers: dict[str, object] | None = None, **claims: object) -> str:
    said: dict[str, object] = {"iat": to_milliseconds(NOW) // 1000, "exp": to_milliseconds(NOW) // 1000 + 3600}
    said |= {name.replace("_", "-"): value for name, value in claims.items()}
    given = {name: value for name, value in said.items() if value is not ...}
    return jwt.encode(given, secret, "HS256", headers={"kid": NAME} | (headers or {}))


def test_the_mac_is_over_six_lines() -> None:
    text = f'owncast.key1\n3600000\n{{"*":["*"]}}\nana\n{to_milliseconds(NOW)}\n1234567890123456\n'
    assert SIGNED.signed_text == text
    assert SIGNED.sign(SECRET) == base64.b64encode(hmac.digest(SECRET.encode(), text.encode(), hashlib.sha256)).decode()
    assert TokenRequest(NAME, timestamp=1).signed_text == "owncast.key1\n\n\n\n1\n\n"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"mac": ""}, Reason.BAD_MAC),
        ({"mac": "\ud800"}, Reason.BAD_MAC),
        ({"mac": TokenRequest("owncast.key2").sign(SECRET)}, Reason.BAD_MAC),
        ({"timestamp": None}, Reason.BAD_TIMESTAMP),
        ({"timestamp": to_milliseconds(NOW - timedelta(hours=1))}, Reason.BAD_TIMESTAMP),
        ({"timestamp": to_milliseconds(NOW + timedelta(hours=1))}, Reason.BAD_TIMESTAMP),
        ({"timestamp": 10**20}, Reason.BAD_TIMESTAMP),
        ({"nonce": "short"}, Reason.BAD_NONCE),
        ({"nonce": "x" * 201}, Reason.BAD_NONCE),
    ],
)
def test_a_request_must_be_signed_about_now(changes: dict[str, object], expected: Reason) -> None:
    request = replace(SIGNED, **changes)  # type: ignore[arg-type]
    if "mac" not in changes:
        request = replace(request, mac=request.sign(SECRET))
    assert reason(request.check_signature, SECRET, NOW) is expected


@pytest.mark.parametrize("part", ["key_name", "ttl", "capability", "client_id", "timestamp", "nonce"])
def test_no_part_of_a_signed_request_can_be_changed(part: str) -> None:
    signed = replace(SIGNED, mac=SIGNED.sign(SECRET))
    signed.check_signature(SECRET, NOW)
    other: object = 60_000 if part in ("ttl", "timestamp") else "something else entirely"
    assert reason(replace(signed, **{part: other}).check_signature, SECRET, NOW) is Reason.BAD_MAC  # type: ignore[arg-type]
    assert reason(signed.check_signature, SECRET + "x", NOW) is Reason.BAD_MAC


def test_a_request_is_good_for_minutes_and_once() -> None:
    replays = Replays()
    signed = replace(SIGNED, mac=SIGNED.sign(SECRET))
    for minutes in (-5, 5):
        signed.check_signature(SECRET, NOW + timedelta(minutes=minutes))
    replays.note(signed, NOW)
    assert reason(replays.note, signed, NOW) is Reason.BAD_NONCE
    # The same nonce at another time, and of another key, is another request.
    replays.note(replace(signed, timestamp=signed.timestamp + 1 if signed.timestamp else 0), NOW)
    replays.note(replace(signed, key_name="owncast.key2"), NOW)
    assert reason(replays.note, signed, NOW + timedelta(minutes=5)) is Reason.BAD_NONCE


def test_requests_are_remembered_up_to_a_limit_and_for_as_long_as_they_are_good() -> None:
    replays = Replays(limit=2)
    for number in range(2):
        replays.note(replace(SIGNED, nonce=f"{number}"), NOW)
    assert reason(replays.note, SIGNED, NOW) is Reason.TOO_MANY
    later = NOW + 2 * tokens.CLOCK_WINDOW + timedelta(milliseconds=1)
    for number in range(2):
        replays.note(replace(SIGNED, nonce=f"{number}"), later)
    assert reason(replays.note, SIGNED, later) is Reason.TOO_MANY


@pytest.mark.parametrize(("ttl", "hours"), [(None, 1), (1, 1 / 3_600_000), (24 * 3_600_000, 24)])
def test_a_token_is_valid_for_an_hour_unless_told_otherwise(ttl: int | None, hours: float) -> None:
    assert TokenRequest(NAME, ttl).lifetime == timedelta(hours=hours)


@pytest.mark.parametrize("ttl", [0, -1, 24 * 3_600_000 + 1, 10**30])
def test_no_token_is_valid_for_longer_than_a_day(ttl: int) -> None:
    with pytest.raises(AccessError) as refused:
        TokenRequest(NAME, ttl).lifetime  # noqa: B018 - it raises
    assert refused.value.reason is Reason.BAD_TTL


def test_a_token_says_again_what_was_sealed_in_it() -> None:
    token = tokens.seal(CLAIMS, SECRET)
    assert token.startswith("owncast.")
    assert tokens.key_name_of(token) == NAME
    assert tokens.unseal(token, SECRET, NOW) == CLAIMS
    assert tokens.seal(CLAIMS, SECRET) != token
    assert SECRET not in token


def test_a_token_ends_at_its_time() -> None:
    token = tokens.seal(CLAIMS, SECRET)
    assert tokens.unseal(token, SECRET, CLAIMS.expires_at - timedelta(milliseconds=1)) == CLAIMS
    assert reason(tokens.unseal, token, SECRET, CLAIMS.expires_at) is Reason.TOKEN_EXPIRED
    early = NOW - tokens.CLOCK_WINDOW - timedelta(milliseconds=1)
    assert reason(tokens.unseal, token, SECRET, early) is Reason.BAD_TIMESTAMP


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1_000), st.integers(1, 255))
def test_whoever_changes_one_octet_of_a_token_has_none(at: int, bits: int) -> None:
    app, _, text = tokens.seal(CLAIMS, SECRET).partition(".")
    sealed = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    sealed[at % len(sealed)] ^= bits
    forged = f"{app}.{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}"
    assert reason(tokens.unseal, forged, SECRET, NOW) in (Reason.TOKEN_UNRECOGNISED, Reason.TOKEN_MALFORMED)


def test_a_token_is_worth_nothing_in_another_app_or_with_another_key() -> None:
    token = tokens.seal(CLAIMS, SECRET)
    assert reason(tokens.unseal, token, SECRET + "x", NOW) is Reason.TOKEN_UNRECOGNISED
    assert reason(tokens.unseal, "other" + token[len("owncast") :], SECRET, NOW) is Reason.TOKEN_UNRECOGNISED


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: f"a.{base64.urlsafe_b64encode(raw).decode()}"))
def test_made_up_tokens_are_refused_and_nothing_else_happens(text: str) -> None:
    assert reason(tokens.unseal, text, SECRET, NOW) in (
        Reason.TOKEN_MALFORMED,
        Reason.TOKEN_UNRECOGNISED,
        Reason.BAD_JWT,
    )


@pytest.mark.parametrize(
    "said",
    [
        b"not json",
        b"{}",
        orjson.dumps([to_milliseconds(NOW), to_milliseconds(NOW) + 1, "", "", ""]),
        orjson.dumps([to_milliseconds(NOW), to_milliseconds(NOW) + 86_400_001, "", "", "", ""]),
        orjson.dumps([to_milliseconds(NOW), 10**18, "", "", "", ""]),
        orjson.dumps([10**18, 10**18 + 1, "", "", "", ""]),
        orjson.dumps([-1, 1, "", "", "", ""]),
        orjson.dumps([0, 1, None, "", "", ""]),
        b"[" + b" " * 10_000_000 + b"]",
    ],
)
def test_even_a_signed_token_must_make_sense(said: bytes) -> None:
    head, body = b"\x04key1", zlib.compress(said)
    key = hmac.digest(SECRET.encode(), b"owncast-py token 1", hashlib.sha256)
    mac = hmac.digest(key, b"owncast." + head + body, hashlib.sha256)
    token = "owncast." + base64.urlsafe_b64encode(head + mac + body).decode().rstrip("=")
    assert reason(tokens.unseal, token, SECRET, NOW) is Reason.TOKEN_MALFORMED


def test_a_web_token_says_who_may_what_and_until_when() -> None:
    token = web_token(
        x_ably_capability='{"chat":["subscribe"]}', **{"x-ably-clientId": "ana", "x-ably-revocation-key": "group"}
    )
    claims = tokens.unseal(token, SECRET, NOW)
    whole = NOW.replace(microsecond=0)
    assert claims == Claims(
        NAME, whole, whole + timedelta(hours=1), '{"chat":["subscribe"]}', client_id="ana", revocation_key="group"
    )
    assert tokens.key_name_of(token) == NAME
    assert tokens.embedded(token) is None
    mapped = tokens.unseal(web_token(x_ably_capability={"chat": ["publish"]}), SECRET, NOW)
    assert orjson.loads(mapped.capability) == {"chat": ["publish"]}


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"exp": ...}, Reason.BAD_JWT),
        ({"iat": ...}, Reason.BAD_JWT),
        ({"exp": "tomorrow"}, Reason.BAD_JWT),
        ({"exp": float("nan")}, Reason.BAD_JWT),
        ({"exp": float("inf")}, Reason.BAD_JWT),
        ({"exp": 10**400}, Reason.BAD_JWT),
        ({"iat": True}, Reason.BAD_JWT),
        ({"iat": 0}, Reason.BAD_JWT),
        ({"exp": 1}, Reason.BAD_JWT),
        ({"iat": 1, "exp": 2}, Reason.TOKEN_EXPIRED),
        ({"iat": to_milliseconds(NOW) // 1000 + 3590}, Reason.BAD_TIMESTAMP),
        ({"x-ably-clientId": 5}, Reason.BAD_JWT),
        ({"x-ably-clientId": "\ud800"}, Reason.BAD_JWT),
        ({"x-ably-clientId": "x" * 201}, Reason.BAD_JWT),
        ({"x-ably-capability": ["*"]}, Reason.BAD_JWT),
        ({"x-ably-revocation-key": "x" * 65}, Reason.BAD_JWT),
    ],
)
def test_web_tokens_must_make_sense(claims: dict[str, object], expected: Reason) -> None:
    assert reason(tokens.unseal, web_token(**claims), SECRET, NOW) is expected


def test_a_web_token_must_be_signed_with_its_key_and_by_no_other_way() -> None:
    said = {"iat": to_milliseconds(NOW) // 1000, "exp": to_milliseconds(NOW) // 1000 + 60}
    assert reason(tokens.unseal, web_token("another secret, as long as the other"), SECRET, NOW) is Reason.BAD_JWT
    unsigned = jwt.encode(said, None, "none", headers={"kid": NAME})
    longer = jwt.encode(said, SECRET * 2, "HS512", headers={"kid": NAME})
    for token in (unsigned, longer, web_token() + "x", "a.b.c", "..", web_token()[:-5]):
        assert reason(tokens.unseal, token, SECRET, NOW) is Reason.BAD_JWT
    assert reason(tokens.key_name_of, jwt.encode(said, SECRET, "HS256")) is Reason.BAD_JWT
    deep = base64.urlsafe_b64encode(b"[" * 6_000).decode().rstrip("=")
    assert reason(tokens.key_name_of, f"{deep}.{deep}.x"[: tokens.MAX_TOKEN]) is Reason.BAD_JWT


@pytest.mark.parametrize("where", ["claims", "header"])
def test_a_web_token_can_carry_one_of_ours(where: str) -> None:
    inner = tokens.seal(CLAIMS, SECRET)
    token = web_token(
        "a secret that this server does not know",
        headers={"x-ably-token": inner} if where == "header" else None,
        **{"x-ably-token": inner} if where == "claims" else {},
    )
    assert tokens.embedded(token) == (inner, NOW.replace(microsecond=0) + timedelta(hours=1))
    assert reason(tokens.embedded, web_token(x_ably_token=5)) is Reason.BAD_JWT


def test_a_token_that_is_too_long_is_not_looked_at() -> None:
    assert reason(tokens.key_name_of, "a." + "A" * tokens.MAX_TOKEN) is Reason.TOKEN_MALFORMED
