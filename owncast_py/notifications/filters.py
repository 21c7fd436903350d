"""The grammar of `filter` and `sortBy`: text → values, and back. Knows which fields there are from whoever asks.

Owns no SQL. Apiture's interface leaves the grammar of `filter` open; this is ours, as docs/notifications.md shows it:

    expression = comparison / "and(" expression *("," expression) ")" / "or(" … ")" / "not(" expression ")"
    comparison = operator "(" field "," value *("," value) ")"      ; several values only with `in`
    operator   = "eq" / "ne" / "lt" / "le" / "gt" / "ge" / "in" / "contains" / "startsWith"
    value      = "'" text "'" / DQUOTE text DQUOTE / word
    word       = 1*(any character but white space, comma, parentheses, quotes)

White space between these is free. In a quoted text a backslash stands before a backslash or a quote that is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit

from owncast_py.notifications.errors import NotificationError

MAX_LENGTH = 4_000
"""Characters of an expression."""
MAX_DEPTH = 20
MAX_TERMS = 100
"""Values in one expression that something is compared with."""
MAX_ORDERS = 5
MAX_NUMBER = 2**53
SHOWN = 40
"""Characters of what was written that an error repeats."""

_WORD = re.compile(r"[^\s,()'\"]+")
_NUMBER = re.compile(r"-?[0-9]{1,16}")
_ID = re.compile(r"[A-Za-z0-9._~-]+")
_ESCAPABLE = ("\\", "'", '"')

Value = str | int | datetime


class FilterError(NotificationError):
    """A filter or sort order that cannot be understood. `position` is the index of the character at fault."""

    def __init__(self, what: str, position: int, sentence: str) -> None:
        """`what` is the parameter's name."""
        super().__init__(f"{what}, position {position}: {sentence}")
        self.position = position


class Operator(StrEnum):
    """How a field is compared."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    IN = "in"
    CONTAINS = "contains"
    STARTS_WITH = "startsWith"


_EQUAL = frozenset({Operator.EQ, Operator.NE, Operator.IN})
_ORDERED = _EQUAL | {Operator.LT, Operator.LE, Operator.GT, Operator.GE}


class Kind(Enum):
    """What a field holds: the noun for it, and which operators make sense."""

    TEXT = ("a text", _ORDERED | {Operator.CONTAINS, Operator.STARTS_WITH})
    NUMBER = ("a whole number", _ORDERED)
    TIME = ("a time", _ORDERED)
    CHOICE = ("a word of a few", _EQUAL)
    REFERENCE = ("an id", _EQUAL)
    """An id, or a URI whose path ends with it."""

    def __init__(self, noun: str, operators: frozenset[Operator]) -> None:
        self.noun = noun
        self.operators = operators


@dataclass(frozen=True, slots=True)
class Field:
    """A field that can be filtered and sorted by."""

    kind: Kind
    choices: tuple[str, ...] = ()
    """All there are, for a CHOICE."""


@dataclass(frozen=True, slots=True)
class Compare:
    """A field against one value, or with IN against several. Times are in whole milliseconds."""

    field: str
    operator: Operator
    values: tuple[Value, ...]

    def __str__(self) -> str:
        return f"{self.operator}({','.join([self.field, *map(_printed, self.values)])})"


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    terms: tuple[Expression, ...]

    def __str__(self) -> str:
        return f"and({','.join(map(str, self.terms))})"


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them."""

    terms: tuple[Expression, ...]

    def __str__(self) -> str:
        return f"or({','.join(map(str, self.terms))})"


@dataclass(frozen=True, slots=True)
class Not:
    """What it is not true of."""

    term: Expression

    def __str__(self) -> str:
        return f"not({self.term})"


Expression = Compare | And | Or | Not
"""What a filter says. `str` of it is a filter that says the same."""


@dataclass(frozen=True, slots=True)
class Order:
    """A field to sort by."""

    field: str
    descending: bool = False


def parse_filter(text: str, fields: Mapping[str, Field]) -> Expression:
    """The expression that a text stands for. Raises FilterError."""
    if len(text) > MAX_LENGTH:
        raise FilterError("filter", MAX_LENGTH, f"a filter has at most {MAX_LENGTH:,} characters, not {len(text):,}.")
    parser = _Parser(text, fields)
    expression = parser.expression(1)
    parser.end()
    return expression


def parse_value(text: str, name: str, field: Field) -> Value:
    """The value of a field that is a parameter of its own. Raises FilterError."""
    return _value(_Token(text, 0, quoted=field.kind is not Kind.NUMBER), name, field, what=name)


def parse_sort(text: str, fields: Mapping[str, Field]) -> tuple[Order, ...]:
    """What to sort by, the first field first; nothing for an empty text. Raises FilterError."""
    orders: list[Order] = []
    at = 0
    for item in text.split(",") if text.strip() else ():
        name, position = item.strip(), at + len(item) - len(item.lstrip())
        at += len(item) + 1
        descending = name.startswith("-")
        name = name.removeprefix("-")
        if len(orders) == MAX_ORDERS:
            raise FilterError("sortBy", position, f"at most {MAX_ORDERS} fields can be sorted by.")
        if name not in fields:
            raise FilterError("sortBy", position, f"there is no field {_shown(name)}; there are {_listed(fields)}.")
        if any(order.field == name for order in orders):
            raise FilterError("sortBy", position, f"{name} is there twice; name each field once.")
        orders.append(Order(name, descending))
    return tuple(orders)


class _Token(NamedTuple):
    text: str
    position: int
    quoted: bool


