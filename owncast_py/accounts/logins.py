"""Signing in: names and passwords by which people prove who they are, on whichever machine.

Owns what a login and a password may be, who has which, and what wrong attempts cost. The admin signs in as `admin`
with the admin password, which `credentials` keeps; everybody else's hash is in the database. An unknown name takes as
long as a wrong password.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from owncast_py.accounts.model import ADMIN_ID, Kind, User
from owncast_py.accounts.passwords import MAX_LENGTH, MIN_LENGTH, Passwords
from owncast_py.accounts.service import Accounts
from owncast_py.buckets import TokenBuckets
from owncast_py.errors import AccountError, CredentialsError
from owncast_py.events import Events, PasswordChanged
from owncast_py.storage import users as repository
from owncast_py.storage.database import Database

MAX_LOGIN = 60
ADDRESS_AT_ONCE = 20
ADDRESS_PER_MINUTE = 10
"""Wrong passwords from one address."""
NAME_AT_ONCE = 10
NAME_PER_MINUTE = 6
"""Wrong passwords for one name."""
REGISTRATIONS_AT_ONCE = 20
REGISTRATIONS_PER_MINUTE = 5
"""New accounts from one address."""

_LOGIN = re.compile(rf"[a-z0-9._=/+-]{{1,{MAX_LOGIN}}}")


class Reason(StrEnum):
    """Why somebody may not sign in, or not under that name."""

    WRONG = "wrong"
    TOO_MANY = "too many"
    BAD_NAME = "bad name"
    TAKEN = "taken"
    BAD_PASSWORD = "bad password"  # noqa: S105 - a reason, no password
    NOT_HERE = "not here"
    """The password comes from somewhere else and cannot be changed here."""


class LoginRefused(AccountError):
    """Somebody may not sign in, or choose that name or password."""

    def __init__(self, reason: Reason, sentence: str, retry_after: float = 0.0) -> None:
        """`retry_after` is in seconds."""
        super().__init__(sentence)
        self.reason = reason
        self.retry_after = retry_after


class AdminPassword(Protocol):
    """Where the admin's password is kept. Both block."""

    def verify_admin_password(self, candidate: str) -> bool:
        """Whether it is that one."""

    def set_admin_password(self, password: str) -> None:
        """Makes it that one. Raises CredentialsError."""


