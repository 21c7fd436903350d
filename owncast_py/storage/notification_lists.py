"""Pages of notifications, subscriptions and topics from the database, as `notifications.listing` describes them.

Owns their SQL. A list may have a million rows, so a page of notifications is found in three steps: how many there are,
which ids are on the page, and only then what belongs to these few. The first two read nothing but an index as long as
state, topic, subscription and time of creation are all that is asked for: an id tells when it was given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Executable, Row, and_, case, func, or_, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.notifications.filters import And, Compare, Expression, Operator, Order
from owncast_py.notifications.ids import NOTIFICATION, SUBSCRIPTION, TOPIC, number_of, with_number
from owncast_py.notifications.listing import Listed, Listing, Page
from owncast_py.notifications.model import Endpoint, Method, Shelf, State, Subscription, Topic
from owncast_py.storage import notification_counts as counts
from owncast_py.storage import notification_filters as filters
from owncast_py.storage import tables
from owncast_py.storage.notification_counts import Condition, Place, Term
from owncast_py.storage.notification_filters import Comparison
from owncast_py.storage.notification_rows import endpoint, notification, subscription, topic

_SHELVES = {
    State.PENDING: frozenset({Shelf.QUEUE, Shelf.PULL}),
    State.RECEIVED: frozenset({Shelf.RECEIVED}),
    State.FAILED: frozenset({Shelf.FAILED}),
    State.EXPIRED: frozenset({Shelf.FAILED}),
}

_notifications = tables.notifications.c
_messages = tables.topic_messages.c
_subscriptions = tables.subscriptions.c
_endpoints = tables.endpoints.c
_topics = tables.topics.c

_Key = tuple[ColumnElement[Any], bool]
"""What to sort by, and whether descending."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A field in the database: how it is compared and what it is sorted by."""

    compare: Comparison
    key: ColumnElement[Any]


async def notifications(
    connection: AsyncConnection,
    shelves: Collection[Shelf],
    listing: Listing,
    *,
    topic_id: str | None = None,
    subscription_id: str | None = None,
    entity: str | None = None,
) -> Page[Listed]:
    """Notifications on those shelves, of one topic or subscription where it is named.

    With `entity`, a URI, only those whose message is about that entity or about none.
    """
    columns = _notification_columns(_postgres(connection))
    as_of, seen = await _as_of(connection, _notifications.id, NOTIFICATION, listing)
    terms = [counts.within(condition) for condition in seen]
    if topic_id is not None:
        terms.append(counts.equal(_notifications.topic_id, topic_id, Place.OWNER))
    if subscription_id is not None:
        terms.append(counts.equal(_notifications.subscription_id, subscription_id, Place.OWNER))
    if entity is not None:
        terms.append(Term(_about().in_(["", entity])))
    if listing.q:
        texts = [_about(), _of_endpoint(_endpoints.channel), _of_topic(_topics.name)]
        terms.append(Term(_containing(listing.q, texts)))
    asked, rest = _states(listing.where)
    terms += [_term(each, columns) for each in rest]
    wanted = sorted(asked.intersection(shelves))
    if not wanted:
        return Page(0, (), as_of)
    on = [counts.equal(_notifications.shelf, shelf.value, Place.SHELF) for shelf in wanted]
    # In the index of one shelf ids are in order, in that of several they are not: so each shelf is asked by itself.
    branches = [terms] if len(wanted) == len(Shelf) else [[shelf, *terms] for shelf in on]
    count = sum([await counts.count(connection, branch) for branch in branches])
    keys = _keys(listing.sort, _constant(wanted, topic_id, subscription_id), columns)
    found = [and_(true(), *(term.holds for term in branch)) for branch in branches]
    ids = await _ids(connection, found, keys, listing, count)
    return Page(count, await _listed(connection, ids), as_of)


async def subscriptions(connection: AsyncConnection, listing: Listing) -> Page[tuple[Subscription, Endpoint]]:
    """Subscriptions, each with its endpoint."""
    columns = _subscription_columns(_postgres(connection))
    as_of, conditions = await _as_of(connection, _subscriptions.id, SUBSCRIPTION, listing)
    if listing.q:
        conditions.append(_containing(listing.q, [_subscriptions.subscriber, _endpoints.url, _endpoints.channel]))
    conditions += _conditions([listing.where] if listing.where is not None else [], columns)
    joined = tables.subscriptions.join(tables.endpoints)
    query = select(func.count()).select_from(joined).where(*conditions)
    count = (await connection.execute(query)).scalar_one()
    page = select(tables.subscriptions).select_from(joined).where(*conditions)
    page = page.order_by(*_ordered(_keys(listing.sort, (), columns))).limit(listing.limit).offset(listing.start)
    found = [subscription(row) for row in await connection.execute(page)]
    targets = select(tables.endpoints).where(_endpoints.id.in_({each.endpoint_id for each in found}))
    known = {row.id: endpoint(row) for row in await connection.execute(targets)}
    items = tuple((each, known[each.endpoint_id]) for each in found if each.endpoint_id in known)
    return Page(count, items, as_of)