class _Parser:
    """Goes through one text, once."""

    def __init__(self, text: str, fields: Mapping[str, Field]) -> None:
        self._text = text
        self._fields = fields
        self._at = 0
        self._terms = 0

    def expression(self, depth: int) -> Expression:
        """What begins here."""
        word = self._word("an operator such as eq, and, or, not")
        if depth > MAX_DEPTH:
            raise self._wrong(word.position, f"expressions are nested at most {MAX_DEPTH} deep.")
        self._mark("(", f"after {_shown(word.text)}")
        match word.text:
            case "and":
                return And(self._terms_of(depth))
            case "or":
                return Or(self._terms_of(depth))
            case "not":
                negated = self.expression(depth + 1)
                self._mark(")", "after the one expression of not")
                return Not(negated)
        try:
            operator = Operator(word.text)
        except ValueError:
            known = _listed([*Operator, "and", "or", "not"])
            raise self._wrong(word.position, f"there is no operator {_shown(word.text)}; there are {known}.") from None
        return self._comparison(operator, word.position)

    def end(self) -> None:
        """Nothing follows."""
        self._skip()
        if self._at < len(self._text):
            raise self._wrong(self._at, f"expected the end, found {self._here()}.")

    def _terms_of(self, depth: int) -> tuple[Expression, ...]:
        terms = [self.expression(depth + 1)]
        while self._either(",", ")") == ",":
            terms.append(self.expression(depth + 1))
        return tuple(terms)

    def _comparison(self, operator: Operator, position: int) -> Compare:
        name = self._word("a field")
        field = self._fields.get(name.text)
        if field is None:
            raise self._wrong(
                name.position, f"there is no field {_shown(name.text)}; there are {_listed(self._fields)}."
            )
        if operator not in field.kind.operators:
            fitting = _listed(each for each in Operator if each in field.kind.operators)
            raise self._wrong(position, f"{name.text} is {field.kind.noun}, which takes {fitting}, not {operator}.")
        self._mark(",", f"after {name.text}")
        values = [self._one(name.text, field)]
        while operator is Operator.IN and self._either(",", ")") == ",":
            values.append(self._one(name.text, field))
        if operator is not Operator.IN:
            self._mark(")", f"after the one value of {operator}")
        return Compare(name.text, operator, tuple(values))

    def _one(self, name: str, field: Field) -> Value:
        token = self._token(f"{field.kind.noun} for {name}")
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise self._wrong(token.position, f"a filter compares with at most {MAX_TERMS} values.")
        return _value(token, name, field, what="filter")

    # Characters.

    def _token(self, expected: str) -> _Token:
        self._skip()
        start = self._at
        quote = self._text[start : start + 1]
        if quote not in ("'", '"'):
            return self._word(expected)
        read: list[str] = []
        at = start + 1
        while at < len(self._text):
            character = self._text[at]
            if character == quote:
                self._at = at + 1
                return _Token("".join(read), start, quoted=True)
            if character == "\\":
                at += 1
                character = self._text[at : at + 1]
                if character not in _ESCAPABLE:
                    raise self._wrong(at - 1, f"after \\ expected one of {' '.join(_ESCAPABLE)} in a quoted text.")
            read.append(character)
            at += 1
        raise self._wrong(start, f"the text that begins here has no closing {quote}.")

    def _word(self, expected: str) -> _Token:
        self._skip()
        found = _WORD.match(self._text, self._at)
        if found is None:
            raise self._wrong(self._at, f"expected {expected}, found {self._here()}.")
        self._at = found.end()
        return _Token(found[0], found.start(), quoted=False)

    def _mark(self, mark: str, where: str) -> None:
        self._skip()
        if not self._text.startswith(mark, self._at):
            raise self._wrong(self._at, f"expected {mark} {where}, found {self._here()}.")
        self._at += 1

    def _either(self, one: str, other: str) -> str:
        self._skip()
        found = self._text[self._at : self._at + 1]
        if found not in (one, other):
            raise self._wrong(self._at, f"expected {one} or {other}, found {self._here()}.")
        self._at += 1
        return found

    def _skip(self) -> None:
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1

    def _here(self) -> str:
        return _shown(self._text[self._at :]) if self._at < len(self._text) else "the end"

    def _wrong(self, position: int, sentence: str) -> FilterError:
        return FilterError("filter", position, sentence)


def _value(token: _Token, name: str, field: Field, *, what: str) -> Value:
    """A value as its field's kind has it."""
    text = token.text
    match field.kind:
        case Kind.NUMBER:
            if not token.quoted and _NUMBER.fullmatch(text) and abs(int(text)) <= MAX_NUMBER:
                return int(text)
            sentence = f"{name} is a whole number up to {MAX_NUMBER}, not {_shown(text)}."
        case Kind.TIME:
            if (moment := _time(text)) is not None:
                return moment
            sentence = f"{name} is a time such as 2018-04-17T10:04:46.375Z, not {_shown(text)}."
        case Kind.CHOICE:
            if text in field.choices:
                return text
            sentence = f"{name} is one of {_listed(field.choices)}, not {_shown(text)}."
        case Kind.REFERENCE:
            if identifier := _identifier(text):
                return identifier
            sentence = f"{name} is an id, or a URI that ends with one, not {_shown(text)}."
        case _:
            return text
    raise FilterError(what, token.position, sentence)


def _time(text: str) -> datetime | None:
    """ISO 8601, in UTC where no offset is given. What is finer than a millisecond is cut off, as it is when kept."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _identifier(text: str) -> str:
    """An id, or the last segment of a URI's path; empty for what is neither."""
    try:
        last = urlsplit(text).path.rstrip("/").rpartition("/")[2] if "/" in text else text
    except ValueError:
        return ""
    return last if _ID.fullmatch(last) else ""


def _printed(value: Value) -> str:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    if isinstance(value, int):
        return str(value)
    return "'" + re.sub(r"[\\']", r"\\\g<0>", value) + "'"


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
