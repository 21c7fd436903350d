"""The grammar of filters and sort orders: what is understood, what is refused and where, and that it can be printed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owncast_py.notifications.errors import NotificationError
from owncast_py.notifications.filters import (
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_NUMBER,
    MAX_ORDERS,
    MAX_TERMS,
    And,
    Compare,
    Expression,
    FilterError,
    Kind,
    Not,
    Operator,
    Or,
    Order,
    Value,
    parse_filter,
    parse_sort,
    parse_value,
)
from owncast_py.notifications.listing import MAX_LIMIT, MAX_SEARCH, MAX_START, NOTIFICATION_FIELDS, Listing

T = TypeVar("T")

FIELDS = NOTIFICATION_FIELDS
AT = datetime(2018, 4, 17, 10, 4, 46, 375_000, UTC)


def parsed(text: str) -> Expression:
    return parse_filter(text, FIELDS)


def refusal(text: str) -> tuple[int, str]:
    with pytest.raises(FilterError) as caught:
        parsed(text)
    return caught.value.position, str(caught.value)


def attempt(parse: Callable[[], T]) -> tuple[T | None, int | None]:
    """What comes of it, or the position of the fault; whatever else is raised goes on."""
    try:
        return parse(), None
    except FilterError as error:
        return None, error.position


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("eq(state,pending)", Compare("state", Operator.EQ, ("pending",))),
        ("eq(state,'pending')", Compare("state", Operator.EQ, ("pending",))),
        (' ne ( state , "failed" ) ', Compare("state", Operator.NE, ("failed",))),
        ("ge(tries,3)", Compare("tries", Operator.GE, (3,))),
        ("lt(tries,-3)", Compare("tries", Operator.LT, (-3,))),
        ("in(state,failed,expired)", Compare("state", Operator.IN, ("failed", "expired"))),
        ("gt(createdAt,2018-04-17T10:04:46.375Z)", Compare("createdAt", Operator.GT, (AT,))),
        ("gt(createdAt,'2018-04-17T12:04:46.375+02:00')", Compare("createdAt", Operator.GT, (AT,))),
        ("le(createdAt,2018-04-17T10:04:46.375)", Compare("createdAt", Operator.LE, (AT,))),
        ("eq(createdAt,2018-04-17T10:04:46.375999Z)", Compare("createdAt", Operator.EQ, (AT,))),
        ("lt(createdAt,2018-04-17)", Compare("createdAt", Operator.LT, (datetime(2018, 4, 17, tzinfo=UTC),))),
        ("eq(topic,top_1)", Compare("topic", Operator.EQ, ("top_1",))),
        ("eq(topic,https://a.b/notifications/topics/top_1)", Compare("topic", Operator.EQ, ("top_1",))),
        ("eq(topic,'/notifications/topics/top_1/?x=/y')", Compare("topic", Operator.EQ, ("top_1",))),
        ("contains(entity,https://a/b?c=d&e)", Compare("entity", Operator.CONTAINS, ("https://a/b?c=d&e",))),
        (
            r"startsWith(entity,'it\'s \"a\" \\ (b, c)')",
            Compare("entity", Operator.STARTS_WITH, (r"""it's "a" \ (b, c)""",)),
        ),
        ("eq(entity,'')", Compare("entity", Operator.EQ, ("",))),
        ("eq(entity,true)", Compare("entity", Operator.EQ, ("true",))),
        ("not(eq(tries,0))", Not(Compare("tries", Operator.EQ, (0,)))),
        (
            "and(eq(tries,0),or(eq(tries,1),\n\teq(tries,2)))",
            And(
                (
                    Compare("tries", Operator.EQ, (0,)),
                    Or((Compare("tries", Operator.EQ, (1,)), Compare("tries", Operator.EQ, (2,)))),
                )
            ),
        ),
    ],
)
def test_what_a_filter_stands_for(text: str, expression: Expression) -> None:
    assert parsed(text) == expression


