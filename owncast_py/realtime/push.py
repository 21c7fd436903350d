"""Push: devices that are told what channels say while nobody looks at them.

Owns devices, their secrets and states, what channels are pushed to them, and who gets a push. Each push to a device is
one notification of the durable queue behind `Queue`, which tries until its transport has taken it; what came of a try
comes back as `settled`. A message of a channel is queued in the very transaction that keeps the message.

A device has up to two secrets. Its deviceSecret it brought itself; its identity token this server gave it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from owncast_py.realtime.messages import Action, Address, Message
from owncast_py.realtime.push_devices import (
    ChannelSubscription,
    Device,
    Fault,
    PushError,
    PushState,
    Registration,
    check_client,
    check_id,
    check_metadata,
    check_recipient,
    check_registration,
    hashed,
    payload_of,
)
from owncast_py.realtime.push_directory import Key, PushDirectory, reachable
from owncast_py.realtime.push_queue import MAX_ERROR, Pushed, Queue, document_of, pushed
from owncast_py.storage import push as repository
from owncast_py.storage.database import Database

MAX_DEVICES = 4_000
"""Of all apps: each is an endpoint of the queue, which has room for others beside."""
MAX_SUBSCRIPTIONS = 100_000
"""Of all apps."""
TOKEN_PREFIX = "device-"  # noqa: S105 - says what kind of token it is
"""Tells a device's identity token from a token of the keyring."""

Counter = Callable[[str, Mapping[str, int]], None]
"""Counts something for an app, such as `{"push.directPublishes": 1}`."""

log = structlog.get_logger(__name__)


