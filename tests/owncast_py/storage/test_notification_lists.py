"""Pages of notifications, subscriptions and topics: the database against the same question asked in plain Python."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.notifications.filters import (
    And,
    Compare,
    Expression,
    Field,
    Kind,
    Not,
    Operator,
    Or,
    Order,
    Value,
    parse_filter,
    parse_sort,
)
from owncast_py.notifications.ids import ENDPOINT, MESSAGE, NOTIFICATION, SUBSCRIPTION, TOPIC, Ids, moment_of
from owncast_py.notifications.listing import (
    NOTIFICATION_FIELDS,
    SUBSCRIPTION_FIELDS,
    TOPIC_FIELDS,
    Listed,
    Listing,
    Page,
)
from owncast_py.notifications.model import Endpoint, Method, Notification, Shelf, Subscription, Topic
from owncast_py.storage import notification_counts, notification_lists, tables
from owncast_py.storage.database import Database

T = TypeVar("T")
Read = Callable[[T], dict[str, Value]]

BEGIN = datetime(2026, 3, 4, 5, 6, 7, 250_000, tzinfo=UTC)
ENTITIES = (
    "",
    "https://a.b/users/1",
    "https://a.b/users/2",
    "https://a.b/50%/x_y",
    "https://a.b/'; DROP TABLE topics;--",
)
CHANNELS = ("webhook", "discord", "Pager", "語る")
NAMES = ("CHAT", "STREAM_STARTED", "StreamXStarted", "100%_a", "' OR 1=1 --", "語", "a\\b", "a/b")
HOSTILE = (
    "%",
    "_",
    "\\",
    "/",
    "'",
    '"',
    "' OR 1=1 --",
    "'; DROP TABLE topics;--",
    "%%",
    "\0",
    "\ud800",
    "ntf_",
    "a" * 300,
)
STRANGE_TIMES = (
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    datetime(6429, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
)


@dataclass
class Stock:
    """What is in the database, as values."""

    topics: list[Topic] = field(default_factory=list)
    subscriptions: list[tuple[Subscription, Endpoint]] = field(default_factory=list)
    notifications: list[Listed] = field(default_factory=list)


class Maker:
    """Makes a stock; ids of the same millisecond among them."""

    def __init__(self) -> None:
        self.random = random.Random(7)
        self.now = BEGIN
        self.ids = Ids(lambda: self.now)

    def pass_time(self) -> None:
        self.now += timedelta(milliseconds=self.random.choice((0, 0, 1, 1, 2, 1000)))

    def topic(self, name: str) -> Topic:
        self.pass_time()
        identifier = self.ids.next(TOPIC)
        return Topic(identifier, self.random.choice(("owncast", "Mine")), name, moment_of(identifier))

    def endpoint(self) -> Endpoint:
        self.pass_time()
        chance = self.random
        return Endpoint(
            id=self.ids.next(ENDPOINT),
            channel=chance.choice(CHANNELS),
            url=chance.choice(("https://a.b/hook", "https://x_y/100%", "")),
            document={"name": "語"},
            active=chance.random() < 0.7,
            created_at=self.now,
            updated_at=self.now,
            method=chance.choice(tuple(Method)),
            ordered=chance.random() < 0.5,
            token="a token",
            secret="whsec_x",
            former_secret="whsec_y",
            former_until=chance.choice((None, self.now)),
            authenticated=chance.random() < 0.5,
            last_used_at=chance.choice((None, self.now)),
        )

    def subscription(self, topic: Topic, endpoint: Endpoint) -> Subscription:
        self.pass_time()
        identifier = self.ids.next(SUBSCRIPTION)
        return Subscription(
            id=identifier,
            topic_id=topic.id,
            endpoint_id=endpoint.id,
            created_at=moment_of(identifier),
            updated_at=self.now + timedelta(seconds=self.random.randrange(3)),
            subscriber=self.random.choice(ENTITIES),
            restricted=self.random.random() < 0.5,
            active=self.random.random() < 0.7,
        )

    def message(self, topic: Topic, to: Sequence[tuple[Subscription, Endpoint]]) -> list[Listed]:
        chance = self.random
        message_id, entity, at = self.ids.next(MESSAGE), chance.choice(ENTITIES), self.now
        made = []
        for subscription, endpoint in to:
            self.pass_time()
            identifier, shelf = self.ids.next(NOTIFICATION), chance.choice(tuple(Shelf))
            notification = Notification(
                id=identifier,
                message_id=message_id,
                topic_id=topic.id,
                subscription_id=subscription.id,
                endpoint_id=endpoint.id,
                shelf=shelf,
                expired=shelf is Shelf.FAILED and chance.random() < 0.5,
                tries=chance.randrange(4),
                due_at=self.now,
                queued_at=self.now,
                created_at=moment_of(identifier),
                updated_at=BEGIN + timedelta(seconds=chance.randrange(5)),
            )
            made.append(
                Listed(notification, b'{"type":"%d"}' % len(made), entity, at, endpoint.channel, endpoint.method)
            )
        return made

    def stock(self, messages: int = 60) -> Stock:
        stock = Stock(topics=[self.topic(name) for name in NAMES])
        endpoints = [self.endpoint() for _ in range(6)]
        pairs = [(topic, endpoint) for topic in stock.topics[:4] for endpoint in endpoints]
        for topic, endpoint in self.random.sample(pairs, 14):
            stock.subscriptions.append((self.subscription(topic, endpoint), endpoint))
        for _ in range(messages):
            topic = self.random.choice(stock.topics[:4])
            stock.notifications += self.message(topic, of_topic(stock, topic))
        return stock


def of_topic(stock: Stock, topic: Topic) -> list[tuple[Subscription, Endpoint]]:
    return [pair for pair in stock.subscriptions if pair[0].topic_id == topic.id]


async def keep_notifications(connection: AsyncConnection, found: Sequence[Listed]) -> None:
    messages = {
        each.notification.message_id: {
            "id": each.notification.message_id,
            "topic_id": each.notification.topic_id,
            "entity": each.entity or None,
            "at": each.at,
            "body": b"",
        }
        for each in found
    }
    if messages:
        await connection.execute(insert(tables.topic_messages), list(messages.values()))
        await connection.execute(insert(tables.notifications), [row_of(each.notification) for each in found])


def row_of(value: Notification | Subscription | Topic | Endpoint) -> dict[str, object]:
    return {name: getattr(value, name) for name in type(value).__dataclass_fields__}


async def keep(connection: AsyncConnection, stock: Stock) -> None:
    await connection.execute(insert(tables.topics), [row_of(topic) for topic in stock.topics])
    endpoints = {endpoint.id: endpoint for _, endpoint in stock.subscriptions}
    rows = [row_of(each) | {"document": '{"name":"語"}', "method": each.method.value} for each in endpoints.values()]
    await connection.execute(insert(tables.endpoints), rows)
    await connection.execute(insert(tables.subscriptions), [row_of(each) for each, _ in stock.subscriptions])
    await keep_notifications(connection, stock.notifications)


STOCK = Maker().stock()
ALL = frozenset(Shelf)
TOPIC_ID = STOCK.topics[0].id
SUBSCRIPTION_ID = STOCK.subscriptions[0][0].id


@pytest.fixture
async def database(address: str) -> AsyncIterator[Database]:
    opened = Database(address)
    await opened.start()
    yield opened
    await opened.aclose()


@pytest.fixture
async def stocked(database: Database) -> Database:
    await database.write(partial(keep, stock=STOCK))
    return database


# The same in plain Python.


def fields_of(found: Listed) -> dict[str, Value]:
    notification = found.notification
    return {
        "id": notification.id,
        "createdAt": notification.created_at,
        "updatedAt": notification.updated_at,
        "state": notification.state.value,
        "topic": notification.topic_id,
        "subscription": notification.subscription_id,
        "entity": found.entity,
        "tries": notification.tries,
        "deliveryChannel": found.channel,
        "deliveryMethod": found.method.value,
    }


def fields_of_subscription(found: tuple[Subscription, Endpoint]) -> dict[str, Value]:
    subscription, endpoint = found
    return {
        "id": subscription.id,
        "createdAt": subscription.created_at,
        "updatedAt": subscription.updated_at,
        "state": "active" if subscription.active and endpoint.active else "inactive",
        "topic": subscription.topic_id,
        "subscriber": subscription.subscriber,
        "deliveryChannel": endpoint.channel,
        "deliveryMethod": endpoint.method.value,
        "recipientId": endpoint.id,
        "recipientUrl": endpoint.url,
        "authenticationState": "authenticated" if endpoint.authenticated else "unauthenticated",
    }


def fields_of_topic(topic: Topic) -> dict[str, Value]:
    created = topic.created_at
    return {"id": topic.id, "createdAt": created, "updatedAt": created, "domain": topic.domain, "name": topic.name}


def kept(value: Value) -> Value:
    """What a database keeps of it, and looks for."""
    return re.sub("[\0\ud800-\udfff]", "\ufffd", value) if isinstance(value, str) else value


def folded(value: Value) -> str:
    """With small ASCII letters."""
    return "".join(each.lower() if each.isascii() else each for each in str(kept(value)))


def holds(expression: Expression, values: dict[str, Value]) -> bool:
    match expression:
        case And(terms):
            return all(holds(term, values) for term in terms)
        case Or(terms):
            return any(holds(term, values) for term in terms)
        case Not(term):
            return not holds(term, values)
    value, others = values[expression.field], [kept(other) for other in expression.values]
    other = others[0]
    match expression.operator:
        case Operator.EQ:
            return value == other
        case Operator.NE:
            return value != other
        case Operator.LT:
            return value < other  # type: ignore[operator]
        case Operator.LE:
            return value <= other  # type: ignore[operator]
        case Operator.GT:
            return value > other  # type: ignore[operator]
        case Operator.GE:
            return value >= other  # type: ignore[operator]
        case Operator.IN:
            return value in others
        case Operator.CONTAINS:
            return folded(other) in folded(value)
        case Operator.STARTS_WITH:
            return folded(value).startswith(folded(other))


def expected(stock: Sequence[T], listing: Listing, read: Read[T]) -> tuple[int, list[T]]:
    found = [each for each in stock if listing.where is None or holds(listing.where, read(each))]
    keys: list[Order] = []
    descending = False
    for order in listing.sort:
        descending = order.descending
        if order.field == "id" or (order.field == "createdAt" and read is fields_of):
            break
        keys.append(order)
    for key in reversed([*keys, Order("id", descending)]):
        found.sort(key=lambda each: read(each)[key.field], reverse=key.descending)  # type: ignore[arg-type, return-value]
    return len(found), found[listing.start : listing.start + listing.limit]


def bodies_emptied(found: Sequence[Listed]) -> list[Listed]:
    return [replace(each, body=b"") for each in found]


def on(shelves: Collection[Shelf]) -> list[Listed]:
    return [each for each in STOCK.notifications if each.notification.shelf in shelves]


def value_of(kind: Field, known: Sequence[Value]) -> st.SearchStrategy[Value]:
    values: st.SearchStrategy[Value] = st.sampled_from(known)
    match kind.kind:
        case Kind.TEXT:
            return values | st.sampled_from(HOSTILE) | values.map(lambda value: str(value)[2:9].swapcase())
        case Kind.TIME:
            near = st.builds(
                lambda moment, off: moment + timedelta(milliseconds=off),
                values,
                st.integers(-2, 2),  # type: ignore[operator, arg-type]
            )
            return values | near | st.sampled_from(STRANGE_TIMES)
        case Kind.NUMBER:
            return values | st.sampled_from((-(2**53), -1, 2**31, 2**53))
        case Kind.REFERENCE:
            return values | st.sampled_from(("x", "top_", "ntf_zzz", NOTIFICATION + "f" * 16, TOPIC + "7" + "f" * 15))
        case Kind.CHOICE:
            return st.sampled_from([str(each) for each in kind.choices])


def expressions(fields: dict[str, Field], rows: Sequence[dict[str, Value]]) -> st.SearchStrategy[Expression]:
    @st.composite
    def comparisons(draw: st.DrawFn) -> Compare:
        name = draw(st.sampled_from(sorted(fields)))
        operator = draw(st.sampled_from(sorted(fields[name].kind.operators)))
        value = value_of(fields[name], sorted({row[name] for row in rows}))  # type: ignore[type-var]
        most = 3 if operator is Operator.IN else 1
        return Compare(name, operator, tuple(draw(st.lists(value, min_size=1, max_size=most))))

    return st.recursive(
        comparisons(),
        lambda inner: (
            st.lists(inner, min_size=1, max_size=3).map(lambda terms: And(tuple(terms)))
            | st.lists(inner, min_size=1, max_size=3).map(lambda terms: Or(tuple(terms)))
            | inner.map(Not)
        ),
        max_leaves=6,
    )


def listings(fields: dict[str, Field], rows: Sequence[dict[str, Value]]) -> st.SearchStrategy[Listing]:
    orders = st.lists(st.builds(Order, st.sampled_from(sorted(fields)), st.booleans()), max_size=3)
    return st.builds(
        Listing,
        start=st.integers(0, 30) | st.sampled_from((100, 2**53)),
        limit=st.integers(1, 20) | st.just(1000),
        sort=orders.map(tuple),
        where=st.none() | expressions(fields, rows),
    )


asking = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@asking
@given(
    st.sets(st.sampled_from(tuple(Shelf))).map(lambda chosen: chosen or ALL),
    listings(NOTIFICATION_FIELDS, [fields_of(each) for each in STOCK.notifications]),
)
async def test_a_page_of_notifications_is_what_plain_python_finds(
    stocked: Database, shelves: Collection[Shelf], listing: Listing
) -> None:
    async with stocked.reading() as connection:
        page = await notification_lists.notifications(connection, shelves, listing)
    count, items = expected(on(shelves), listing, fields_of)
    assert page.count == count
    assert list(page.items) == bodies_emptied(items)
    assert page.as_of == STOCK.notifications[-1].notification.id


@asking
@given(listings(SUBSCRIPTION_FIELDS, [fields_of_subscription(each) for each in STOCK.subscriptions]))
async def test_a_page_of_subscriptions_is_what_plain_python_finds(stocked: Database, listing: Listing) -> None:
    async with stocked.reading() as connection:
        page = await notification_lists.subscriptions(connection, listing)
    assert (page.count, list(page.items)) == expected(STOCK.subscriptions, listing, fields_of_subscription)
    assert page.as_of == STOCK.subscriptions[-1][0].id


@asking
@given(listings(TOPIC_FIELDS, [fields_of_topic(each) for each in STOCK.topics]))
async def test_a_page_of_topics_is_what_plain_python_finds(stocked: Database, listing: Listing) -> None:
    async with stocked.reading() as connection:
        page = await notification_lists.topics(connection, listing)
    assert (page.count, list(page.items)) == expected(STOCK.topics, listing, fields_of_topic)
    assert page.as_of == STOCK.topics[-1].id


async def page_of(database: Database, shelves: Collection[Shelf] = ALL, **asked: object) -> Page[Listed]:
    names = {name: asked.pop(name) for name in ("topic_id", "subscription_id", "entity") if name in asked}
    async with database.reading() as connection:
        return await notification_lists.notifications(connection, shelves, Listing(**asked), **names)  # type: ignore[arg-type]


def ids(found: Sequence[Listed]) -> list[str]:
    return [each.notification.id for each in found]


async def test_a_page_may_be_of_one_topic_or_one_subscription(stocked: Database) -> None:
    topic = STOCK.topics[0].id
    subscription, endpoint = STOCK.subscriptions[0]
    wanted = [each for each in STOCK.notifications if each.notification.topic_id == topic]
    page = await page_of(stocked, topic_id=topic, limit=1000)
    assert ids(page.items) == ids(wanted)
    assert page.count == len(wanted)
    page = await page_of(stocked, topic_id=topic, limit=1000, sort=parse_sort("-topic", NOTIFICATION_FIELDS))
    assert ids(page.items) == ids(wanted)[::-1]
    both = {Shelf.QUEUE, Shelf.FAILED}
    page = await page_of(stocked, both, topic_id=topic, limit=7, start=3, sort=(Order("createdAt", True),))
    assert ids(page.items) == ids([each for each in wanted if each.notification.shelf in both])[::-1][3:10]
    page = await page_of(stocked, subscription_id=subscription.id, limit=1000)
    wanted = [each for each in STOCK.notifications if each.notification.subscription_id == subscription.id]
    assert ids(page.items) == ids(wanted)
    assert {each.channel for each in page.items} == {endpoint.channel}
    assert (await page_of(stocked, topic_id="top_0")).count == 0
    assert (await page_of(stocked, subscription_id="' OR 1=1 --")).items == ()


async def test_a_reader_sees_what_is_about_him_or_about_nobody(stocked: Database) -> None:
    for entity in (*ENTITIES, "https://a.b/users/3", "%"):
        page = await page_of(stocked, entity=entity, limit=1000)
        assert ids(page.items) == ids([each for each in STOCK.notifications if each.entity in ("", entity)])
        assert page.count == len(page.items)
        assert {each.entity for each in page.items} <= {"", entity}


@pytest.mark.parametrize(
    "q", ["USERS/1", "0%/X_", "ager", "stream", "streamx", "語", "_", "%", "\\", "/", "' OR 1=1 --", "\0"]
)
async def test_a_search_finds_what_contains_the_text_in_any_case(stocked: Database, q: str) -> None:
    names = {topic.id: topic.name for topic in STOCK.topics}
    page = await page_of(stocked, q=q, limit=1000)
    wanted = [
        each
        for each in STOCK.notifications
        if any(folded(q) in folded(text) for text in (each.entity, each.channel, names[each.notification.topic_id]))
    ]
    assert ids(page.items) == ids(wanted)
    async with stocked.reading() as connection:
        subscriptions = await notification_lists.subscriptions(connection, Listing(q=q))
        topics = await notification_lists.topics(connection, Listing(q=q))
    assert list(subscriptions.items) == [
        (each, to)
        for each, to in STOCK.subscriptions
        if any(folded(q) in folded(text) for text in (each.subscriber, to.url, to.channel))
    ]
    assert list(topics.items) == [
        each for each in STOCK.topics if any(folded(q) in folded(text) for text in (each.domain, each.name))
    ]


@pytest.mark.parametrize("sort", ["", "-createdAt", "updatedAt", "-state,tries", "-topic", "entity,-updatedAt"])
async def test_pages_fit_together_while_others_arrive(database: Database, sort: str) -> None:
    maker = Maker()
    stock = maker.stock(messages=12)
    await database.write(partial(keep, stock=stock))
    orders = parse_sort(sort, NOTIFICATION_FIELDS)
    whole = Listing(sort=orders, limit=1000)
    wanted = ids(expected(stock.notifications, whole, fields_of)[1])
    seen: list[str] = []
    as_of = ""
    while len(seen) < len(wanted):
        page = await page_of(database, sort=orders, start=len(seen), limit=5, as_of=as_of)
        assert page.count == len(wanted)
        assert page.as_of == (as_of or page.as_of)
        as_of = page.as_of
        seen += ids(page.items)
        topic = maker.random.choice(stock.topics[:4])
        maker.pass_time()
        new = maker.message(topic, of_topic(stock, topic))
        stock.notifications += new
        await database.write(partial(keep_notifications, found=new))
    assert seen == wanted
    later = await page_of(database, sort=orders, limit=1000)
    assert ids(later.items) == ids(expected(stock.notifications, whole, fields_of)[1])
    assert later.count > len(wanted)


async def test_pages_of_an_empty_list_stay_empty(database: Database) -> None:
    empty = await page_of(database)
    assert (empty.count, empty.items) == (0, ())
    async with database.reading() as connection:
        no_subscriptions = await notification_lists.subscriptions(connection, Listing())
        no_topics = await notification_lists.topics(connection, Listing())
    assert no_subscriptions.count == no_topics.count == 0
    await database.write(partial(keep, stock=STOCK))
    assert (await page_of(database, as_of=empty.as_of)).count == 0
    assert (await page_of(database)).count == len(STOCK.notifications)
    async with database.reading() as connection:
        assert (await notification_lists.subscriptions(connection, Listing(as_of=no_subscriptions.as_of))).items == ()
        assert (await notification_lists.topics(connection, Listing(as_of=no_topics.as_of))).items == ()


async def test_what_a_filter_says_is_never_a_statement(stocked: Database) -> None:
    for evil in ("'; DROP TABLE topics;--", "' OR '1'='1", '" OR 1=1 --', "\\'; DELETE FROM notifications;--"):
        quoted = str(Compare("entity", Operator.EQ, (evil,)))
        page = await page_of(stocked, where=parse_filter(quoted, NOTIFICATION_FIELDS), q=evil, limit=1000)
        assert {each.entity for each in page.items} <= {evil}
        assert page.count == sum(evil == each.entity for each in STOCK.notifications)
    assert (await page_of(stocked)).count == len(STOCK.notifications)
    async with stocked.reading() as connection:
        assert (await notification_lists.topics(connection, Listing())).count == len(STOCK.topics)


async def test_a_page_has_the_message_with_each_notification(stocked: Database) -> None:
    message_id = STOCK.notifications[0].notification.message_id

    async def rewrite(connection: AsyncConnection) -> None:
        at_first = tables.topic_messages.c.id == message_id
        await connection.execute(update(tables.topic_messages).where(at_first).values(body=b'{"type":"CHAT"}'))

    await stocked.write(rewrite)
    for each in (await page_of(stocked, limit=1000)).items:
        assert each.body == (b'{"type":"CHAT"}' if each.notification.message_id == message_id else b"")


def assume(monkeypatch: pytest.MonkeyPatch, *, common: bool) -> None:
    """As if what is counted were always more than half of all, or never."""

    async def answer(*_: object) -> bool:
        return common

    monkeypatch.setattr(notification_counts, "_common", answer)


@pytest.mark.parametrize("common", [False, True])
@pytest.mark.parametrize(
    "where",
    [
        "eq(state,received)",
        "ge(createdAt,{0})",
        "and(ge(createdAt,{0}),ge(createdAt,{1}))",
        "and(ge(createdAt,{0}),lt(createdAt,{1}))",
        "and(gt(createdAt,{1}),le(createdAt,{0}))",
        "and(eq(topic,{2}),le(createdAt,{1}))",
        "and(eq(topic,{2}),eq(subscription,{3}))",
        "and(eq(topic,x),eq(state,pending))",
        "and(eq(subscription,{3}),ne(state,failed),gt(createdAt,{0}))",
        "eq(topic,{2})",
        "ne(topic,{2})",
        "eq(tries,2)",
    ],
)
async def test_a_count_is_exact_whichever_side_is_counted(
    stocked: Database, monkeypatch: pytest.MonkeyPatch, where: str, common: bool
) -> None:
    assume(monkeypatch, common=common)
    early, late = (STOCK.notifications[at].notification.created_at.isoformat() for at in (40, -40))
    expression = parse_filter(where.format(early, late, TOPIC_ID, SUBSCRIPTION_ID), NOTIFICATION_FIELDS)
    for shelves in (ALL, {Shelf.RECEIVED}, {Shelf.QUEUE, Shelf.FAILED}):
        for as_of in ("", STOCK.notifications[100].notification.id):
            page = await page_of(stocked, shelves, where=expression, as_of=as_of)
            assert page.count == sum(
                holds(expression, fields_of(each)) and each.notification.id <= (as_of or each.notification.id)
                for each in on(shelves)
            )


async def test_what_is_more_than_half_of_all_is_noticed(database: Database) -> None:
    stock = Maker().stock()
    most = [
        replace(each, notification=replace(each.notification, shelf=Shelf.QUEUE if at % 10 == 3 else Shelf.RECEIVED))
        for at, each in enumerate(stock.notifications)
    ]
    await database.write(partial(keep, stock=replace(stock, notifications=most)))
    async with database.reading() as connection:
        for shelf, common in ((Shelf.RECEIVED, True), (Shelf.QUEUE, False), (Shelf.PULL, False)):
            place = notification_counts.Place.SHELF
            term = notification_counts.equal(tables.notifications.c.shelf, shelf.value, place)
            assert await notification_counts._common(connection, [term]) is common


@pytest.mark.parametrize(
    ("asked", "shelves"),
    [
        ({}, {Shelf.RECEIVED}),
        ({"sort": "-createdAt"}, {Shelf.RECEIVED}),
        ({"sort": "-state"}, {Shelf.RECEIVED}),
        ({"sort": "topic"}, {Shelf.RECEIVED}),
        ({"sort": "-subscription"}, {Shelf.QUEUE}),
        ({"where": "eq(state,received)"}, {Shelf.RECEIVED}),
        ({"where": "ge(createdAt,2026-03-04)", "sort": "-createdAt"}, {Shelf.QUEUE}),
        ({"where": "and(lt(createdAt,2026-03-05),ge(createdAt,2026-03-04))"}, {Shelf.QUEUE}),
        ({"where": f"and(eq(topic,{TOPIC_ID}),gt(createdAt,2026-03-04))"}, {Shelf.RECEIVED}),
        ({"where": f"eq(subscription,{SUBSCRIPTION_ID})", "sort": "-createdAt"}, {Shelf.FAILED}),
        ({"topic_id": TOPIC_ID}, ALL),
        ({"topic_id": TOPIC_ID, "where": "eq(state,pending)"}, ALL),
        ({"subscription_id": SUBSCRIPTION_ID, "sort": "-createdAt"}, ALL),
        ({"subscription_id": SUBSCRIPTION_ID, "where": "in(state,pending,received)"}, ALL),
    ],
)
@pytest.mark.parametrize("common", [False, True])
async def test_counting_and_paging_by_indexed_fields_read_an_index_only(
    stocked: Database,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    common: bool,
    asked: dict[str, str],
    shelves: Collection[Shelf],
) -> None:
    if not address.startswith("sqlite"):
        pytest.skip("PostgreSQL plans by what is in the tables, and here is next to nothing")
    assume(monkeypatch, common=common)
    listing: dict[str, object] = {**asked, "start": 1}
    if "where" in asked:
        listing["where"] = parse_filter(asked["where"], NOTIFICATION_FIELDS)
    listing["sort"] = parse_sort(asked.get("sort", ""), NOTIFICATION_FIELDS)
    named = {name: listing.pop(name) for name in ("topic_id", "subscription_id") if name in listing}
    plans: list[str] = []
    async with stocked.reading() as connection:

        def explain(
            conn: Connection, cursor: object, statement: str, parameters: tuple[object, ...], *_: object
        ) -> None:
            if "count(" in statement or "OFFSET" in statement:
                plan = conn.connection.cursor()
                plan.execute("EXPLAIN QUERY PLAN " + statement, parameters)
                plans.extend(row[3] for row in plan.fetchall())

        event.listen(connection.sync_connection, "before_cursor_execute", explain)
        await notification_lists.notifications(connection, shelves, Listing(**listing), **named)  # type: ignore[arg-type]
    reads = [plan for plan in plans if " notifications " in plan]
    assert len(reads) >= 2, "both count and page"
    assert all("USING COVERING INDEX" in plan for plan in reads), plans
    assert not any("TEMP B-TREE" in plan for plan in plans), plans
