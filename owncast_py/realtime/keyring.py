"""The keyring: apps, their keys, and who is let in with what.

Owns every change to apps, keys and revocations, and answers from memory who somebody is. What another process changed,
such as the command line, is seen within POLL_SECONDS; a key that is not known is looked for at once, so that one which
was made a moment ago works. Texts, signatures and matching are `tokens` and `capability`.

A key or token that is revoked is refused from then on, and whoever watches what it granted is told.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from owncast_py.realtime import tokens
from owncast_py.realtime.capability import EVERYTHING, HALF_CHARACTER, Capability
from owncast_py.realtime.errors import AccessError, CapabilityError, KeyringError, Reason
from owncast_py.realtime.keys import App, Key, Target, label_of
from owncast_py.realtime.messages import DEFAULT_APP
from owncast_py.realtime.revocations import Grant, Revocations, Told, Watchers, revoking
from owncast_py.realtime.tokens import Claims, TokenRequest
from owncast_py.storage import keyring as repository
from owncast_py.storage.database import Database

__all__ = ["Grant", "Issued", "Keyring"]

POLL_SECONDS = 1.0
MAX_LOOKUPS = 20
"""Of unknown keys between two polls; further ones are unknown until the next."""
MAX_APPS = 1_000
MAX_KEYS = 1_000
"""Of one app, with those that were revoked lately."""
MAX_KEY_TEXT = 300
"""Characters of a key."""
MAX_VERIFIED = 10_000
"""Tokens that are remembered as good; the one longest unused makes room."""
MAX_REVOCATIONS = 10_000
"""Of tokens of one key within a day."""
REVOKED_KEPT = timedelta(days=30)
"""How long a key that was revoked is listed."""
REAUTH_MARGIN = timedelta(seconds=30)
"""How long tokens are still good where clients are given time to get new ones."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Issued:
    """A token, and what it says."""

    token: str
    claims: Claims


