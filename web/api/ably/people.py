"""People of the chat in channels: what somebody's own access token lets them do there.

Owns that, and how it ends: with their device, or with their being removed from chat. So a chatter's overlay or game
needs no key of its own to speak for them.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from owncast_py.accounts.model import Kind
from owncast_py.accounts.service import Accounts
from owncast_py.events import Events, TokenRevoked, UserChanged
from owncast_py.realtime.capability import Capability
from owncast_py.realtime.messages import DEFAULT_APP
from owncast_py.realtime.revocations import Grant
from owncast_py.storage.devices import Key
from web.api.ably.errors import AblyError

CAPABILITY = Capability.parse(
    {"chat": ["subscribe", "publish", "presence", "history"], "stream": ["subscribe", "presence", "history"]}
)
PEOPLE = f"{DEFAULT_APP}.people"
"""In place of a key's name."""
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""Access tokens do not expire; devices are signed out."""
MAX_ENDED = 10_000
"""Devices that are remembered as signed out; what is asked meanwhile takes far less time than so many need."""


@dataclass(frozen=True, slots=True)
class PersonGrant(Grant):
    """What somebody may do at one device."""

    device: Key = ("", "")
    number: int = 0
    """Grows from one grant or end to the next."""


class People:
    """Lets people in by their access tokens."""

    def __init__(self, accounts: Accounts, events: Events) -> None:
        self._accounts = accounts
        self._numbers = itertools.count(1)
        self._told: dict[Key, dict[object, Callable[[AblyError], None]]] = defaultdict(dict)
        self._ended: OrderedDict[Key, int] = OrderedDict()
        events.subscribe(TokenRevoked, self._on_revoked)
        events.subscribe(UserChanged, self._on_changed)

    async def grant(self, token: str) -> PersonGrant | None:
        """What the token lets somebody do; None when it is nobody's. Raises AblyError for who was removed."""
        number = next(self._numbers)
        identity = await self._accounts.identify(token)
        if identity is None or identity.user.kind is not Kind.CHATTER:
            return None
        if identity.user.disabled_at is not None:
            raise _removed()
        user, device = identity
        return PersonGrant(
            app=DEFAULT_APP,
            key_name=PEOPLE,
            capability=CAPABILITY,
            client_id=user.id,
            issued_at=device.created_at,
            expires_at=NEVER,
            device=(user.id, device.id),
            number=number,
        )

    def watch(self, grant: PersonGrant, told: Callable[[AblyError], None]) -> Callable[[], None]:
        """Calls `told` once when the device is signed out or its user removed, until the returned one is called."""
        if self._ended.get(grant.device, 0) > grant.number:
            told(_signed_out())
            return lambda: None
        if self._ended.get(_all_of(grant.device[0]), 0) > grant.number:
            told(_removed())
            return lambda: None
        watcher = object()
        self._told[grant.device][watcher] = told

        def stop() -> None:
            if (watchers := self._told.get(grant.device)) is not None:
                watchers.pop(watcher, None)
                if not watchers:
                    del self._told[grant.device]

        return stop

    def _on_revoked(self, event: TokenRevoked) -> None:
        device = (event.user_id, event.device_id)
        self._note(device)
        self._end(device, _signed_out())

    def _on_changed(self, event: UserChanged) -> None:
        if event.disabled:
            self._note(_all_of(event.user_id))
            for device in [device for device in self._told if device[0] == event.user_id]:
                self._end(device, _removed())

    def _note(self, ended: Key) -> None:
        self._ended[ended] = next(self._numbers)
        self._ended.move_to_end(ended)
        if len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)

    def _end(self, device: Key, reason: AblyError) -> None:
        for told in list(self._told.pop(device, {}).values()):
            told(reason)


def _all_of(user_id: str) -> Key:
    """In place of one device's key; no device's id is empty."""
    return user_id, ""


def _signed_out() -> AblyError:
    return AblyError(40141, 401, "This device was signed out.")


def _removed() -> AblyError:
    return AblyError(40300, 403, "A moderator has removed you from this chat.")
