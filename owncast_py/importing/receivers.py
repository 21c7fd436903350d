"""Owncast's webhooks, and the browsers that asked to be told of a show → endpoints with subscriptions.

Owns what their rows mean. An address has one endpoint: where Owncast has several webhooks with it, that wants all their
events. What has its address here already stays as it is.
"""

from __future__ import annotations

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.go_live import BROWSER, MAX_BROWSERS
from owncast_py.importing.people import Work, batches
from owncast_py.importing.source import text
from owncast_py.notifications.channels.webpush import browser_keys
from owncast_py.notifications.directory import MAX_ENDPOINTS
from owncast_py.notifications.errors import NotificationError
from owncast_py.notifications.ids import ENDPOINT, SUBSCRIPTION, TOPIC, Ids
from owncast_py.notifications.model import DOMAIN, Endpoint, Subscription, Topic
from owncast_py.notifications.signing import new_secret
from owncast_py.notifications.targets import check_url
from owncast_py.storage import subscriptions as repository
from owncast_py.topics import STREAM_STARTED, TOPICS

WEBHOOK = "webhook"
MAX_WEBHOOKS = 1_000
MAX_URL = 2_048
_CHANNEL = "BROWSER_PUSH_NOTIFICATION"

Wanted = dict[str, tuple[dict[str, object], list[str]]]
"""By address: the endpoint's document, and its topics."""


async def take_webhooks(work: Work) -> None:
    """Webhooks with those of their events that there are here."""
    wanted: Wanted = {}
    events: set[str] = set()
    unusable = secrets = 0
    async for batch in batches(work.source.rows("webhooks", ("url", "events", "secret"))):
        for row in batch:
            url = text(row[0], MAX_URL + 1)
            names = [name for part in text(row[1]).split(",") if (name := part.strip())]
            known = [name for name in names if name in TOPICS]
            events |= set(names) - set(known)
            if not known or not _callable(url) or (url not in wanted and len(wanted) >= MAX_WEBHOOKS):
                unusable += 1
                continue
            secrets += bool(text(row[2]))
            topics = wanted.setdefault(url, ({}, []))[1]
            topics += [name for name in known if name not in topics]
    taken = await _subscribe(work, WEBHOOK, wanted)
    work.report.count("webhooks", taken, len(wanted) - taken)
    if events:
        named = ", ".join(repr(name[:40]) for name in sorted(events)[:10])
        work.report.leave(f"Events of webhooks that do not happen here: {named}.")
    if unusable:
        work.report.leave(f"{unusable} webhooks: their address cannot be called, or none of their events happens here.")
    if secrets:
        work.report.leave(
            f"The secrets of {secrets} webhooks: what is sent from here is signed in another way. The admin pages give "
            "each webhook a new secret to check it by."
        )


async def take_browsers(work: Work, *, known_by_key: bool) -> None:
    """Browsers that want to be told of a show. `known_by_key` is whether the key that they know was taken."""
    wanted: Wanted = {}
    total = unusable = 0
    async for batch in batches(work.source.rows("notifications", ("channel", "destination"))):
        for row in batch:
            if text(row[0]) != _CHANNEL:
                continue
            total += 1
            if (found := _browser(text(row[1], 10_000))) is None or len(wanted) >= MAX_BROWSERS:
                unusable += 1
            else:
                wanted[found[0]] = ({"keys": found[1]}, [STREAM_STARTED])
    if total and not known_by_key:
        work.report.leave(
            f"{total} browsers that want to be told: the key that they know was not taken, they ask anew."
        )
        return
    taken = await _subscribe(work, BROWSER, wanted)
    work.report.count("browsers to tell of a show", taken, len(wanted) - taken)
    if unusable:
        work.report.leave(f"{unusable} browsers that want to be told: they gave no address or keys that can be used.")


def _callable(url: str) -> bool:
    try:
        # Private ones are refused when they are called, unless the owner allows them.
        check_url(url, allow_private=True)
    except NotificationError:
        return False
    return True


def _browser(destination: str) -> tuple[str, dict[str, str]] | None:
    """A push service's address and a browser's keys, from what its PushManager gave."""
    try:
        given: object = orjson.loads(destination)
    except orjson.JSONDecodeError:
        return None
    url, keys = (given.get("endpoint"), given.get("keys")) if isinstance(given, dict) else (None, None)
    if not isinstance(url, str) or len(url) > MAX_URL or not url.startswith("https://") or not isinstance(keys, dict):
        return None
    try:
        browser_keys({"keys": keys})
    except NotificationError:
        return None
    return (url, {name: str(keys[name]) for name in ("p256dh", "auth")}) if _callable(url) else None


async def _subscribe(work: Work, channel: str, wanted: Wanted) -> int:
    """Makes those endpoints that there are not, and returns how many."""
    if not wanted:
        return 0

    async def write(connection: AsyncConnection) -> int:
        topics, endpoints, subscriptions = await repository.load(connection)
        ids = Ids(lambda: work.now)
        for known in (topics, endpoints, subscriptions):
            ids.resume(known[-1].id if known else "")
        there = {endpoint.url for endpoint in endpoints if endpoint.channel == channel}
        by_name = {topic.name: topic for topic in topics if topic.domain == DOMAIN}
        new = {url: each for url, each in wanted.items() if url not in there}
        for url, (document, names) in list(new.items())[: MAX_ENDPOINTS - len(endpoints)]:
            missing = [Topic(ids.next(TOPIC), DOMAIN, name, work.now) for name in names if name not in by_name]
            await repository.add_topics(connection, missing)
            by_name |= {topic.name: topic for topic in missing}
            endpoint = Endpoint(
                id=ids.next(ENDPOINT),
                channel=channel,
                url=url,
                document=document,
                active=True,
                created_at=work.now,
                updated_at=work.now,
                secret=new_secret() if channel == WEBHOOK else "",
            )
            await repository.add_endpoint(connection, endpoint)
            wants = [
                Subscription(ids.next(SUBSCRIPTION), by_name[name].id, endpoint.id, work.now, work.now)
                for name in names
            ]
            await repository.put_subscriptions(connection, wants)
        return min(len(new), MAX_ENDPOINTS - len(endpoints))

    return await work.database.write(write)
