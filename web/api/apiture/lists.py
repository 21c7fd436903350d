"""What all collections are asked with: pages, order, filter, search, and the parameters that stand for a filter.

Owns the way from the address to a `Listing`. The grammar of `filter` and `sortBy` is that of
`owncast_py.notifications.filters`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from owncast_py.notifications.filters import (
    MAX_LENGTH,
    And,
    Compare,
    Expression,
    Operator,
    parse_filter,
    parse_sort,
    parse_value,
)
from owncast_py.notifications.filters import Field as FilterField
from owncast_py.notifications.listing import DEFAULT_LIMIT, MAX_LIMIT, MAX_SEARCH, MAX_START, Listing
from web.api.apiture.references import values
from web.body import Query

STATE = "Only those in this state; `|` between several."
CREATED_AT = "Only those made at this time, ISO 8601 to the millisecond; `|` between several."
UPDATED_AT = "Only those last changed at this time, ISO 8601 to the millisecond; `|` between several."


class Part(Query):
    """Which part of a collection."""

    longest: ClassVar[int] = MAX_LENGTH

    start: int = Field(0, ge=0, le=MAX_START, description="The index of the first item, from 0.")
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="How many items at most.")
    sort_by: str = Field("", alias="sortBy", description="Fields, comma between; `-` before one that descends.")
    filter: str = Field("", description="An expression such as and(eq(state,failed),contains(deliveryChannel,web)).")
    q: str = Field("", max_length=MAX_SEARCH, description="A text that is in one of the text fields.")
    as_of: str = Field("", alias="asOf", description="What is newer is not shown; links to pages have it.")

    def listing(
        self,
        fields: Mapping[str, FilterField],
        given: Mapping[str, str] | None = None,
        also: Sequence[Expression] = (),
    ) -> Listing:
        """All of it. `given` are parameters that stand for a field, `also` what has to be true besides.

        Raises FilterError or NotificationError.
        """
        terms = [parse_filter(self.filter, fields)] if self.filter.strip() else []
        for name, text in (given or {}).items():
            if text:
                wanted = tuple(parse_value(each, name, fields[name]) for each in values(text, name))
                terms.append(Compare(name, Operator.IN, wanted))
        terms += also
        where = And(tuple(terms)) if len(terms) > 1 else next(iter(terms), None)
        return Listing(
            start=self.start,
            limit=self.limit,
            sort=parse_sort(self.sort_by, fields),
            where=where,
            q=self.q,
            as_of=self.as_of,
        )
