"""What a caller may see and change of what belongs to others.

Owns the rules for access tokens without `data/full`: they act for one subscriber, which is the user that the token
belongs to.
"""

from __future__ import annotations

from owncast_py.accounts.model import ADMIN_ID, Scope, User
from owncast_py.notifications.model import Subscription
from owncast_py.notifications.shelves import Found
from owncast_py.notifications.subscribing import Subscribed
from web.api.apiture.errors import Refused

SUBSCRIBER = "urn:owncast:user:{user_id}"
OWNER = SUBSCRIBER.format(user_id=ADMIN_ID)
"""Whose the subscriptions are that name nobody."""


def own_uri(caller: User) -> str:
    """The URI of the subscriber that somebody is."""
    return SUBSCRIBER.format(user_id=caller.id)


def entity_of(caller: User) -> str | None:
    """Which entity's messages a caller may read, beside those that are about none; None for all."""
    return None if caller.has_all_data else own_uri(caller)


def may_read(caller: User, entity: str) -> bool:
    """Whether a message about that entity may be read."""
    return caller.has_all_data or not entity or entity == own_uri(caller)


def owns(caller: User, subscription: Subscription) -> bool:
    """Whether a subscription is the caller's to change."""
    return caller.has_all_data or subscription.subscriber == own_uri(caller)


def may_see_token(caller: User, subscription: Subscription) -> bool:
    """Whether the token of its endpoint is shown."""
    return caller.has(Scope.DATA_WRITE) and owns(caller, subscription)


def check_owns(caller: User, subscribed: Subscribed | None) -> None:
    """Raises Refused unless the subscription is the caller's. One that is not there any more is nobody's."""
    if subscribed is None:
        check_all(caller)
    elif not owns(caller, subscribed.subscription):
        raise Refused(
            403,
            "accessDenied",
            f"The subscription {subscribed.subscription.id} is another subscriber's; you are {own_uri(caller)}.",
        )


def check_all(caller: User) -> None:
    """Raises Refused unless the caller may change what belongs to anybody."""
    if not caller.has_all_data:
        raise Refused(403, "accessDenied", f"This concerns all subscribers, which needs the scope {Scope.DATA_FULL}.")


def readable(caller: User, found: Found | None) -> Found | None:
    """A notification, if the caller may read it."""
    return found if found is not None and may_read(caller, found.entity) else None
