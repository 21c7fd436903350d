"""Where pushes to devices wait: endpoints of the delivery channel `device`, on one topic of this server.

Owns the way between `realtime.push`, which knows devices, and `notifications`, which knows the queue, and the way back
of those pushes that come out of a channel. Every endpoint is
subscribed to PUSH, and each push is for some of them. A recipient that no device has gets an endpoint too, so that one
that takes nothing stands in nobody's way; of these the DIRECT that were used last are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.notifications.channels.push_relay import Publish
from owncast_py.notifications.errors import NotificationError, Unknown
from owncast_py.notifications.service import Notifications
from owncast_py.realtime.channels import Channels
from owncast_py.realtime.keyring import Keyring
from owncast_py.realtime.messages import CHAT, STREAM, Address, Draft
from owncast_py.realtime.push_devices import Fault, PushError

DEVICE = "device"
"""The delivery channel."""
PUSH = "PUSH"
"""The topic, in the domain of this server."""
DIRECT = 200
"""Endpoints of recipients that no device has."""


class DeviceQueue:
    """The `Queue` of `realtime.push`, once the notifications have started."""

    def __init__(self, notifications: Notifications) -> None:
        self._notifications = notifications
        self._direct: OrderedDict[str, str] = OrderedDict()
        for endpoint, _ in notifications.endpoints.listing(DEVICE):
            if DEVICE not in endpoint.document:
                self._direct[endpoint.url] = endpoint.id

    def endpoints(self) -> Mapping[str, Mapping[str, object]]:
        """The documents of all endpoints by their ids."""
        return {each.id: each.document for each, _ in self._notifications.endpoints.listing(DEVICE)}

    async def put(self, endpoint_id: str, document: Mapping[str, object]) -> str:
        """The endpoint with that id, or a new one, with that document. Raises PushError when there is no room."""
        if endpoint_id:
            try:
                await self._notifications.endpoints.update(endpoint_id, document=document, active=True)
                return endpoint_id
            except Unknown:
                pass
        return await self._create(f"{document['app']}/{document[DEVICE]}", document)

    async def remove(self, endpoint_id: str) -> None:
        """Removes an endpoint, if there is one, with all that waits for it."""
        if endpoint_id:
            await self._notifications.endpoints.delete(endpoint_id)

    async def direct(self, document: Mapping[str, object]) -> str:
        """An endpoint for a recipient that no device has."""
        url = "recipient:" + sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
        known = self._notifications.endpoints.at(DEVICE, url)
        endpoint_id = known.id if known is not None else await self._create(url, document)
        self._direct[url] = endpoint_id
        self._direct.move_to_end(url)
        while len(self._direct) > DIRECT:
            _, oldest = self._direct.popitem(last=False)
            await self._notifications.endpoints.delete(oldest)
        return endpoint_id

    async def record(
        self, connection: AsyncConnection, pushes: Sequence[tuple[Sequence[str], datetime, bytes]]
    ) -> Callable[[], None]:
        """Queues pushes, each for some endpoints, in the caller's transaction."""
        return await self._notifications.record_for(connection, PUSH, pushes)

    async def _create(self, url: str, document: Mapping[str, object]) -> str:
        try:
            return (await self._notifications.endpoints.create(DEVICE, url, document, [PUSH])).id
        except NotificationError as error:
            raise PushError(Fault.FULL, str(error)) from error


def relay(channels: Channels, keyring: Keyring) -> Publish:
    """Publishes for the transport `ablyChannel`, as long as the key that the recipient came with may do so."""

    async def publish(recipient: Mapping[str, object], name: str, text: bytes) -> None:
        app, channel, key_name = (str(recipient.get(each, "")) for each in ("app", "channel", "keyName"))
        address = Address(app, channel)
        if address in (CHAT, STREAM):
            raise PushError(Fault.CHANNEL, f"The channel {channel!r} is the server's own; nothing is pushed into it.")
        keys = (key for key in keyring.keys_of(app) if key.name == key_name and key.revoked_at is None)
        if not any(key.capability.allows(channel, "publish") for key in keys):
            raise PushError(Fault.CHANNEL, f"The key {key_name[:80]} may not publish on {channel[:60]!r} any more.")
        await channels.publish(address, Draft(name=name, data=text, encoding="utf-8"))

    return publish