class Keyring:
    """Every app and key of this server."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`now` is aware UTC."""
        self._database = database
        self._now = now
        self._sleep = sleep
        self._apps: dict[str, App] = {}
        self._keys: dict[str, Key] = {}
        self._revocations = Revocations()
        self._next: datetime | None = None
        self._fingerprint: tuple[object, ...] = ()
        self._lookups = 0
        self._loading = asyncio.Lock()
        self._verified: OrderedDict[bytes, tuple[Key, Grant]] = OrderedDict()
        self._replays = tokens.Replays()
        self._watchers = Watchers()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Reads everything; makes the app of the server itself where it is missing."""
        now = self._now()
        await self._database.write(
            lambda connection: repository.prune(
                connection, revocations=now - tokens.MAX_LIFETIME, keys=now - REVOKED_KEPT
            )
        )
        await self._database.write(
            lambda connection: repository.add_app(connection, App(DEFAULT_APP, "This server", now))
        )
        await self.refresh()
        self._task = asyncio.create_task(self._polling(), name="keyring")

    async def aclose(self) -> None:
        """Forgets nothing, but looks for nothing any more."""
        if self._task is not None:
            # Not while it reads: a connection that is interrupted would be lost.
            async with self._loading:
                self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def refresh(self, *, changed: bool = False) -> None:
        """Reads what is kept, if something may have been added or revoked, or was `changed`."""
        async with self._loading:
            async with self._database.reading() as connection:
                fingerprint = await repository.fingerprint(connection)
                if fingerprint == self._fingerprint and not changed:
                    return
                loaded = await repository.load(connection)
            self._fingerprint = fingerprint
            self._apps = {app.id: app for app in loaded.apps}
            # One that has not changed stays the same object: tokens that were found good with it stay so.
            before = self._keys
            self._keys = {key.name: before[key.name] if before.get(key.name) == key else key for key in loaded.keys}
            self._revocations = Revocations(loaded.revocations)
        self._enforce()

    # Apps and keys.

    def apps(self) -> list[App]:
        """Every app, oldest first."""
        return list(self._apps.values())

    def app(self, app_id: str) -> App | None:
        """The app with that id."""
        return self._apps.get(app_id)

    async def create_app(self, name: str, options: Mapping[str, object] | None = None) -> App:
        """A new app without keys. Raises KeyringError."""
        if len(self._apps) >= MAX_APPS:
            raise KeyringError(f"There are {MAX_APPS} apps already; delete one first.")
        app = App(secrets.token_hex(4), label_of(name), self._now(), dict(options or {}))
        if not await self._database.write(lambda connection: repository.add_app(connection, app)):
            raise KeyringError("The id that was drawn is taken; try again.")
        await self.refresh(changed=True)
        return app

    async def delete_app(self, app_id: str) -> bool:
        """Removes an app with its keys. Returns whether there was one. Raises KeyringError for the server's own."""
        if app_id == DEFAULT_APP:
            raise KeyringError(f"The app {DEFAULT_APP!r} is the server itself and stays.")
        known = app_id in self._apps
        await self._database.write(lambda connection: repository.remove_app(connection, app_id))
        await self.refresh(changed=True)
        return known

    def keys_of(self, app_id: str | None = None) -> list[Key]:
        """The keys of an app or of all, oldest first, with those that were revoked lately."""
        return [key for key in self._keys.values() if app_id in (None, key.app)]

    async def create_key(
        self, app_id: str = DEFAULT_APP, *, label: str = "", capability: object = EVERYTHING, revocable: bool = False
    ) -> Key:
        """A new key. Raises KeyringError, CapabilityError."""
        if app_id not in self._apps:
            raise KeyringError(f"There is no app {app_id[:60]!r}.")
        if len(self.keys_of(app_id)) >= MAX_KEYS:
            raise KeyringError(f"The app {app_id!r} has {MAX_KEYS} keys already; that is as many as it can have.")
        key = Key(
            name=f"{app_id}.{secrets.token_hex(4)}",
            app=app_id,
            secret=secrets.token_urlsafe(32),
            label=label_of(label),
            capability=capability if isinstance(capability, Capability) else Capability.parse(capability),
            revocable=revocable,
            created_at=self._now(),
        )
        await self._database.write(lambda connection: repository.add_key(connection, key))
        await self.refresh(changed=True)
        return key

    async def change_key(
        self, name: str, *, label: str | None = None, capability: object = None, revocable: bool | None = None
    ) -> Key:
        """Changes what is given of a key. Tokens may do no more than it from then on.

        Raises KeyringError, CapabilityError.
        """
        return await self._change(
            name,
            lambda key: replace(
                key,
                label=key.label if label is None else label_of(label),
                capability=key.capability if capability is None else Capability.parse(capability),
                revocable=key.revocable if revocable is None else revocable,
            ),
        )

    async def revoke_key(self, name: str) -> Key:
        """Ends a key with all its tokens; the whole key names it as well. Again is fine. Raises KeyringError."""
        return await self._change(
            name.partition(":")[0], lambda key: replace(key, revoked_at=key.revoked_at or self._now())
        )

    async def _change(self, name: str, change: Callable[[Key], Key]) -> Key:
        key = self._keys.get(name)
        if key is None:
            raise KeyringError(f"There is no key {name[:60]!r}.")
        after = change(key)
        await self._database.write(lambda connection: repository.change_key(connection, after))
        await self.refresh(changed=True)
        return after

    # Who is that?

    async def verify_key(self, text: str) -> Grant:
        """What somebody may do with a key, `app.id:secret`. Raises AccessError."""
        name, colon, secret = text.partition(":")
        if not colon or "." not in name or len(text) > MAX_KEY_TEXT:
            raise AccessError(Reason.MALFORMED_KEY, "That is no key; it looks like app.id:secret.")
        key = await self._valid_key(name)
        if not hmac.compare_digest(secret.encode("utf-8", "surrogatepass"), key.secret.encode()):
            raise AccessError(Reason.WRONG_SECRET, f"That is not the secret of the key {name!r}.")
        return Grant(key.app, name, key.capability, tokens.ANYBODY, key.created_at, None)

    async def verify_token(self, text: str) -> Grant:
        """What somebody may do with a token of ours or a JWT. Raises AccessError."""
        if len(text) > tokens.MAX_TOKEN:
            raise AccessError(Reason.TOKEN_MALFORMED, f"A token has at most {tokens.MAX_TOKEN} characters.")
        hashed = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        key, grant = self._verified.get(hashed, (None, None))
        if grant is None or self._keys.get(grant.key_name) is not key:
            key, grant = await self._verify(text)
            self._verified[hashed] = key, grant
            if len(self._verified) > MAX_VERIFIED:
                self._verified.popitem(last=False)
        self._verified.move_to_end(hashed)
        if (error := self.refusal(grant)) is not None:
            raise error
        return grant

    async def _verify(self, text: str) -> tuple[Key, Grant]:
        until = None
        if tokens.is_jwt(text) and (inner := tokens.embedded(text)) is not None:
            text, until = inner
            if tokens.is_jwt(text):
                raise AccessError(Reason.BAD_JWT, "The claim x-ably-token of the JWT must be a token, not another JWT.")
        key = await self._valid_key(tokens.key_name_of(text))
        claims = tokens.unseal(text, key.secret, self._now())
        capability = key.capability
        if claims.capability:
            try:
                capability = capability.intersect(Capability.parse(claims.capability))
            except CapabilityError as error:
                raise AccessError(Reason.BAD_JWT, str(error)) from None
        if not capability:
            raise AccessError(Reason.NO_CAPABILITY, f"The key {key.name!r} allows nothing of what the token claims.")
        expires_at = min(claims.expires_at, until or claims.expires_at)
        return key, Grant(
            *(key.app, key.name, capability, claims.client_id, claims.issued_at, expires_at, claims.revocation_key)
        )

    def refusal(self, grant: Grant) -> AccessError | None:
        """Why a grant that was good is so no longer; None while it is."""
        key = self._keys.get(grant.key_name)
        now = self._now()
        if key is None or key.revoked_at is not None:
            return _revoked_key(grant.key_name)
        if grant.expires_at is not None and grant.expires_at <= now:
            return AccessError(Reason.TOKEN_EXPIRED, f"The token expired at {grant.expires_at:%Y-%m-%d %H:%M:%S} UTC.")
        if self._revocations.revokes(grant, now):
            return AccessError(Reason.TOKEN_REVOKED, f"The token of the key {key.name!r} was revoked.")
        return None

    def watch(self, grant: Grant, told: Told, hint: Callable[[], None] | None = None) -> Callable[[], None]:
        """Calls `told` at once when the grant is revoked, with the reason, until the returned function is called.

        `hint` is called when it will be revoked soon, so that there is time to get another. That a token expires,
        its holder knows from the grant.
        """
        unwatch = self._watchers.add(grant, told, hint)
        if self._judge(grant) is not None:
            self._enforce()
        return unwatch

    async def _valid_key(self, name: str) -> Key:
        if name not in self._keys and self._lookups < MAX_LOOKUPS:
            self._lookups += 1
            await self.refresh()
        key = self._keys.get(name)
        if key is not None and key.revoked_at is None:
            return key
        if key is not None:
            raise _revoked_key(name)
        app = name.partition(".")[0]
        if app not in self._apps:
            raise AccessError(Reason.UNKNOWN_APP, f"There is no app {app[:60]!r}.")
        raise AccessError(Reason.UNKNOWN_KEY, f"There is no key {name[:60]!r}.")

    # Tokens.

    async def request_token(self, request: TokenRequest, by: Grant | None = None) -> Issued:
        """A token for whoever signed the request, or has shown the key. Raises AccessError, CapabilityError."""
        lifetime = request.lifetime
        # Whoever has shown a key may be anybody; that they are everybody they have to say.
        client_id = request.client_id or ("" if by is None or by.client_id == tokens.ANYBODY else by.client_id)
        if len(client_id) > tokens.MAX_CLIENT_ID or HALF_CHARACTER.search(client_id):
            raise AccessError(
                Reason.BAD_CLIENT_ID, f"A client id has at most {tokens.MAX_CLIENT_ID} characters of Unicode."
            )
        asked = Capability.parse(request.capability) if request.capability else None
        key = await self._valid_key(request.key_name)
        now = self._now()
        if request.mac:
            request.check_signature(key.secret, now)
        else:
            _check_shown(request, by)
            if request.timestamp is not None:
                request.check_time(now)
        capability = key.capability if asked is None else key.capability.intersect(asked)
        if not capability:
            raise AccessError(
                Reason.NO_CAPABILITY, f"The key {key.name!r} allows nothing of {request.capability[:200]}."
            )
        if request.mac:
            self._replays.note(request, now)
        issued_at = now - timedelta(microseconds=now.microsecond % 1000)
        claims = Claims(key.name, issued_at, issued_at + lifetime, capability.canonical(), client_id)
        return Issued(tokens.seal(claims, key.secret), claims)

    async def revoke_tokens(
        self,
        key_name: str,
        targets: Sequence[tuple[Target, str]],
        issued_before: datetime | None = None,
        *,
        margin: bool = False,
    ) -> tuple[datetime, datetime]:
        """Ends the tokens of a key that were issued before a time: now, where none is given.

        With a `margin`, clients have REAUTH_MARGIN to get new ones. Returns that time, and when it applies. Raises
        AccessError.
        """
        key = await self._valid_key(key_name)
        now = self._now()
        applies_at = now + REAUTH_MARGIN if margin else now
        made = revoking(key, targets, issued_before, now, applies_at)
        if self._revocations.count(key_name) + len(made) > MAX_REVOCATIONS:
            raise AccessError(
                Reason.TOO_MANY,
                f"{MAX_REVOCATIONS} revocations of tokens of {key_name!r} are in force; revoke the key.",
            )
        await self._database.write(lambda connection: repository.add_revocations(connection, made))
        await self.refresh(changed=True)
        return made[0].issued_before, applies_at

    # What must be seen to.

    async def _polling(self) -> None:
        while True:
            await self._sleep(POLL_SECONDS)
            self._lookups = 0
            try:
                await self.refresh()
            except Exception:
                log.exception("keys were not read")
            if self._next is not None and self._next <= self._now():
                self._enforce()

    def _enforce(self) -> None:
        now = self._now()
        self._next = self._revocations.next_after(now)
        self._watchers.judge(self._judge, lambda grant: self._revocations.awaits(grant, now))

    def _judge(self, grant: Grant) -> AccessError | None:
        """As `refusal`, and also whether its key may still do as much."""
        key = self._keys.get(grant.key_name)
        if key is not None and not grant.capability.within(key.capability):
            return AccessError(Reason.TOKEN_REVOKED, f"The key {key.name!r} may do less than before.")
        return self.refusal(grant)


def _check_shown(request: TokenRequest, by: Grant | None) -> None:
    if by is None:
        raise AccessError(Reason.BAD_MAC, "The token request has no mac, and no key was shown with it.")
    if by.is_token:
        raise AccessError(Reason.NEEDS_KEY, "A token cannot be asked for with a token.")
    if by.key_name != request.key_name:
        raise AccessError(
            Reason.OTHER_KEY, f"A token of the key {request.key_name[:60]!r} was asked for with {by.key_name!r}."
        )


def _revoked_key(name: str) -> AccessError:
    return AccessError(Reason.KEY_REVOKED, f"The key {name!r} was revoked.")
