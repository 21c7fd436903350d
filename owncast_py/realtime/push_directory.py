"""Push devices and channel subscriptions in memory: what a hot path asks.

Owns no row: whoever changes something keeps it in the database and tells this afterwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice

from owncast_py.realtime.messages import Address
from owncast_py.realtime.push_devices import ChannelSubscription, Device, PushState

Key = tuple[str, str, str]


class PushDirectory:
    """All of them, as of the last commit."""

    def __init__(self) -> None:
        self.count = 0
        """Devices of all apps."""
        self.subscribed = 0
        """Subscriptions of all apps."""
        self._devices: dict[str, dict[str, Device]] = defaultdict(dict)
        self._tokens: dict[bytes, tuple[str, str]] = {}
        self._of_client: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        self._subscriptions: dict[str, dict[Key, ChannelSubscription]] = defaultdict(dict)
        self._of_channel: dict[Address, dict[Key, ChannelSubscription]] = {}

    # Devices.

    def device(self, app: str, device_id: str) -> Device | None:
        """The device with that id."""
        found = self._devices.get(app)
        return found.get(device_id) if found is not None else None

    def with_token(self, token_hash: bytes) -> Device | None:
        """The device whose identity token has that hash."""
        place = self._tokens.get(token_hash)
        return self.device(*place) if place is not None else None

    def devices(self, app: str, device_id: str = "", client_id: str = "") -> Iterator[Device]:
        """An app's devices, or of these those with that id, or of that client. They may change meanwhile."""
        if client_id:
            found = [self._devices[app][each] for each in self._of_client.get((app, client_id), ())]
            yield from (each for each in found if not device_id or each.id == device_id)
        elif device_id:
            if (one := self.device(app, device_id)) is not None:
                yield one
        else:
            yield from list(self._devices.get(app, {}).values())

    def everything(self) -> Iterator[Device]:
        """The devices of all apps."""
        for found in list(self._devices.values()):
            yield from list(found.values())

    def put_device(self, device: Device) -> None:
        """A new or changed one."""
        self._forget(device.app, device.id)
        self._devices[device.app][device.id] = device
        self.count += 1
        if device.token_hash:
            self._tokens[device.token_hash] = (device.app, device.id)
        if device.client_id:
            self._of_client[device.app, device.client_id][device.id] = None

    def remove_devices(self, gone: Iterable[Device]) -> None:
        """They are no more, nor are their subscriptions."""
        for device in gone:
            self._forget(device.app, device.id)
            self.remove_subscriptions(
                [each for each in self._subscriptions.get(device.app, {}).values() if each.device_id == device.id]
            )

    def _forget(self, app: str, device_id: str) -> None:
        before = self._devices[app].pop(device_id, None)
        if before is None:
            return
        self.count -= 1
        self._tokens.pop(before.token_hash, None)
        if before.client_id:
            others = self._of_client[app, before.client_id]
            others.pop(device_id, None)
            if not others:
                del self._of_client[app, before.client_id]

    # Subscriptions.

    def subscription(self, app: str, key: Key) -> ChannelSubscription | None:
        """The one with that key."""
        return self._subscriptions.get(app, {}).get(key)

    def subscriptions(self, app: str, channel: str = "") -> list[ChannelSubscription]:
        """An app's, or those to one channel."""
        if channel:
            return list(self._of_channel.get(Address(app, channel), {}).values())
        return list(self._subscriptions.get(app, {}).values())

    def channels(self, app: str, after: str, limit: int) -> list[str]:
        """The names of the channels that somebody is subscribed to and that come after that one, in order."""
        names = sorted(each.channel for each in self._of_channel if each.app == app and each.channel > after)
        return list(islice(names, limit))

    def is_pushed(self, address: Address) -> bool:
        """Whether somebody is subscribed to a channel."""
        return address in self._of_channel

    def audience(self, address: Address) -> list[Device]:
        """The devices that get the pushes of a channel, each once."""
        found: dict[str, Device] = {}
        for each in self._of_channel.get(address, {}).values():
            for device in self.devices(address.app, each.device_id, each.client_id):
                found[device.id] = device
        return [device for device in found.values() if reachable(device)]

    def put_subscription(self, new: ChannelSubscription) -> None:
        """A new one."""
        if new.key not in self._subscriptions[new.app]:
            self.subscribed += 1
        self._subscriptions[new.app][new.key] = new
        self._of_channel.setdefault(Address(new.app, new.channel), {})[new.key] = new

    def remove_subscriptions(self, gone: Iterable[ChannelSubscription]) -> None:
        """They are no more."""
        for each in gone:
            if self._subscriptions[each.app].pop(each.key, None) is None:
                continue
            self.subscribed -= 1
            address = Address(each.app, each.channel)
            del self._of_channel[address][each.key]
            if not self._of_channel[address]:
                del self._of_channel[address]


def reachable(device: Device) -> bool:
    """Whether anything is sent to a device."""
    return device.state is not PushState.FAILED and bool(device.endpoint_id)