@pytest.mark.parametrize(
    ("text", "position", "sentence"),
    [
        ("", 0, "expected an operator such as eq, and, or, not, found the end"),
        ("   ", 3, "found the end"),
        ("eq", 2, "expected ( after 'eq', found the end"),
        ("is(state,pending)", 0, "there is no operator 'is'; there are eq, ne, "),
        ("EQ(state,pending)", 0, "there is no operator 'EQ'"),
        ("eq(,pending)", 3, "expected a field, found ',pending)'"),
        ("eq( colour,red)", 4, "there is no field 'colour'; there are id, createdAt, "),
        ("eq(state)", 8, "expected , after state, found ')'"),
        ("eq(state,)", 9, "expected a word of a few for state, found ')'"),
        ("eq(state,lost)", 9, "state is one of pending, received, failed, expired, not 'lost'"),
        ("eq(state,pending,failed)", 16, "expected ) after the one value of eq, found ',failed)'"),
        ("eq(state,pending", 16, "expected ) after the one value of eq, found the end"),
        ("in(state,pending", 16, "expected , or ), found the end"),
        ("eq(state,pending))", 17, "expected the end, found ')'"),
        ("and(eq(tries,1) eq(tries,2))", 16, "expected , or ), found 'eq(tries,2))'"),
        ("and()", 4, "expected an operator"),
        ("not(eq(tries,1),eq(tries,2))", 15, "expected ) after the one expression of not"),
        ("and(eq(tries,1),lt(state,failed))", 16, "state is a word of a few, which takes eq, ne, in, not lt"),
        ("contains(createdAt,2018)", 0, "createdAt is a time, which takes eq, ne, lt, le, gt, ge, in, not contains"),
        ("startsWith(tries,1)", 0, "tries is a whole number"),
        ("gt(topic,top_1)", 0, "topic is an id, which takes eq, ne, in, not gt"),
        ("eq(tries,1.5)", 9, "tries is a whole number up to 9007199254740992, not '1.5'"),
        ("eq(tries,'1')", 9, "tries is a whole number"),
        (f"eq(tries,{MAX_NUMBER + 1})", 9, "tries is a whole number"),
        ("eq(tries,٣)", 9, "tries is a whole number"),
        ("eq(createdAt,yesterday)", 13, "createdAt is a time such as 2018-04-17T10:04:46.375Z, not 'yesterday'"),
        ("eq(createdAt,0001-01-01T00:00+14:00)", 13, "createdAt is a time"),
        ("eq(topic,https://a.b/top:1)", 9, "topic is an id, or a URI that ends with one"),
        ("eq(topic,'http://[')", 9, "topic is an id"),
        ("eq(entity,'a)", 10, "the text that begins here has no closing '"),
        (r"eq(entity,'a\n')", 12, "after \\ expected one of \\ ' \""),
        ("eq(entity,'a\\", 12, "after \\ expected"),
        ("eq(entity,a'b')", 11, "expected ) after the one value of eq, found \"'b')\""),
        ("x" * 100 + "(", 0, "'" + "x" * 40 + "…'"),
    ],
)
def test_what_is_refused_and_where(text: str, position: int, sentence: str) -> None:
    at, message = refusal(text)
    assert at == position
    assert message.startswith(f"filter, position {position}: ")
    assert sentence in message


def test_a_filter_has_limits() -> None:
    room = MAX_LENGTH - len("eq(entity,'')")
    assert parsed(f"eq(entity,'{'x' * room}')") == Compare("entity", Operator.EQ, ("x" * room,))
    assert refusal(f"eq(entity,'{'x' * (room + 1)}')")[0] == MAX_LENGTH
    deep = "not(" * (MAX_DEPTH - 1) + "eq(tries,1)" + ")" * (MAX_DEPTH - 1)
    assert str(parsed(deep)) == deep
    at, message = refusal(f"not({deep})")
    assert at == 4 * MAX_DEPTH
    assert f"at most {MAX_DEPTH} deep" in message
    many = ",".join(["eq(tries,1)"] * MAX_TERMS)
    assert str(parsed(f"and({many})")) == f"and({many})"
    at, message = refusal(f"or({many},in(tries,2))")
    assert at == len(f"or({many},in(tries,")
    assert f"at most {MAX_TERMS} values" in message
    assert refusal(f"in(tries{',1' * (MAX_TERMS + 1)})")[0] == len("in(tries") + 2 * MAX_TERMS + 1


TEXTS = st.text(max_size=12)
VALUES: dict[Kind, st.SearchStrategy[Value]] = {
    Kind.TEXT: TEXTS,
    Kind.NUMBER: st.integers(-MAX_NUMBER, MAX_NUMBER),
    Kind.TIME: st.datetimes(timezones=st.just(UTC)).map(
        lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    ),
    Kind.REFERENCE: st.from_regex(r"[A-Za-z0-9._~-]{1,20}", fullmatch=True),
}


