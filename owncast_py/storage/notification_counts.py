"""How many notifications there are of a kind, exactly.

To count is to walk along an index: a million entries take SQLite 60 ms and more. But how many entries an index has in
all it tells in a few, so of what is more than half of them the rest is counted instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, not_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.notifications.ids import NOTIFICATION, number_of, with_number
from owncast_py.storage.tables import notifications

PROBES = 16
"""Notifications that are looked at to see whether it is more than half of them, evenly spread over time."""

Condition = ColumnElement[bool]


class Place(IntEnum):
    """Which part of an index a condition is about, first to last."""

    SHELF = 1
    OWNER = 2
    """The topic or the subscription."""
    AGE = 3
    NONE = 4
    """About something else."""


@dataclass(frozen=True, slots=True)
class Term:
    """A condition. What does not fulfil it fulfils one of `others`, each of which is one stretch of the index."""

    holds: Condition
    place: Place = Place.NONE
    others: tuple[Condition, ...] = ()


def equal(column: ColumnElement[Any], value: object, place: Place) -> Term:
    """That a column has this value."""
    return Term(column == value, place, (column < value, column > value))


def within(condition: Condition) -> Term:
    """That an id is on one side of another."""
    return Term(condition, Place.AGE, (not_(condition),))


async def count(connection: AsyncConnection, terms: Sequence[Term]) -> int:
    """How many fulfil all of them."""
    terms = sorted(terms, key=lambda term: term.place)
    query = _counting(*(term.holds for term in terms))
    if connection.dialect.name == "sqlite" and _one_stretch(terms) and await _common(connection, terms):
        query = _counting()
        for rest in _rest(terms):
            query -= _counting(*rest)
    return (await connection.execute(select(query))).scalar_one()


def _counting(*conditions: Condition) -> ColumnElement[int]:
    return select(func.count()).select_from(notifications).where(*conditions).scalar_subquery()


def _one_stretch(terms: Sequence[Term]) -> bool:
    """Whether these are neighbours in an index, and what is not is before or after them."""
    places = [term.place for term in terms]
    return Place.NONE not in places and all(places.count(place) <= 1 for place in (Place.SHELF, Place.OWNER))


def _rest(terms: Sequence[Term]) -> Iterator[list[Condition]]:
    """Stretches that together are all that does not fulfil the terms, none of it twice."""
    before: list[Condition] = []
    for term in terms:
        yield from ([*before, other] for other in term.others)
        before.append(term.holds)


async def _common(connection: AsyncConnection, terms: Sequence[Term]) -> bool:
    """Whether more than half fulfil them, going by a few."""
    number = notifications.c.id
    ends = select(select(func.min(number)).scalar_subquery(), select(func.max(number)).scalar_subquery())
    first, last = (await connection.execute(ends)).one()
    if first is None:
        return False
    low, high = number_of(first), number_of(last)
    steps = [with_number(NOTIFICATION, low + (high - low) * step // PROBES) for step in range(PROBES)]
    # Those of one message come one after another, in the order of its subscriptions: the first is not always looked at.
    near = (select(number).where(number >= step).order_by(number).limit(1).offset(at) for at, step in enumerate(steps))
    probes = select(*(each.scalar_subquery() for each in near))
    found = (await connection.execute(probes)).one()
    share = func.avg(case((and_(true(), *(term.holds for term in terms)), 1.0), else_=0.0))
    return bool(
        (
            await connection.execute(select(share).where(number.in_([each for each in found if each is not None])))
        ).scalar_one()
        > 0.5
    )
