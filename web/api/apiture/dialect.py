"""The delivery API on an application: every operation of Apiture Notifications 0.4.1, and some of this server.

Owns which parts there are and what each of them is told. Everything of it is below `/notifications`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache

import orjson
from aiohttp import web

from owncast_py.events import Events, TokenRevoked
from owncast_py.notifications.service import Notifications
from web import openapi
from web.api.apiture.errors import TYPES, Refusals
from web.api.apiture.events import EventsApi
from web.api.apiture.notifications import NotificationsApi
from web.api.apiture.processing import ProcessingApi
from web.api.apiture.root import API_VERSION, RootApi
from web.api.apiture.subscriptions import SubscriptionsApi
from web.api.apiture.topics import TopicsApi
from web.api.apiture.waiting import Waiting
from web.authentication import Authentication
from web.middleware import FAILURES
from web.operations import Operation, mount

TITLE = "Notifications"


def mount_apiture(
    application: web.Application,
    notifications: Notifications,
    events: Events,
    authentication: Authentication,
    now: Callable[[], datetime],
) -> None:
    """Adds every operation. Requests that wait are told of the end before the server waits for them. `now` is UTC."""
    refusals = Refusals(now)
    waiting = Waiting(notifications.shelves)
    forget = events.subscribe(TokenRevoked, lambda _event: waiting.stir())
    operations: list[Operation] = []

    @cache
    def described() -> bytes:
        return orjson.dumps(openapi.document(operations, TITLE, API_VERSION, _description()))

    parts = (
        RootApi(notifications, authentication, described),
        TopicsApi(notifications, authentication),
        SubscriptionsApi(notifications, authentication),
        NotificationsApi(notifications, authentication, waiting),
        ProcessingApi(notifications, authentication),
        EventsApi(notifications, authentication, waiting),
    )
    for part in parts:
        operations += part.operations(refusals.wrapper)
    mount(application, operations)
    application[FAILURES]["notifications"] = refusals.before

    async def stop(_application: web.Application) -> None:
        forget()
        waiting.close()

    application.on_shutdown.append(stop)


def _description() -> str:
    types = "".join(f"\n- `{name}`: {remedy}" for name, remedy in TYPES.items())
    return (
        "Topics, subscriptions, and a queue that never loses an event. Unknown parameters and fields are ignored. "
        f"Errors are of these types:\n{types}\n"
    )