class Push:
    """Devices and subscriptions, from `start` on. It is a recorder of channels (see `channels.Recorder`)."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        now: Callable[[], datetime],
        *,
        enabled: Callable[[Address], bool] = lambda _: True,
        count: Counter = lambda _app, _entries: None,
    ) -> None:
        """`enabled` says whether a channel may be subscribed to by devices. `now` is aware UTC."""
        self._database = database
        self._queue = queue
        self._now = now
        self._enabled = enabled
        self._count = count
        self._directory = PushDirectory()
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Loads what is known, and makes the endpoints of the queue what the devices say."""
        async with self._database.reading() as connection:
            devices, subscriptions = await repository.load(connection)
        for device in devices:
            self._directory.put_device(device)
        for each in subscriptions:
            self._directory.put_subscription(each)
        # A server that was killed between the two writes left one of them.
        found = self._queue.endpoints()
        for device in devices:
            if reachable(device) and found.get(device.endpoint_id) != document_of(device):
                await self._keep(
                    replace(device, endpoint_id=await self._queue.put(device.endpoint_id, document_of(device)))
                )
        kept = {device.endpoint_id for device in self._directory.everything() if reachable(device)}
        for endpoint_id, document in found.items():
            if "device" in document and endpoint_id not in kept:
                await self._queue.remove(endpoint_id)

    # Devices.

    def device(self, app: str, device_id: str) -> Device:
        """That device. Raises PushError when there is none."""
        found = self._directory.device(app, device_id)
        if found is None:
            raise PushError(Fault.UNKNOWN, f"There is no device with the id {device_id[:60]!r}; register it first.")
        return found

    def find(self, app: str, device_id: str) -> Device | None:
        """The same, None when there is none."""
        return self._directory.device(app, device_id)

    def identified(self, token: str) -> Device | None:
        """The device that this identity token was given to."""
        return self._directory.with_token(hashed(token)) if token.startswith(TOKEN_PREFIX) else None

    def devices(
        self, app: str, *, device_id: str = "", client_id: str = "", after: str = "", limit: int
    ) -> list[Device]:
        """A page of an app's devices in the order of their ids: those after that id, with that id, of that client."""
        found = (each for each in self._directory.devices(app, device_id, client_id) if each.id > after)
        return sorted(found, key=lambda each: each.id)[:limit]

    async def register(self, app: str, wanted: Registration, *, token: bool = False) -> tuple[Device, str]:
        """Makes a device, or all of one, what is wanted. It is active then.

        With `token` it gets a new identity token, which is returned and known to nobody else; empty without. Raises
        PushError for what cannot be.
        """
        check_registration(wanted)
        made = TOKEN_PREFIX + secrets.token_urlsafe(32) if token else ""
        async with self._changing:
            before, now = self._directory.device(app, wanted.id), self._now()
            if before is None and self._directory.count >= MAX_DEVICES:
                raise PushError(Fault.FULL, f"There are {MAX_DEVICES} devices, which is the most; remove some.")
            device = Device(
                app=app,
                id=wanted.id,
                client_id=wanted.client_id,
                form_factor=wanted.form_factor,
                platform=wanted.platform,
                metadata=dict(wanted.metadata),
                recipient=dict(wanted.recipient),
                secret_hash=hashed(wanted.secret) if wanted.secret else before.secret_hash if before else b"",
                token_hash=hashed(made) if made else before.token_hash if before else b"",
                state=PushState.ACTIVE,
                error="",
                failing_since=None,
                endpoint_id=before.endpoint_id if before else "",
                created_at=before.created_at if before else now,
                updated_at=now,
            )
            return await self._reach(before, device), made

    async def change(
        self,
        app: str,
        device_id: str,
        *,
        client_id: str | None = None,
        metadata: Mapping[str, object] | None = None,
        recipient: Mapping[str, object] | None = None,
    ) -> Device:
        """Changes what is given; a recipient that is given makes it active. Raises PushError."""
        if client_id:
            check_client(client_id)
        if metadata is not None:
            check_metadata(metadata)
        if recipient is not None:
            check_recipient(recipient)
        async with self._changing:
            before = self.device(app, device_id)
            after = replace(
                before,
                client_id=before.client_id if client_id is None else client_id,
                metadata=before.metadata if metadata is None else dict(metadata),
                updated_at=self._now(),
            )
            if recipient is None:
                return await self._keep(after)
            return await self._reach(
                before,
                replace(after, recipient=dict(recipient), state=PushState.ACTIVE, error="", failing_since=None),
            )

    async def renew_token(self, app: str, device_id: str) -> tuple[Device, str]:
        """Gives a device a new identity token, and takes the one before it away. Raises PushError."""
        made = TOKEN_PREFIX + secrets.token_urlsafe(32)
        async with self._changing:
            before = self.device(app, device_id)
            return await self._keep(replace(before, token_hash=hashed(made), updated_at=self._now())), made

    async def remove(self, app: str, *, device_id: str = "", client_id: str = "") -> int:
        """Removes a device, or all of a client, with what was subscribed for each. Returns how many there were."""
        if not device_id and not client_id:
            raise PushError(Fault.BAD, "Say which devices are to be removed: give a deviceId or a clientId.")
        async with self._changing:
            gone = list(self._directory.devices(app, device_id, client_id))
            if gone:
                await self._database.write(
                    lambda connection: repository.remove_devices(connection, gone),
                    lambda _: self._directory.remove_devices(gone),
                )
            for device in gone:
                await self._queue.remove(device.endpoint_id)
        return len(gone)

    # What channels are pushed.

    async def subscribe(
        self, app: str, channel: str, *, device_id: str = "", client_id: str = ""
    ) -> ChannelSubscription:
        """Pushes a channel to a device, or to all that a client has now and later. Raises PushError."""
        check_id("channel", channel)
        if bool(device_id) == bool(client_id):
            raise PushError(Fault.BAD, "A subscription is for a device or for a client: give deviceId or clientId.")
        if client_id:
            check_client(client_id)
        if not self._enabled(Address(app, channel)):
            raise PushError(Fault.CHANNEL, f"Nothing is pushed of the channel {channel[:60]!r}; use another namespace.")
        async with self._changing:
            if device_id:
                self.device(app, device_id)
            new = ChannelSubscription(app, channel, device_id, client_id, self._now())
            known = self._directory.subscription(app, new.key)
            if known is not None:
                return known
            if self._directory.subscribed >= MAX_SUBSCRIPTIONS:
                raise PushError(
                    Fault.FULL, f"There are {MAX_SUBSCRIPTIONS} subscriptions, which is the most; remove some."
                )
            await self._database.write(
                lambda connection: repository.add_subscription(connection, new),
                lambda _: self._directory.put_subscription(new),
            )
        return new

    async def unsubscribe(self, app: str, *, channel: str = "", device_id: str = "", client_id: str = "") -> int:
        """Removes the subscriptions that fit all that is given, which is something. Returns how many there were."""
        if not (channel or device_id or client_id):
            raise PushError(Fault.BAD, "Say which subscriptions are to be removed: give channel, deviceId or clientId.")
        async with self._changing:
            gone = self._matching(app, channel, device_id, client_id, either=False)
            if gone:
                await self._database.write(
                    lambda connection: repository.remove_subscriptions(connection, gone),
                    lambda _: self._directory.remove_subscriptions(gone),
                )
        return len(gone)

    def subscriptions(
        self,
        app: str,
        *,
        channel: str = "",
        device_id: str = "",
        client_id: str = "",
        either: bool = False,
        after: Key = ("", "", ""),
        limit: int,
    ) -> list[ChannelSubscription]:
        """A page of subscriptions in the order of their keys: those after that key which fit all that is given.

        With `either` those of that device and those of that client.
        """
        found = (each for each in self._matching(app, channel, device_id, client_id, either) if each.key > after)
        return sorted(found, key=lambda each: each.key)[:limit]

    def channels(self, app: str, *, after: str = "", limit: int) -> list[str]:
        """A page of the names of channels that are pushed to somebody, in their order."""
        return self._directory.channels(app, after, limit)

    def _matching(
        self, app: str, channel: str, device_id: str, client_id: str, either: bool
    ) -> list[ChannelSubscription]:
        found = self._directory.subscriptions(app, channel)
        if either and device_id and client_id:
            return [each for each in found if each.device_id == device_id or each.client_id == client_id]
        return [
            each
            for each in found
            if (not device_id or each.device_id == device_id) and (not client_id or each.client_id == client_id)
        ]

    # Pushes.

    async def publish(self, app: str, recipient: Mapping[str, object], push: Mapping[str, object]) -> int:
        """Queues a push for a device, for those of a client, or for a recipient of any transport.

        `recipient` has a `deviceId`, a `clientId`, or what the recipient of a device has. Returns for how many it is
        queued; when this returns it is kept. Raises PushError for what cannot be sent.
        """
        body = payload_of(push)
        endpoints = await self._endpoints(app, recipient)
        at = self._now()
        if endpoints:
            await self._database.write(
                lambda connection: self._queue.record(connection, [(endpoints, at, body)]), lambda done: done()
            )
        self._count(app, {"push.directPublishes": 1})
        return len(endpoints)

    def wants(self, message: Message) -> bool:
        """Whether a message is pushed to somebody."""
        return (
            b'"push"' in message.extras
            and message.action is Action.CREATE
            and self._directory.is_pushed(message.address)
        )

    async def record(self, connection: AsyncConnection, messages: Sequence[Message]) -> Callable[[], None]:
        """Queues the pushes of messages, in the transaction of `connection`."""
        pushes: list[Pushed] = []
        apps: list[str] = []
        for message in messages:
            # The recorder of others hands on what only they want.
            body = pushed(message) if self.wants(message) else b""
            if body and (audience := self._directory.audience(message.address)):
                pushes.append(([device.endpoint_id for device in audience], message.at, body))
                apps.append(message.address.app)
        if not pushes:
            return lambda: None
        committed = await self._queue.record(connection, pushes)

        def done() -> None:
            committed()
            for app in apps:
                self._count(app, {"push.channelMessages": 1})

        return done

    async def settled(self, document: Mapping[str, object], *, received: bool, gone: bool, error: str) -> bool:
        """A push to an endpoint was tried. Returns whether its document is still what the device says.

        `gone` says that the transport knows the recipient no more; `error` is a sentence.
        """
        app, recipient = str(document.get("app", "")), document.get("recipient")
        transport = str(recipient.get("transportType", "")) if isinstance(recipient, Mapping) else ""
        what = "successful" if received else "failed"
        for name in ("all", transport):
            self._count(app, {f"push.notifications.{name}.attempted": 1, f"push.notifications.{name}.{what}": 1})
        device_id = document.get("device")
        if not isinstance(device_id, str):
            return True
        state = PushState.ACTIVE if received else PushState.FAILED if gone else PushState.FAILING
        device = self._directory.device(app, device_id)
        if device is None or device.recipient != recipient:
            return False
        if device.state is state and (received or device.error == error[:MAX_ERROR]):
            return True
        async with self._changing:
            device = self._directory.device(app, device_id)
            if device is None or device.recipient != recipient:
                return False
            await self._keep(
                replace(
                    device,
                    state=state,
                    error="" if received else error[:MAX_ERROR],
                    failing_since=None if received else device.failing_since or self._now(),
                    endpoint_id="" if gone else device.endpoint_id,
                )
            )
        if gone:
            log.info("a push device is gone", app=app, device=device_id, reason=error[:MAX_ERROR])
        return True

    async def _endpoints(self, app: str, recipient: Mapping[str, object]) -> list[str]:
        device_id, client_id = recipient.get("deviceId"), recipient.get("clientId")
        if "transportType" in recipient:
            check_recipient(recipient)
            return [await self._queue.direct({"app": app, "recipient": dict(recipient)})]
        if isinstance(device_id, str) and device_id:
            device = self.device(app, device_id)
            return [device.endpoint_id] if reachable(device) else []
        if isinstance(client_id, str) and client_id:
            return [each.endpoint_id for each in self._directory.devices(app, "", client_id) if reachable(each)]
        raise PushError(Fault.BAD, "A recipient needs a text deviceId, clientId or transportType.")

    async def _reach(self, before: Device | None, after: Device) -> Device:
        """Keeps a device, and its endpoint as it says."""
        if before is None or not reachable(before) or document_of(before) != document_of(after):
            after = replace(after, endpoint_id=await self._queue.put(after.endpoint_id, document_of(after)))
        return await self._keep(after)

    async def _keep(self, device: Device) -> Device:
        await self._database.write(
            lambda connection: repository.put_device(connection, device), lambda _: self._directory.put_device(device)
        )
        return device
