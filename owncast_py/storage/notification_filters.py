"""Expressions of `notifications.filters` as SQL, every value a bound parameter.

Owns how fields are compared. Which columns they are is said by whoever lists something.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import BigInteger, ColumnElement, and_, not_, or_
from sqlalchemy import cast as sql_cast

from owncast_py.notifications.filters import And, Compare, Expression, Not, Operator, Or, Value
from owncast_py.notifications.ids import moment_of, since, with_number

Comparison = Callable[[Operator, Sequence[Value]], ColumnElement[bool]]
"""Makes a condition of an operator and its values."""

_MILLISECOND = timedelta(milliseconds=1)
_LAST_MOMENT = moment_of(with_number("_", 2**63 - 1)) - _MILLISECOND
"""Later ones are in no id."""


def condition(expression: Expression, fields: Mapping[str, Comparison]) -> ColumnElement[bool]:
    """What must be true of a row."""
    match expression:
        case And(terms):
            return and_(*(condition(term, fields) for term in terms))
        case Or(terms):
            return or_(*(condition(term, fields) for term in terms))
        case Not(term):
            return not_(condition(term, fields))
        case Compare(field, operator, values):
            return fields[field](operator, values)


def plain(column: ColumnElement[Any]) -> Comparison:
    """Compares a column that is never null: of numbers, times, ids or texts."""

    def compare(operator: Operator, values: Sequence[Value]) -> ColumnElement[bool]:
        value = values[0]
        match operator:
            case Operator.EQ:
                return column == value
            case Operator.NE:
                return column != value
            case Operator.LT:
                return column < value
            case Operator.LE:
                return column <= value
            case Operator.GT:
                return column > value
            case Operator.GE:
                return column >= value
            case Operator.IN:
                return column.in_(values)
            case Operator.CONTAINS:
                return column.icontains(value, autoescape=True)
            case Operator.STARTS_WITH:
                return column.istartswith(value, autoescape=True)

    return compare


def text(column: ColumnElement[str], by_code: ColumnElement[str]) -> Comparison:
    """Compares texts as they are, by the code of their characters, but contains and startsWith overlook case."""

    def compare(operator: Operator, values: Sequence[Value]) -> ColumnElement[bool]:
        searching = operator in (Operator.CONTAINS, Operator.STARTS_WITH)
        return plain(column if searching else by_code)(operator, values)

    return compare


def number(column: ColumnElement[int]) -> Comparison:
    """Compares a whole number, also with greater ones than its column takes."""
    return plain(sql_cast(column, BigInteger))


def choice(conditions: Mapping[str, ColumnElement[bool]]) -> Comparison:
    """Compares a field of a few values, each with the condition that it has that value."""

    def compare(operator: Operator, values: Sequence[Value]) -> ColumnElement[bool]:
        wanted = or_(*(conditions[cast(str, value)] for value in values))
        return not_(wanted) if operator is Operator.NE else wanted

    return compare


def moment_of_id(column: ColumnElement[str], prefix: str) -> Comparison:
    """Compares when an id was given: a range of ids, so that their index serves."""

    def compare(operator: Operator, values: Sequence[Value]) -> ColumnElement[bool]:
        moments = [min(cast(datetime, value), _LAST_MOMENT) for value in values]
        first, beyond = since(prefix, moments[0]), since(prefix, moments[0] + _MILLISECOND)
        match operator:
            case Operator.LT:
                return column < first
            case Operator.LE:
                return column < beyond
            case Operator.GT:
                return column >= beyond
            case Operator.GE:
                return column >= first
        within = or_(
            *(and_(column >= since(prefix, each), column < since(prefix, each + _MILLISECOND)) for each in moments)
        )
        return not_(within) if operator is Operator.NE else within

    return compare
