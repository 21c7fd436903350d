"""What somebody may do, which tokens can be and are revoked, and who wants to know when one is.

Owns the grant, the lookup of revocations and the list of watchers, all in memory. What is kept, and when it is read,
`keyring` decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from owncast_py.realtime.capability import Capability
from owncast_py.realtime.errors import AccessError, Reason
from owncast_py.realtime.keys import Key, Revocation, Target

MAX_TARGETS = 100
"""Of one act."""
MAX_TARGET = 200
"""Characters."""
OLDEST_ISSUE = timedelta(hours=1)
"""How far back the time can be before which revoked tokens were issued."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody may do who has shown credentials. Times are aware, in UTC."""

    app: str
    key_name: str
    capability: Capability
    client_id: str
    """Empty for nobody in particular, `*` for whoever they say."""
    issued_at: datetime
    expires_at: datetime | None
    """None for a key itself, which does not expire."""
    revocation_key: str = ""

    @property
    def is_token(self) -> bool:
        """Whether it comes from a token rather than from a key."""
        return self.expires_at is not None

    def targets(self) -> Iterator[tuple[Target, str]]:
        """By what it can be revoked."""
        if self.is_token:
            if self.client_id:
                yield Target.CLIENT, self.client_id
            if self.revocation_key:
                yield Target.REVOCATION_KEY, self.revocation_key
            for resource in self.capability.resources:
                yield Target.CHANNEL, resource


class Revocations:
    """Revocations by what they are of."""

    def __init__(self, revocations: Iterable[Revocation] = ()) -> None:
        self._by_key: dict[str, dict[tuple[Target, str], list[Revocation]]] = {}
        self._times: list[datetime] = []
        for each in revocations:
            self._by_key.setdefault(each.key_name, {}).setdefault((each.target, each.value), []).append(each)
            self._times.append(each.applies_at)

    def count(self, key_name: str) -> int:
        """How many there are of tokens of that key."""
        return sum(len(each) for each in self._by_key.get(key_name, {}).values())

    def revokes(self, grant: Grant, now: datetime) -> bool:
        """Whether a token is revoked as of now."""
        return any(each.applies_at <= now for each in self._of(grant))

    def awaits(self, grant: Grant, now: datetime) -> bool:
        """Whether a token will be revoked soon."""
        return any(each.applies_at > now for each in self._of(grant))

    def next_after(self, now: datetime) -> datetime | None:
        """When the next one applies of those that do not yet."""
        return min((at for at in self._times if at > now), default=None)

    def _of(self, grant: Grant) -> Iterator[Revocation]:
        by_target = self._by_key.get(grant.key_name)
        if by_target is not None:
            for target in grant.targets():
                for each in by_target.get(target, ()):
                    if grant.issued_at < each.issued_before:
                        yield each


def revoking(
    key: Key,
    targets: Sequence[tuple[Target, str]],
    issued_before: datetime | None,
    now: datetime,
    applies_at: datetime,
) -> list[Revocation]:
    """The end of tokens of a key that were issued before a time: now, where none is given. Raises AccessError."""
    if not key.revocable:
        raise AccessError(Reason.NOT_REVOCABLE, f"Tokens of the key {key.name!r} cannot be revoked.")
    # Times of tokens are whole milliseconds: what is issued within this one counts as issued after it.
    before = now - timedelta(microseconds=now.microsecond % 1000) if issued_before is None else issued_before
    if not now - OLDEST_ISSUE <= before <= now:
        raise AccessError(
            Reason.BAD_REQUEST,
            f"Tokens can be revoked that were issued before a time in the last hour, not {before}.",
        )
    if not 1 <= len(targets) <= MAX_TARGETS or any(not 1 <= len(value) <= MAX_TARGET for _, value in targets):
        raise AccessError(Reason.BAD_REQUEST, f"Name 1 to {MAX_TARGETS} targets, each of 1 to {MAX_TARGET} characters.")
    return [Revocation(key.name, target, value, before, applies_at) for target, value in targets]


Told = Callable[[AccessError], None]
"""Is told why a grant is no longer worth anything; must not block."""


@dataclass(slots=True, eq=False)
class _Watcher:
    grant: Grant
    told: Told
    hint: Callable[[], None] | None


class Watchers:
    """Who holds a grant open, such as a socket."""

    def __init__(self) -> None:
        self._watchers: dict[_Watcher, None] = {}

    def add(self, grant: Grant, told: Told, hint: Callable[[], None] | None) -> Callable[[], None]:
        """Watches until the function that is returned is called. Each is called once at most."""
        watcher = _Watcher(grant, told, hint)
        self._watchers[watcher] = None
        return lambda: self._watchers.pop(watcher, None)

    def judge(self, refused: Callable[[Grant], AccessError | None], warned: Callable[[Grant], bool]) -> None:
        """Tells everybody whose grant is refused, and gives a hint to those whose grant will be."""
        for watcher in list(self._watchers):
            error = refused(watcher.grant)
            if error is not None:
                if self._watchers.pop(watcher, watcher) is None:
                    _call(watcher.told, error)
            elif watcher.hint is not None and warned(watcher.grant):
                hint, watcher.hint = watcher.hint, None
                _call(hint)


def _call(function: Callable[..., None], *arguments: object) -> None:
    """One that fails is logged and harms none of the others."""
    try:
        function(*arguments)
    except Exception:
        log.exception("watcher of a grant failed")
