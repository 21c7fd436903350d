"""Entity tags: whether something is as the client has seen it.

Owns the tag and its comparisons (RFC 9110, 8.8.3 and 13.1). A tag is made of what is represented, not of the octets:
who asks, and under which address, changes what is shown but not what is there.
"""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import datetime

import orjson
from aiohttp import hdrs, web

from owncast_py.notifications.model import Topic
from owncast_py.notifications.shelves import Found
from owncast_py.notifications.subscribing import Subscribed
from web.api.apiture.errors import Refused
from web.api.apiture.hal import REVALIDATED

TAG_OCTETS = 16


def of_subscription(subscribed: Subscribed) -> str:
    """The tag of a subscription, without what comes and goes by itself: when it was last used, and its secrets."""
    subscription, endpoint = subscribed
    shown = dataclasses.replace(endpoint, secret="", former_secret="", former_until=None, last_used_at=None)
    return _tag(dataclasses.asdict(subscription), dataclasses.asdict(shown))


def of_topic(topic: Topic, subscriptions: list[Subscribed]) -> str:
    """The tag of a topic with what it embeds."""
    return _tag(dataclasses.asdict(topic), [of_subscription(each) for each in subscriptions])


def of_notification(found: Found) -> str:
    """The tag of a notification with its attempts."""
    attempts: list[datetime] = [attempt.at for attempt in found.attempts]
    return _tag(dataclasses.asdict(found.notification), found.channel, found.method, attempts)


def not_modified(request: web.Request, tag: str) -> bool:
    """Whether the client has this already: `If-None-Match`, by weak comparison."""
    wanted = request.if_none_match or ()
    return any(each.value == "*" or f'"{each.value}"' == tag for each in wanted)


def unchanged(tag: str) -> web.Response:
    """What whoever has it already is told."""
    headers = {hdrs.ETAG: tag, hdrs.CACHE_CONTROL: REVALIDATED, hdrs.VARY: hdrs.ACCEPT}
    return web.Response(status=304, headers=headers)


def check(request: web.Request, tag: str) -> bool:
    """Whether the client insists on what has that tag: `If-Match`, by strong comparison.

    Raises Refused when it has seen something else. `*` insists on nothing but that there is something.
    """
    if hdrs.IF_MATCH not in request.headers:
        return False
    wanted = request.if_match or ()
    if any(each.value == "*" and not each.is_weak for each in wanted):
        return False
    if not any(f'"{each.value}"' == tag and not each.is_weak for each in wanted):
        raise Refused(
            412,
            "resourceChanged",
            f"This is no longer as you have seen it: its entity tag is {tag} now.",
            attributes={"etag": tag},
        )
    return True


def _tag(*parts: object) -> str:
    octets = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return f'"{hashlib.blake2b(octets, digest_size=TAG_OCTETS).hexdigest()}"'