@st.composite
def comparisons(draw: st.DrawFn) -> Compare:
    name = draw(st.sampled_from(sorted(FIELDS)))
    field = FIELDS[name]
    operator = draw(st.sampled_from(sorted(field.kind.operators)))
    value = st.sampled_from([str(each) for each in field.choices]) if field.choices else VALUES[field.kind]
    most = 3 if operator is Operator.IN else 1
    return Compare(name, operator, tuple(draw(st.lists(value, min_size=1, max_size=most))))


def expressions() -> st.SearchStrategy[Expression]:
    return st.recursive(
        comparisons(),
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda terms: And(tuple(terms))),
            st.lists(inner, min_size=1, max_size=3).map(lambda terms: Or(tuple(terms))),
            inner.map(Not),
        ),
        max_leaves=12,
    )


@settings(max_examples=200, deadline=None)
@given(expressions())
def test_an_expression_is_printed_as_a_filter_that_says_the_same(expression: Expression) -> None:
    assert parsed(str(expression)) == expression


@settings(max_examples=200, deadline=None)
@given(expressions(), st.data())
def test_a_damaged_filter_is_refused_inside_of_it_or_understood(expression: Expression, data: st.DataObject) -> None:
    text = str(expression)
    at = data.draw(st.integers(0, len(text)))
    damaged = text[:at] + data.draw(st.text("(),'\"\\ eqand1", max_size=3)) + text[at + data.draw(st.integers(0, 3)) :]
    found, fault = attempt(lambda: parsed(damaged))
    assert found is None or parsed(str(found)) == found
    assert fault is None or 0 <= fault <= len(damaged)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=60))
def test_no_text_does_worse_than_to_be_refused(text: str) -> None:
    _, fault = attempt(lambda: parse_filter(text, FIELDS))
    assert fault is None or 0 <= fault <= len(text)
    _, fault = attempt(lambda: parse_sort(text, FIELDS))
    assert fault is None or 0 <= fault <= len(text)
    for name, field in FIELDS.items():
        _, fault = attempt(lambda name=name, field=field: parse_value(text, name, field))
        assert fault in (None, 0)


@pytest.mark.parametrize(
    ("text", "orders"),
    [
        ("", ()),
        ("  ", ()),
        ("state", (Order("state"),)),
        ("-createdAt, topic", (Order("createdAt", descending=True), Order("topic"))),
    ],
)
def test_what_a_sort_order_stands_for(text: str, orders: tuple[Order, ...]) -> None:
    assert parse_sort(text, FIELDS) == orders


@pytest.mark.parametrize(
    ("text", "position", "sentence"),
    [
        ("colour", 0, "there is no field 'colour'; there are id, "),
        ("state, -colour", 7, "there is no field 'colour'"),
        ("--state", 0, "there is no field '-state'"),
        ("state,,topic", 6, "there is no field ''"),
        ("state,", 6, "there is no field ''"),
        (",", 0, "there is no field ''"),
        ("state,topic,-state", 12, "state is there twice"),
        ("id,state,topic,tries,entity,createdAt", 28, f"at most {MAX_ORDERS} fields"),
    ],
)
def test_what_no_sort_order_is(text: str, position: int, sentence: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_sort(text, FIELDS)
    assert caught.value.position == position
    assert str(caught.value).startswith(f"sortBy, position {position}: ")
    assert sentence in str(caught.value)


def test_a_parameter_of_its_own_has_the_value_that_a_filter_would_have() -> None:
    assert parse_value("https://a.b/topics/top_1", "topic", FIELDS["topic"]) == "top_1"
    assert parse_value("2018-04-17T10:04:46.375Z", "createdAt", FIELDS["createdAt"]) == AT
    assert parse_value("12", "tries", FIELDS["tries"]) == 12
    with pytest.raises(FilterError, match="state, position 0: state is one of pending, "):
        parse_value("lost", "state", FIELDS["state"])


def test_a_listing_has_limits() -> None:
    assert Listing(start=MAX_START, limit=MAX_LIMIT, q="x" * MAX_SEARCH).limit == MAX_LIMIT
    for refused, sentence in (
        ({"start": -1}, "from 0 to"),
        ({"start": MAX_START + 1}, "from 0 to"),
        ({"limit": 0}, "from 1 to 1,000, not 0"),
        ({"limit": MAX_LIMIT + 1}, "not 1001"),
        ({"q": "x" * (MAX_SEARCH + 1)}, "at most 200"),
        ({"as_of": "ntf_1"}, "as of an id"),
    ):
        with pytest.raises(NotificationError, match=sentence):
            Listing(**refused)  # type: ignore[arg-type]
