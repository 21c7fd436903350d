"""Rows of the notification tables ↔ `notifications.model`.

Owns the two ways only. Which rows are asked for, the modules beside this know.
"""

from __future__ import annotations

import orjson
from sqlalchemy import Row

from owncast_py.notifications.model import Endpoint, Method, Notification, Shelf, Subscription, Topic


def endpoint_values(of: Endpoint) -> dict[str, object]:
    """What can change of an endpoint, except its last use."""
    return {
        "method": of.method.value,
        "channel": of.channel,
        "url": of.url,
        "token": of.token,
        "document": orjson.dumps(dict(of.document)).decode(),
        "ordered": of.ordered,
        "secret": of.secret,
        "former_secret": of.former_secret,
        "former_until": of.former_until,
        "authenticated": of.authenticated,
        "active": of.active,
        "updated_at": of.updated_at,
    }


def topic(row: Row[tuple[object, ...]]) -> Topic:
    """A row of `topics`."""
    return Topic(row.id, row.domain, row.name, row.created_at)


def endpoint(row: Row[tuple[object, ...]]) -> Endpoint:
    """A row of `endpoints`."""
    return Endpoint(
        id=row.id,
        channel=row.channel,
        url=row.url,
        document=orjson.loads(row.document),
        active=row.active,
        created_at=row.created_at,
        updated_at=row.updated_at,
        method=Method(row.method),
        ordered=row.ordered,
        token=row.token,
        secret=row.secret,
        former_secret=row.former_secret,
        former_until=row.former_until,
        authenticated=row.authenticated,
        last_used_at=row.last_used_at,
    )


def subscription(row: Row[tuple[object, ...]]) -> Subscription:
    """A row of `subscriptions`."""
    return Subscription(
        id=row.id,
        topic_id=row.topic_id,
        endpoint_id=row.endpoint_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        subscriber=row.subscriber,
        restricted=row.restricted,
        active=row.active,
    )


def notification(row: Row[tuple[object, ...]]) -> Notification:
    """A row of `notifications`."""
    return Notification(
        id=row.id,
        message_id=row.message_id,
        topic_id=row.topic_id,
        subscription_id=row.subscription_id,
        endpoint_id=row.endpoint_id,
        shelf=Shelf(row.shelf),
        expired=row.expired,
        tries=row.tries,
        due_at=row.due_at,
        queued_at=row.queued_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