async def topics(connection: AsyncConnection, listing: Listing) -> Page[Topic]:
    """Topics of every domain."""
    columns = _topic_columns(_postgres(connection))
    as_of, conditions = await _as_of(connection, _topics.id, TOPIC, listing)
    if listing.q:
        conditions.append(_containing(listing.q, [_topics.domain, _topics.name]))
    conditions += _conditions([listing.where] if listing.where is not None else [], columns)
    query = select(func.count()).select_from(tables.topics).where(*conditions)
    count = (await connection.execute(query)).scalar_one()
    page = select(tables.topics).where(*conditions)
    page = page.order_by(*_ordered(_keys(listing.sort, (), columns))).limit(listing.limit).offset(listing.start)
    items = tuple([topic(row) for row in await connection.execute(page)])
    return Page(count, items, as_of)


# What is asked for.


async def _as_of(
    connection: AsyncConnection, column: ColumnElement[str], prefix: str, listing: Listing
) -> tuple[str, list[Condition]]:
    """Up to which id the page goes, and the condition for it."""
    if listing.as_of:
        as_of = with_number(prefix, number_of(listing.as_of))
        return as_of, [column <= as_of]
    newest = (await connection.execute(select(func.max(column)))).scalar() or with_number(prefix, 0)
    # SQLite's transaction sees one moment, in which nothing is newer; not to compare saves a sixth of the time.
    return newest, ([column <= newest] if _postgres(connection) else [])


def _states(where: Expression | None) -> tuple[frozenset[Shelf], list[Expression]]:
    """On which shelves there can be what is asked for, and what else must be true of it."""
    shelves = frozenset(Shelf)
    rest: list[Expression] = []
    for term in where.terms if isinstance(where, And) else [where] if where is not None else []:
        if not (isinstance(term, Compare) and term.field == "state"):
            rest.append(term)
            continue
        states = {state for state in State if (state.value in term.values) != (term.operator is Operator.NE)}
        shelves &= frozenset().union(*(_SHELVES[state] for state in states))
        if (State.FAILED in states) != (State.EXPIRED in states):
            rest.append(term)
    return shelves, rest


def _conditions(terms: Iterable[Expression], columns: Mapping[str, _Column]) -> list[Condition]:
    fields = {name: column.compare for name, column in columns.items()}
    return [filters.condition(term, fields) for term in terms]


def _term(expression: Expression, columns: Mapping[str, _Column]) -> Term:
    """A condition on notifications, and what is known of its place in an index."""
    [condition] = _conditions([expression], columns)
    match expression:
        case Compare("topic", Operator.EQ, (value,)):
            return counts.equal(_notifications.topic_id, value, Place.OWNER)
        case Compare("subscription", Operator.EQ, (value,)):
            return counts.equal(_notifications.subscription_id, value, Place.OWNER)
        case Compare("createdAt", Operator.LT | Operator.LE | Operator.GT | Operator.GE):
            return counts.within(condition)
    return Term(condition)


def _containing(text: str, columns: Sequence[ColumnElement[str]]) -> Condition:
    return or_(*(column.icontains(text, autoescape=True) for column in columns))


def _constant(shelves: Sequence[Shelf], topic_id: str | None, subscription_id: str | None) -> list[str]:
    """Fields that are the same in the whole list, so that sorting by them does nothing."""
    one_state = any(
        shelves_of.issuperset(shelves) for shelves_of in (_SHELVES[State.PENDING], _SHELVES[State.RECEIVED])
    )
    given = {"state": one_state, "topic": topic_id is not None, "subscription": subscription_id is not None}
    return [field for field, constant in given.items() if constant]


def _keys(sort: Sequence[Order], constant: Collection[str], columns: Mapping[str, _Column]) -> list[_Key]:
    """What to order by. The id comes last, in the direction of the field before it, so that one index may have both."""
    keys: list[_Key] = []
    identifier, descending = columns["id"].key, False
    for order in sort:
        key, descending = columns[order.field].key, order.descending
        if key is identifier:
            break
        if order.field not in constant:
            keys.append((key, descending))
    return [*keys, (identifier, descending)]


def _ordered(keys: Sequence[_Key], *, backwards: bool = False) -> list[ColumnElement[Any]]:
    return [key.desc() if descending != backwards else key.asc() for key, descending in keys]


# What is found.


async def _ids(
    connection: AsyncConnection, branches: Sequence[Condition], keys: Sequence[_Key], listing: Listing, count: int
) -> list[str]:
    """The ids on the page, in order. What is nearer to the end is looked for from there."""
    start, limit = listing.start, min(listing.limit, count - listing.start)
    if limit <= 0:
        return []
    backwards = start > count - start - limit
    offset = count - start - limit if backwards else start
    if len(keys) == 1 and len(branches) > 1:
        page = union_all(*(select(_notifications.id).where(branch) for branch in branches))
        order = _ordered([(page.selected_columns.id, keys[0][1])], backwards=backwards)
        query: Executable = page.order_by(*order).limit(limit).offset(offset)
    else:
        order = _ordered(keys, backwards=backwards)
        one = select(_notifications.id).where(or_(*branches))
        query = one.order_by(*order).limit(limit).offset(offset)
    ids = list((await connection.execute(query)).scalars())
    return ids[::-1] if backwards else ids


