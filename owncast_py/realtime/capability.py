"""Capabilities: which operations on which channels somebody may do, and what two of them have in common.

Owns their text, their matching and their intersection; knows no keys and no tokens. The form is Ably's (features
specification, RSA and TK2b): a JSON object from resources to lists of operations. A resource is

    name            that channel                    [meta]name      that of a qualifier, such as [meta] and [queue]
    namespace:*     all whose name begins so        [meta]*         all of the qualifier
    *               all without a qualifier         [*]*            all, whatever their qualifier

Where several resources match a channel, it has the operations of all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from owncast_py.realtime.errors import CapabilityError

ALL = "*"
"""Every operation."""
OPERATIONS = frozenset(
    {
        *("subscribe", "publish", "presence", "history", "stats", "channel-metadata"),
        *("push-subscribe", "push-admin", "privileged-headers"),
        *("object-subscribe", "object-publish", "annotation-subscribe", "annotation-publish"),
        *("message-update-any", "message-update-own", "message-delete-any", "message-delete-own"),
    }
)
MAX_TEXT = 8_192
"""Characters of a capability's JSON."""
MAX_RESOURCES = 100
MAX_RESOURCE = 250
"""Characters of a resource."""
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
"""What no text in UTF-8 can have."""

_RESOURCE = re.compile(r"(?:\[(\*|[a-z]+)\])?([^\[].*)", re.DOTALL)
_CHANNEL = re.compile(r"\[([a-z]+)(?:\?[^\]]*)?\](.*)", re.DOTALL)


class _Pattern(NamedTuple):
    """A resource taken apart. `qualifier` is empty for channels without one, `*` for any or none."""

    qualifier: str
    name: str
    open: bool
    """Whether `name` is only how the names begin."""

    @classmethod
    def of(cls, resource: str) -> _Pattern:
        """Raises CapabilityError."""
        found = _RESOURCE.fullmatch(resource)
        if found is None or len(resource) > MAX_RESOURCE:
            raise CapabilityError(
                f"A capability cannot name {resource[:60]!r}; give a channel of at most {MAX_RESOURCE} characters, "
                "a namespace:*, or *, perhaps after [meta], [queue] or [*]."
            )
        qualifier, name = found[1] or "", found[2]
        if name == ALL or name.endswith(":*"):
            return cls(qualifier, name[:-1], True)
        return cls(qualifier, name, False)

    def __str__(self) -> str:
        return f"{f'[{self.qualifier}]' if self.qualifier else ''}{self.name}{ALL if self.open else ''}"

    def matches(self, qualifier: str, name: str) -> bool:
        """Whether a channel is among those that are meant."""
        if self.qualifier not in (ALL, qualifier):
            return False
        return name.startswith(self.name) if self.open else name == self.name

    def narrowed(self, other: _Pattern) -> _Pattern | None:
        """What both mean."""
        if self.qualifier == ALL:
            qualifier = other.qualifier
        elif other.qualifier in (ALL, self.qualifier):
            qualifier = self.qualifier
        else:
            return None
        wide, narrow = sorted((self, other), key=lambda each: (len(each.name), not each.open))
        if narrow.name != wide.name and not (wide.open and narrow.name.startswith(wide.name)):
            return None
        return _Pattern(qualifier, narrow.name, narrow.open)


class Capability:
    """What somebody may do. Immutable; falsy when that is nothing."""

    __slots__ = ("_grants", "_text")

    def __init__(self, grants: Mapping[_Pattern, frozenset[str]]) -> None:
        """Use `parse`."""
        self._grants = dict(grants)
        document = {str(pattern): sorted(operations) for pattern, operations in grants.items()}
        self._text = orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()

    @classmethod
    def parse(cls, given: object) -> Capability:
        """The capability of a JSON text, or of what such a text says. Raises CapabilityError for anything else."""
        if isinstance(given, str):
            if len(given) > MAX_TEXT:
                raise CapabilityError(f"A capability of {len(given)} characters is too long; at most {MAX_TEXT} fit.")
            given = _read(given)
        if not isinstance(given, Mapping) or not given:
            raise CapabilityError(f"A capability is a JSON object with at least one channel; {_EXAMPLE}")
        if len(given) > MAX_RESOURCES:
            raise CapabilityError(f"A capability names at most {MAX_RESOURCES} channels, not {len(given)}; use *.")
        capability = cls({_pattern(resource): _operations(resource, each) for resource, each in given.items()})
        if len(capability._text) > MAX_TEXT:
            raise CapabilityError(f"A capability of {len(capability._text)} characters is too long; use *.")
        return capability

    def allows(self, channel: str, operation: str) -> bool:
        """Whether that operation is allowed on that channel; `*` asks for all channels that have no qualifier."""
        found = _CHANNEL.fullmatch(channel)
        qualifier, name = (found[1], found[2]) if found else ("", channel)
        return any(
            (operation in operations or ALL in operations) and pattern.matches(qualifier, name)
            for pattern, operations in self._grants.items()
        )

    @property
    def resources(self) -> list[str]:
        """Those that it names."""
        return [str(pattern) for pattern in self._grants]

    def within(self, other: Capability) -> bool:
        """Whether the other allows everything that this one does, as far as their words tell."""
        for mine, operations in self._grants.items():
            wider = [theirs for pattern, theirs in other._grants.items() if mine.narrowed(pattern) == mine]
            given = frozenset[str]().union(*wider)
            if ALL not in given and not operations <= given:
                return False
        return True

    def intersect(self, other: Capability) -> Capability:
        """What both allow."""
        grants: dict[_Pattern, frozenset[str]] = {}
        for mine, my_operations in self._grants.items():
            for theirs, their_operations in other._grants.items():
                operations = _common(my_operations, their_operations)
                if operations and (pattern := mine.narrowed(theirs)) is not None:
                    grants[pattern] = _joined(grants.get(pattern, frozenset()) | operations)
        return Capability(grants)

    def canonical(self) -> str:
        """Its JSON, the same text for all that allow the same in the same words: everything is sorted."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._grants)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Capability) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"Capability({self._text})"


_EXAMPLE = 'write it like {"chat": ["subscribe", "publish"]}.'


def _read(text: str) -> object:
    try:
        document: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise CapabilityError(f"The capability {text[:60]!r} is not JSON; {_EXAMPLE}") from None
    return document


def _pattern(resource: object) -> _Pattern:
    if not isinstance(resource, str) or HALF_CHARACTER.search(resource):
        raise CapabilityError(f"A capability cannot name {str(resource)[:60]!r}; {_EXAMPLE}")
    return _Pattern.of(resource)


def _operations(resource: str, given: object) -> frozenset[str]:
    if not isinstance(given, list | tuple) or not given:
        raise CapabilityError(f"The capability says of {resource[:60]!r} no list of operations; {_EXAMPLE}")
    for each in given:
        if not isinstance(each, str) or (each != ALL and each not in OPERATIONS):
            raise CapabilityError(
                f"There is no operation {str(each)[:60]!r}; there are {', '.join(sorted(OPERATIONS))}."
            )
    return _joined(frozenset(given))


def _joined(operations: frozenset[str]) -> frozenset[str]:
    return frozenset({ALL}) if ALL in operations else operations


def _common(some: frozenset[str], others: frozenset[str]) -> frozenset[str]:
    if ALL in some:
        return others
    return some if ALL in others else some & others


EVERYTHING = Capability.parse({"[*]*": [ALL]})
"""What a key may do that is not told otherwise."""