class Logins:
    """Names and passwords of users."""

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        events: Events,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        passwords: Passwords | None = None,
    ) -> None:
        """`now` is aware UTC, `monotonic` counts seconds."""
        self._database = database
        self._accounts = accounts
        self._events = events
        self._now = now
        self._passwords = passwords or Passwords()
        self._by_address = TokenBuckets(ADDRESS_AT_ONCE, ADDRESS_PER_MINUTE / 60, monotonic)
        self._by_name = TokenBuckets(NAME_AT_ONCE, NAME_PER_MINUTE / 60, monotonic)
        self._registrations = TokenBuckets(REGISTRATIONS_AT_ONCE, REGISTRATIONS_PER_MINUTE / 60, monotonic)
        self.admin: AdminPassword | None = None
        """Handed in by whoever has it."""

    async def start(self) -> None:
        """Makes ready to check passwords."""
        await self._passwords.start()

    async def aclose(self) -> None:
        """Ends what checks them."""
        await self._passwords.aclose()

    # Who signs in.

    async def find(self, name: str) -> User | None:
        """Whoever signs in with that name: their id, else their login."""
        if len(name) > MAX_LOGIN or not name.isprintable():
            return None
        # Ids come first: a login is chosen, and must not stand in the way of somebody else's id.
        return await self._accounts.user(name) or await self._accounts.with_login(name.lower())

    async def check(self, name: str, password: str, address: str | None) -> User:
        """Whoever that name and that password belong to. `address` is None where it tells nobody apart.

        Raises LoginRefused, and AccountsBusy when too many are being checked.
        """
        user = await self.find(name)
        await self.prove(user, password, address, name=name)
        if user is None:
            raise _wrong()
        return user

    async def prove(self, user: User | None, password: str, address: str | None, *, name: str = "") -> None:
        """Raises LoginRefused unless that is the password of that user; nobody has one. Raises AccountsBusy."""
        attempts = [(self._by_name, user.id if user else f"?{name[:MAX_LOGIN].lower()}")]
        if address is not None:
            attempts.append((self._by_address, address))

        def admit() -> None:
            for bucket, key in attempts:
                if (wait := bucket.wait(key)) > 0:
                    raise LoginRefused(
                        Reason.TOO_MANY, f"Too many wrong passwords were tried; try again in {wait:.0f} s.", wait
                    )

        # Asked now, and again when its turn has come: of many that come at once the first ones decide.
        admit()
        if not await self._is_right(user, password[: MAX_LENGTH + 1], admit):
            for bucket, key in attempts:
                bucket.take(key)
            raise _wrong()

    async def _is_right(self, user: User | None, password: str, admit: Callable[[], None]) -> bool:
        if user is not None and user.id == ADMIN_ID and (admin := self.admin) is not None:
            return await self._passwords.run(lambda: admin.verify_admin_password(password), admit)
        return await self._passwords.verify(await self._hash_of(user) if user is not None else None, password, admit)

    async def has_password(self, user: User) -> bool:
        """Whether that user can prove who they are by a password."""
        return user.id == ADMIN_ID or await self._hash_of(user) is not None

    async def _hash_of(self, user: User) -> str | None:
        async with self._database.reading() as connection:
            return await repository.password(connection, user.id)

    # Names and passwords.

    async def check_free(self, login: str) -> str:
        """The login as it is kept. Raises LoginRefused when it is no name to sign in with, or somebody else's."""
        login = login.lower()
        if not _LOGIN.fullmatch(login):
            raise LoginRefused(
                Reason.BAD_NAME,
                f"One cannot sign in as {login[:80]!r}: take 1 to {MAX_LOGIN} of the characters a-z, 0-9 and ._=/+-.",
            )
        if await self.find(login) is not None:
            raise _taken(login)
        return login

    async def register(self, login: str, password: str, display_name: str, address: str | None) -> User:
        """A new chatter, signed in nowhere; login and password may be empty. Raises LoginRefused, AccountsBusy."""
        if address is not None and (wait := self._registrations.take(address)) > 0:
            raise LoginRefused(
                Reason.TOO_MANY, f"Too many accounts came from your address; try again in {wait:.0f} s.", wait
            )
        login = await self.check_free(login) if login else ""
        hashed = await self._hashed(password) if password else ""
        try:
            user = await self._accounts.add_chatter(display_name, login)
        except AccountError:
            raise _taken(login) from None
        return await self._keep(user, hashed) if hashed else user

    async def set_password(self, user: User, password: str, login: str = "") -> User:
        """Gives a user another password, and another login if one is named. Raises LoginRefused, AccountsBusy."""
        if user.kind is Kind.BOT:
            raise LoginRefused(Reason.NOT_HERE, "A bot has an access token and no password.")
        if user.id == ADMIN_ID:
            await self._set_admin_password(password, login)
            return user
        if login and login.lower() != user.login:
            login = await self.check_free(login)
        hashed = await self._hashed(password)
        if login:
            try:
                user = await self._accounts.take_login(user.id, login.lower())
            except AccountError:
                raise _taken(login) from None
        user = await self._keep(user, hashed)
        self._events.publish(PasswordChanged(user.id))
        return user

    async def _set_admin_password(self, password: str, login: str) -> None:
        if (admin := self.admin) is None or login not in ("", ADMIN_ID):
            raise LoginRefused(Reason.NOT_HERE, f"The owner of this server signs in as {ADMIN_ID!r}.")
        try:
            await self._passwords.run(lambda: admin.set_admin_password(password))
        except CredentialsError as error:
            raise LoginRefused(Reason.BAD_PASSWORD, str(error)) from error
        self._events.publish(PasswordChanged(ADMIN_ID))

    async def _hashed(self, password: str) -> str:
        if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
            raise LoginRefused(
                Reason.BAD_PASSWORD, f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters, not {len(password)}."
            )
        return await self._passwords.hash(password)

    async def _keep(self, user: User, hashed: str) -> User:
        at = self._now()
        await self._database.write(lambda connection: repository.set_password(connection, user.id, hashed, at))
        # From now on they can prove that a name is theirs.
        return await self._accounts.set_authenticated(user.id)


def _wrong() -> LoginRefused:
    return LoginRefused(Reason.WRONG, "The user name or the password is wrong.")


def _taken(login: str) -> LoginRefused:
    return LoginRefused(Reason.TAKEN, f"Somebody else signs in as {login!r}; choose another name.")