async def _listed(connection: AsyncConnection, ids: Sequence[str]) -> tuple[Listed, ...]:
    query = (
        select(
            tables.notifications,
            _messages.body,
            _messages.entity,
            _messages.at,
            _endpoints.channel,
            _endpoints.method,
        )
        .join(tables.topic_messages, _messages.id == _notifications.message_id)
        .join(tables.endpoints, _endpoints.id == _notifications.endpoint_id)
        .where(_notifications.id.in_(ids))
    )
    found = {row.id: row for row in await connection.execute(query)} if ids else {}
    return tuple(_one(found[each]) for each in ids if each in found)


def _one(row: Row[tuple[Any, ...]]) -> Listed:
    return Listed(notification(row), bytes(row.body), row.entity or "", row.at, row.channel, Method(row.method))


# Fields.


@cache
def _notification_columns(postgres: bool) -> Mapping[str, _Column]:
    failed = _notifications.shelf == Shelf.FAILED.value
    pending = _notifications.shelf.in_([Shelf.QUEUE.value, Shelf.PULL.value])
    states = {
        State.PENDING.value: pending,
        State.RECEIVED.value: _notifications.shelf == Shelf.RECEIVED.value,
        State.FAILED.value: and_(failed, ~_notifications.expired),
        State.EXPIRED.value: and_(failed, _notifications.expired),
    }
    return {
        "id": _plain(_notifications.id),
        "createdAt": _Column(filters.moment_of_id(_notifications.id, NOTIFICATION), _notifications.id),
        "updatedAt": _plain(_notifications.updated_at),
        "state": _choice(states),
        "topic": _plain(_notifications.topic_id),
        "subscription": _plain(_notifications.subscription_id),
        "entity": _text(_about(), postgres),
        "tries": _Column(filters.number(_notifications.tries), _notifications.tries),
        "deliveryChannel": _text(_of_endpoint(_endpoints.channel), postgres),
        "deliveryMethod": _plain(_of_endpoint(_endpoints.method)),
    }


@cache
def _subscription_columns(postgres: bool) -> Mapping[str, _Column]:
    active = and_(_subscriptions.active, _endpoints.active)
    authenticated = _endpoints.authenticated == true()
    return {
        "id": _plain(_subscriptions.id),
        "createdAt": _plain(_subscriptions.created_at),
        "updatedAt": _plain(_subscriptions.updated_at),
        "state": _choice({"active": active, "inactive": ~active}),
        "topic": _plain(_subscriptions.topic_id),
        "subscriber": _text(_subscriptions.subscriber, postgres),
        "deliveryChannel": _text(_endpoints.channel, postgres),
        "deliveryMethod": _plain(_endpoints.method),
        "recipientId": _plain(_subscriptions.endpoint_id),
        "recipientUrl": _text(_endpoints.url, postgres),
        "authenticationState": _choice({"authenticated": authenticated, "unauthenticated": ~authenticated}),
    }


@cache
def _topic_columns(postgres: bool) -> Mapping[str, _Column]:
    return {
        "id": _plain(_topics.id),
        "createdAt": _plain(_topics.created_at),
        "updatedAt": _plain(_topics.created_at),
        "domain": _text(_topics.domain, postgres),
        "name": _text(_topics.name, postgres),
    }


def _plain(column: ColumnElement[Any]) -> _Column:
    return _Column(filters.plain(column), column)


def _text(column: ColumnElement[str], postgres: bool) -> _Column:
    # SQLite compares the codes of characters, PostgreSQL as its locale has it unless it is told.
    by_code = column.collate("C") if postgres else column
    return _Column(filters.text(column, by_code), by_code)


def _choice(conditions: Mapping[str, Condition]) -> _Column:
    """Sorted as words."""
    words = sorted(conditions)
    return _Column(filters.choice(conditions), case(*((conditions[word], at) for at, word in enumerate(words))))


def _about() -> ColumnElement[str]:
    """What a notification's message is about."""
    entity = select(_messages.entity).where(_messages.id == _notifications.message_id).scalar_subquery()
    return func.coalesce(entity, "")


def _of_endpoint(column: ColumnElement[str]) -> ColumnElement[str]:
    return select(column).where(_endpoints.id == _notifications.endpoint_id).scalar_subquery()


def _of_topic(column: ColumnElement[str]) -> ColumnElement[str]:
    return select(column).where(_topics.id == _notifications.topic_id).scalar_subquery()


def _postgres(connection: AsyncConnection) -> bool:
    return connection.dialect.name == "postgresql"
