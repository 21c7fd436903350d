"""The keyring: who is let in with what, what outlives a restart, and how fast what is revoked is worth nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import jwt
import pytest
from house import Clock

from owncast_py.realtime import keyring as module
from owncast_py.realtime import tokens
from owncast_py.realtime.errors import AccessError, CapabilityError, KeyringError, Reason
from owncast_py.realtime.keyring import Grant, Issued, Keyring
from owncast_py.realtime.keys import Key, Target
from owncast_py.realtime.messages import DEFAULT_APP
from owncast_py.realtime.tokens import ANYBODY, TokenRequest, to_milliseconds
from owncast_py.storage.database import Database

PATIENCE = 10.0
HOUR = timedelta(hours=1)


@dataclass
class Rig:
    """A keyring of a process of its own, and its clock."""

    keyring: Keyring
    database: Database
    clock: Clock
    asleep: asyncio.Event
    """Set while it waits to look again."""
    wake: asyncio.Event

    def signed(self, key: Key, **fields: object) -> TokenRequest:
        """A request as a client signs it."""
        request = TokenRequest(key.name, timestamp=to_milliseconds(self.clock.now()), nonce="1234567890123456")
        request = replace(request, **fields)  # type: ignore[arg-type]
        return replace(request, mac=request.sign(key.secret))

    async def issued(self, key: Key, **fields: object) -> Issued:
        """A token of that key."""
        by = await self.keyring.verify_key(key.text)
        return await self.keyring.request_token(TokenRequest(key.name, **fields), by)  # type: ignore[arg-type]

    async def granted(self, key: Key, **fields: object) -> Grant:
        """What such a token grants."""
        return await self.keyring.verify_token((await self.issued(key, **fields)).token)

    async def look(self) -> None:
        """Lets it look for what others changed, as it does every second."""
        async with asyncio.timeout(PATIENCE):
            await self.asleep.wait()
            self.asleep.clear()
            self.wake.set()
            await self.asleep.wait()


@asynccontextmanager
async def process(address: str, clock: Clock) -> AsyncIterator[Rig]:
    """A keyring on that database; a second one beside it is another process, one after it a restart."""
    database = Database(address)
    await database.start()
    asleep, wake = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        assert seconds == module.POLL_SECONDS
        asleep.set()
        await wake.wait()
        wake.clear()

    keyring = Keyring(database, clock.now, sleep)
    await keyring.start()
    try:
        yield Rig(keyring, database, clock, asleep, wake)
    finally:
        await keyring.aclose()
        await database.aclose()


@pytest.fixture
async def rig(address: str, clock: Clock) -> AsyncIterator[Rig]:
    async with process(address, clock) as opened:
        yield opened


async def refusal(awaitable: object) -> Reason:
    with pytest.raises(AccessError) as refused:
        await awaitable  # type: ignore[misc]
    assert str(refused.value).endswith(".")
    return refused.value.reason


def watching(rig: Rig, grant: Grant) -> tuple[list[Reason], list[str], Callable[[], None]]:
    told: list[Reason] = []
    hints: list[str] = []
    stop = rig.keyring.watch(grant, lambda error: told.append(error.reason), lambda: hints.append("soon"))
    return told, hints, stop


# Apps and keys.


async def test_the_servers_own_app_is_there_from_the_first_start(address: str, clock: Clock) -> None:
    for _ in range(2):
        async with process(address, clock) as rig:
            assert [app.id for app in rig.keyring.apps()] == [DEFAULT_APP]
            assert rig.keyring.keys_of() == []
            with pytest.raises(KeyringError, match="stays"):
                await rig.keyring.delete_app(DEFAULT_APP)


async def test_a_key_is_the_same_after_a_restart(address: str, clock: Clock) -> None:
    async with process(address, clock) as rig:
        app = await rig.keyring.create_app("Game", {"persisted": ["a"]})
        made = await rig.keyring.create_key(
            app.id, label=" Overlay ", capability='{"b":["publish"],"a":["*"]}', revocable=True
        )
        assert made.secret not in repr(made)
    clock.turn(3600)
    async with process(address, clock) as rig:
        (key,) = rig.keyring.keys_of(app.id)
        assert key == made
        assert (key.label, key.capability.canonical()) == ("Overlay", '{"a":["*"],"b":["publish"]}')
        assert rig.keyring.app(app.id) == app
        grant = await rig.keyring.verify_key(made.text)
        assert grant == Grant(app.id, key.name, key.capability, ANYBODY, key.created_at, None)
        assert await rig.keyring.delete_app(app.id)
        assert await refusal(rig.keyring.verify_key(made.text)) is Reason.UNKNOWN_APP
    async with process(address, clock) as rig:
        assert rig.keyring.app(app.id) is None
        assert rig.keyring.keys_of() == []


async def test_every_way_to_be_wrong_has_a_reason(rig: Rig) -> None:
    key = await rig.keyring.create_key()
    app, _, identity = key.name.partition(".")
    for text, reason in (
        ("", Reason.MALFORMED_KEY),
        ("owncast", Reason.MALFORMED_KEY),
        ("owncast:x", Reason.MALFORMED_KEY),
        (key.name, Reason.MALFORMED_KEY),
        (f"{key.name}:{'x' * 300}", Reason.MALFORMED_KEY),
        (f"nobody.{identity}:{key.secret}", Reason.UNKNOWN_APP),
        (f"{app}.nothing:{key.secret}", Reason.UNKNOWN_KEY),
        (f"{key.name}:wrong", Reason.WRONG_SECRET),
        (f"{key.name}:\ud800", Reason.WRONG_SECRET),
        (f"{key.name}:", Reason.WRONG_SECRET),
    ):
        assert await refusal(rig.keyring.verify_key(text)) is reason, text
    await rig.keyring.revoke_key(key.text)
    assert await refusal(rig.keyring.verify_key(key.text)) is Reason.KEY_REVOKED


async def test_what_cannot_be_a_key_is_not_made(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CapabilityError):
        await rig.keyring.create_key(capability="{}")
    with pytest.raises(KeyringError, match="no app 'nobody'"):
        await rig.keyring.create_key("nobody")
    for label in ("x" * 121, "two\nlines"):
        with pytest.raises(KeyringError, match="at most 120"):
            await rig.keyring.create_key(label=label)
    for act in (rig.keyring.revoke_key, rig.keyring.change_key):
        with pytest.raises(KeyringError, match=r"no key 'owncast\.x'"):
            await act("owncast.x")
    assert rig.keyring.keys_of() == []
    monkeypatch.setattr(module, "MAX_KEYS", 1)
    monkeypatch.setattr(module, "MAX_APPS", 1)
    await rig.keyring.create_key()
    with pytest.raises(KeyringError, match="1 keys already"):
        await rig.keyring.create_key()
    with pytest.raises(KeyringError, match="1 apps already"):
        await rig.keyring.create_app("Game")


async def test_a_key_that_was_revoked_is_listed_for_a_month(address: str, clock: Clock) -> None:
    async with process(address, clock) as rig:
        key = await rig.keyring.create_key()
        await rig.keyring.revoke_key(key.name)
        clock.turn(3600)
        assert (await rig.keyring.revoke_key(key.name)).revoked_at == key.created_at
    for days, listed in ((29, 1), (2, 0)):
        clock.turn(days * 86_400)
        async with process(address, clock) as rig:
            assert len(rig.keyring.keys_of()) == listed


# Other processes.


async def test_what_another_process_made_works_at_once_and_what_it_revoked_ends_within_a_look(
    rig: Rig, address: str
) -> None:
    async with process(address, rig.clock) as other:
        key = await other.keyring.create_key()
        grant = await rig.keyring.verify_key(key.text)
        told, _, _ = watching(rig, grant)
        await other.keyring.revoke_key(key.name)
        assert told == []
        await rig.look()
    assert told == [Reason.KEY_REVOKED]
    assert await refusal(rig.keyring.verify_key(key.text)) is Reason.KEY_REVOKED


async def test_made_up_keys_do_not_make_the_database_work(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    fingerprint = module.repository.fingerprint

    async def counted(connection: object) -> object:
        looked.append(1)
        return await fingerprint(connection)  # type: ignore[arg-type]

    monkeypatch.setattr(module.repository, "fingerprint", counted)
    for number in range(3 * module.MAX_LOOKUPS):
        assert await refusal(rig.keyring.verify_key(f"owncast.{number}:x")) is Reason.UNKNOWN_KEY
    assert len(looked) == module.MAX_LOOKUPS
    await rig.look()
    looked.clear()
    await refusal(rig.keyring.verify_key("owncast.x:x"))
    assert len(looked) == 1


async def test_a_known_token_costs_no_query(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    token = (await rig.issued(await rig.keyring.create_key())).token
    first = await rig.keyring.verify_token(token)

    def never(*_arguments: object) -> None:
        raise AssertionError("was asked")

    monkeypatch.setattr(module.tokens, "unseal", never)
    monkeypatch.setattr(rig.database, "reading", never)
    assert await rig.keyring.verify_token(token) is first


# Tokens.


async def test_a_signed_request_gets_a_token_that_allows_what_both_do(rig: Rig) -> None:
    key = await rig.keyring.create_key(capability={"game:*": ["publish", "subscribe"], "chat": ["*"]})
    asked = '{"game:1":["subscribe","history"],"chat":["publish"],"other":["*"]}'
    issued = await rig.keyring.request_token(rig.signed(key, capability=asked, client_id="ana", ttl=60_000))
    grant = await rig.keyring.verify_token(issued.token)
    assert issued.claims.capability == '{"chat":["publish"],"game:1":["subscribe"]}'
    assert grant.capability.canonical() == issued.claims.capability
    assert (grant.app, grant.key_name, grant.client_id) == (DEFAULT_APP, key.name, "ana")
    assert grant.expires_at == rig.clock.now() + timedelta(minutes=1)


async def test_who_asks_for_nothing_gets_what_the_key_allows(rig: Rig) -> None:
    key = await rig.keyring.create_key(capability={"b": ["subscribe", "publish"], "a": ["*"]})
    grant = await rig.granted(key)
    assert grant.capability == key.capability
    assert (grant.client_id, grant.expires_at) == ("", rig.clock.now() + HOUR)


async def test_the_reasons_not_to_give_a_token(rig: Rig) -> None:
    key = await rig.keyring.create_key(capability={"game": ["publish"]})
    other = await rig.keyring.create_key()
    ask = rig.keyring.request_token
    by = await rig.keyring.verify_key(key.text)
    token = await rig.granted(key)
    late = to_milliseconds(rig.clock.now() - HOUR)
    for request, shown, reason in (
        (rig.signed(key, capability='{"chat":["publish"]}'), None, Reason.NO_CAPABILITY),
        (rig.signed(key, ttl=0), None, Reason.BAD_TTL),
        (rig.signed(key, client_id="x" * 201), None, Reason.BAD_CLIENT_ID),
        (rig.signed(key, client_id="\ud800"), None, Reason.BAD_CLIENT_ID),
        (rig.signed(key, timestamp=late), None, Reason.BAD_TIMESTAMP),
        (TokenRequest(key.name, timestamp=late), by, Reason.BAD_TIMESTAMP),
        (replace(rig.signed(key), mac=rig.signed(other).mac), None, Reason.BAD_MAC),
        (replace(rig.signed(key), key_name="owncast.x"), None, Reason.UNKNOWN_KEY),
        (replace(rig.signed(key), key_name="x.x"), None, Reason.UNKNOWN_APP),
        (TokenRequest(key.name), None, Reason.BAD_MAC),
        (TokenRequest(other.name), by, Reason.OTHER_KEY),
        (TokenRequest(key.name), token, Reason.NEEDS_KEY),
    ):
        assert await refusal(ask(request, shown)) is reason
    with pytest.raises(CapabilityError, match="shout"):
        await ask(rig.signed(key, capability='{"game":["shout"]}'))
    # None of these has used up the nonce.
    signed = rig.signed(key)
    await ask(signed)
    assert await refusal(ask(signed)) is Reason.BAD_NONCE
    rig.clock.turn(0.001)
    await ask(rig.signed(key))


async def test_a_token_outlives_a_restart_but_not_its_time_nor_its_key(address: str, clock: Clock) -> None:
    async with process(address, clock) as rig:
        key = await rig.keyring.create_key()
        short, long = [(await rig.issued(key, ttl=ttl)).token for ttl in (60_000, 7_200_000)]
        await rig.keyring.verify_token(short)
        clock.turn(60)
        assert await refusal(rig.keyring.verify_token(short)) is Reason.TOKEN_EXPIRED
    async with process(address, clock) as rig:
        assert await refusal(rig.keyring.verify_token(short)) is Reason.TOKEN_EXPIRED
        told, hints, _ = watching(rig, await rig.keyring.verify_token(long))
        await rig.keyring.revoke_key(key.name)
        assert (told, hints) == ([Reason.KEY_REVOKED], [])
        assert await refusal(rig.keyring.verify_token(long)) is Reason.KEY_REVOKED


async def test_a_token_can_do_no_more_than_its_key_even_when_that_changes(rig: Rig) -> None:
    key = await rig.keyring.create_key(capability={"game": ["publish", "subscribe"]})
    token = (await rig.issued(key)).token
    told, _, _ = watching(rig, await rig.keyring.verify_token(token))
    modest, _, _ = watching(rig, await rig.granted(key, capability='{"game":["subscribe"]}'))
    await rig.keyring.change_key(key.name, label="Overlay", revocable=True)
    assert told == modest == []
    await rig.keyring.change_key(key.name, capability={"game": ["subscribe"]})
    assert (told, modest) == ([Reason.TOKEN_REVOKED], [])
    grant = await rig.keyring.verify_token(token)
    assert not grant.capability.allows("game", "publish")
    assert grant.capability.allows("game", "subscribe")


def web_token(rig: Rig, key: Key, secret: str = "", **claims: object) -> str:
    now = to_milliseconds(rig.clock.now()) // 1000
    return jwt.encode({"iat": now, "exp": now + 600, **claims}, secret or key.secret, headers={"kid": key.name})


async def test_a_web_token_signed_with_a_key_is_a_token_of_it(rig: Rig) -> None:
    key = await rig.keyring.create_key(capability={"game:*": ["publish"]})
    said = {"x-ably-capability": '{"*":["*"]}', "x-ably-clientId": "ana"}
    grant = await rig.keyring.verify_token(web_token(rig, key, **said))
    assert grant.capability.canonical() == '{"game:*":["publish"]}'
    assert (grant.client_id, grant.is_token) == ("ana", True)
    for token, reason in (
        (web_token(rig, key, "a secret that is another, and long"), Reason.BAD_JWT),
        (web_token(rig, key, **{"x-ably-capability": "{}"}), Reason.BAD_JWT),
        (web_token(rig, key, **{"x-ably-capability": '{"chat":["publish"]}'}), Reason.NO_CAPABILITY),
        (web_token(rig, replace(key, name="owncast.x")), Reason.UNKNOWN_KEY),
        (web_token(rig, replace(key, name="x.x")), Reason.UNKNOWN_APP),
        (web_token(rig, key, **{"x-ably-token": web_token(rig, key)}), Reason.BAD_JWT),
        (web_token(rig, key, **{"x-ably-token": "made.up"}), Reason.TOKEN_MALFORMED),
        ("x" * (tokens.MAX_TOKEN + 1), Reason.TOKEN_MALFORMED),
    ):
        assert await refusal(rig.keyring.verify_token(token)) is reason
    inner = (await rig.issued(key, client_id="ben")).token
    wrapped = await rig.keyring.verify_token(
        web_token(rig, key, "nobody knows this secret, not even us", **{"x-ably-token": inner})
    )
    assert wrapped.client_id == "ben"
    assert wrapped.expires_at == rig.clock.now() + timedelta(minutes=10)


# Revocation.


async def test_revoked_tokens_are_refused_and_their_holders_told(address: str, clock: Clock) -> None:
    async with process(address, clock) as rig:
        key = await rig.keyring.create_key(revocable=True, capability={"[*]*": ["*"]})
        fields: dict[str, dict[str, object]] = {
            "ana": {"client_id": "ana"},
            "ben": {"client_id": "ben"},
            "game": {"client_id": "carl", "capability": '{"game":["publish"],"chat":["publish"]}'},
            "all": {"client_id": "dora", "capability": '{"*":["publish"]}'},
        }
        issued = {name: (await rig.issued(key, **given)).token for name, given in fields.items()}
        issued["grouped"] = web_token(rig, key, **{"x-ably-revocation-key": "group"})
        clock.turn(1)
        told = {name: watching(rig, await rig.keyring.verify_token(token))[0] for name, token in issued.items()}
        for_key = watching(rig, await rig.keyring.verify_key(key.text))[0]
        before, applies_at = await rig.keyring.revoke_tokens(
            key.name, [(Target.CLIENT, "ana"), (Target.CHANNEL, "game"), (Target.REVOCATION_KEY, "group")]
        )
        assert before == applies_at == clock.now()
        gone = {"ana", "game", "grouped"}
        assert {name for name, heard in told.items() if heard == [Reason.TOKEN_REVOKED]} == gone
        assert [told["ben"], told["all"], for_key] == [[], [], []]
        newer = (await rig.issued(key, client_id="ana")).token
    async with process(address, clock) as rig:
        for name, token in issued.items():
            if name in gone:
                assert await refusal(rig.keyring.verify_token(token)) is Reason.TOKEN_REVOKED
            else:
                await rig.keyring.verify_token(token)
        assert (await rig.keyring.verify_token(newer)).client_id == "ana"


async def test_with_a_margin_clients_have_time_to_get_another_token(rig: Rig) -> None:
    key = await rig.keyring.create_key(revocable=True)
    token = (await rig.issued(key, client_id="ana")).token
    rig.clock.turn(1)
    told, hints, _ = watching(rig, await rig.keyring.verify_token(token))
    before = rig.clock.now() - timedelta(milliseconds=500)
    found = await rig.keyring.revoke_tokens(key.name, [(Target.CLIENT, "ana")], before, margin=True)
    assert found == (before, rig.clock.now() + module.REAUTH_MARGIN)
    assert (told, hints) == ([], ["soon"])
    rig.clock.turn(29)
    await rig.look()
    await rig.keyring.verify_token(token)
    assert (told, hints) == ([], ["soon"])
    rig.clock.turn(1)
    assert await refusal(rig.keyring.verify_token(token)) is Reason.TOKEN_REVOKED
    await rig.look()
    assert (told, hints) == ([Reason.TOKEN_REVOKED], ["soon"])


async def test_what_cannot_be_revoked(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    firm = await rig.keyring.create_key()
    key = await rig.keyring.create_key(revocable=True)
    revoke, ana, now = rig.keyring.revoke_tokens, [(Target.CLIENT, "ana")], rig.clock.now()
    for name, targets, before, reason in (
        (firm.name, ana, None, Reason.NOT_REVOCABLE),
        ("owncast.x", ana, None, Reason.UNKNOWN_KEY),
        (key.name, [], None, Reason.BAD_REQUEST),
        (key.name, [(Target.CLIENT, "")], None, Reason.BAD_REQUEST),
        (key.name, [(Target.CLIENT, "x" * 201)], None, Reason.BAD_REQUEST),
        (key.name, ana * 101, None, Reason.BAD_REQUEST),
        (key.name, ana, now + timedelta(seconds=1), Reason.BAD_REQUEST),
        (key.name, ana, now - HOUR - timedelta(seconds=1), Reason.BAD_REQUEST),
    ):
        assert await refusal(revoke(name, targets, before)) is reason
    monkeypatch.setattr(module, "MAX_REVOCATIONS", 2)
    await revoke(key.name, ana * 2, now - HOUR)
    assert await refusal(revoke(key.name, ana)) is Reason.TOO_MANY


async def test_revocations_are_forgotten_once_every_token_they_are_of_has_expired(
    address: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_REVOCATIONS", 1)
    async with process(address, clock) as rig:
        key = await rig.keyring.create_key(revocable=True)
        await rig.keyring.revoke_tokens(key.name, [(Target.CLIENT, "ana")])
    clock.turn(23 * 3600)
    async with process(address, clock) as rig:
        assert await refusal(rig.keyring.revoke_tokens(key.name, [(Target.CLIENT, "ana")])) is Reason.TOO_MANY
    clock.turn(3601)
    async with process(address, clock) as rig:
        await rig.keyring.revoke_tokens(key.name, [(Target.CLIENT, "ana")])


async def test_who_watches_no_more_is_not_told_and_one_who_fails_harms_nobody(rig: Rig) -> None:
    key = await rig.keyring.create_key()
    grant = await rig.keyring.verify_key(key.text)

    def fail(_error: AccessError) -> None:
        raise RuntimeError("a socket that is broken")

    rig.keyring.watch(grant, fail)
    told, _, _ = watching(rig, grant)
    gone, _, stop = watching(rig, grant)
    stop()
    stop()
    await rig.keyring.revoke_key(key.name)
    await rig.keyring.revoke_key(key.name)
    assert (told, gone) == ([Reason.KEY_REVOKED], [])
    late, _, _ = watching(rig, grant)
    assert late == [Reason.KEY_REVOKED]
