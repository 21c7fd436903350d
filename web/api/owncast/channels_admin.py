"""Channels as the owner sees them: who is attached where, what was counted, and which devices are pushed to.

Owns the routes under `/api/admin/channels` but those of keys. Where a device is pushed to is a secret between it and
its push service: no route tells more of that than the name of the transport.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from heapq import nsmallest
from typing import Literal

from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.chat.content import timestamp
from owncast_py.chat.moderation import Moderation
from owncast_py.realtime.messages import DEFAULT_APP
from owncast_py.realtime.push import MAX_DEVICES
from owncast_py.realtime.push_devices import Device
from owncast_py.realtime.stats import Direction
from owncast_py.realtime.stats_entries import Unit, summed
from owncast_py.services import Services
from web.api.owncast import answers
from web.api.owncast.answers import Done, done
from web.authentication import Authentication
from web.body import Input, Query
from web.operations import Call, Operation

MAX_LIVE = 500
"""Channels that are listed at once, those with the most connections first."""
SPANS: Mapping[Unit, int] = {Unit.MINUTE: 180, Unit.HOUR: 168, Unit.DAY: 92, Unit.MONTH: 36}
"""How many intervals of each length are told."""


class LiveChannelView(TypedDict):
    """A channel to which somebody is attached: how many connections are, what for, and who says to be there."""

    app: str
    name: str
    connections: int
    publishers: int
    subscribers: int
    members: int


class LiveChannelsView(TypedDict):
    """How many clients are connected, to how many channels, and the most used of these."""

    connections: int
    count: int
    channels: list[LiveChannelView]


class StatsQuery(Query):
    """How long each interval is."""

    unit: Literal["minute", "hour", "day", "month"] = "hour"
    app: str = Field(DEFAULT_APP, max_length=40)


class ChannelStatsView(TypedDict):
    """What happened in one interval. Of connections and channels it is the most that there were at once."""

    time: str
    messagesIn: int
    messagesOut: int
    connections: int
    channels: int
    requests: int
    refused: int


class PushDeviceView(TypedDict):
    """A device that is pushed to. `error` is the sentence of the last failure, empty while it is active."""

    app: str
    id: str
    clientId: str
    platform: str
    formFactor: str
    transport: str
    state: str
    error: str
    failingSince: str | None
    createdAt: str
    updatedAt: str


class DeviceName(Input):
    """A device, by the app and the id that the list says."""

    id: str = Field(max_length=300)
    app: str = Field(DEFAULT_APP, max_length=40)


class ChannelsAdminApi:
    """The routes."""

    def __init__(
        self,
        services: Services,
        moderation: Moderation,
        authentication: Authentication,
        now: Callable[[], datetime],
    ) -> None:
        """`now` is aware UTC."""
        self._foundations = services.foundations
        self._push = services.push
        self._counted = services.stats
        self._moderation = moderation
        self._authentication = authentication
        self._now = now

    def operations(self) -> list[Operation]:
        """All of them."""
        prefix, admin = "/api/admin/channels", self._authentication.as_admin
        api = answers.api("Channels")
        api.add("GET", f"{prefix}/live", self._live, admin)
        api.add("GET", f"{prefix}/stats", self._stats, admin)
        api.add("GET", f"{prefix}/devices", self._devices, admin)
        api.add("POST", f"{prefix}/devices/delete", self._delete_device, admin)
        return api.operations

    async def _live(self, _call: Call[None]) -> LiveChannelsView:
        """Which channels somebody is attached to, those with the most connections first."""
        occupancy, members = self._foundations.occupancy, self._foundations.members
        addresses = occupancy.addresses()
        most = nsmallest(MAX_LIVE, addresses, key=lambda each: (-occupancy.of(each).connections, each))
        channels: list[LiveChannelView] = []
        for address in most:
            found = occupancy.of(address)
            channels.append(
                {
                    "app": address.app,
                    "name": address.channel,
                    "connections": found.connections,
                    "publishers": found.publishers,
                    "subscribers": found.subscribers,
                    "members": len(await members.of(address)),
                }
            )
        return {"connections": occupancy.connected(), "count": len(addresses), "channels": channels}

    async def _stats(self, call: Call[StatsQuery]) -> list[ChannelStatsView]:
        """What happened in channels lately, interval by interval, the oldest first; none is left out."""
        unit = Unit(call.input.unit)
        begins = _begins(unit, self._now())
        found = await self._counted.read(
            call.input.app,
            unit,
            since=begins[0],
            until=begins[-1],
            direction=Direction.FORWARDS,
            limit=len(begins),
        )
        counted = {each.begin: each.entries for each in found}
        return [_interval(begin, counted.get(begin, {})) for begin in begins]

    async def _devices(self, _call: Call[None]) -> list[PushDeviceView]:
        """Every device that is pushed to, those that changed last first."""
        apps = self._foundations.keyring.apps()
        found = [device for app in apps for device in self._push.devices(app.id, limit=MAX_DEVICES)]
        found.sort(key=lambda device: device.updated_at, reverse=True)
        return [_device(device) for device in found]

    async def _delete_device(self, call: Call[DeviceName]) -> Done:
        """Forgets a device, with what was subscribed for it and what waits for it."""
        device = self._push.device(call.input.app, call.input.id)
        await self._push.remove(device.app, device_id=device.id)
        await self._moderation.record(call.actor, "delete push device", device.id, device.client_id)
        return done("deleted the device")


def _begins(unit: Unit, now: datetime) -> list[datetime]:
    """When the last intervals begin, that of now among them."""
    found = [unit.begin(now)]
    while len(found) < SPANS[unit]:
        found.append(unit.begin(found[-1] - timedelta(microseconds=1)))
    return found[::-1]


def _interval(begin: datetime, entries: Mapping[str, float]) -> ChannelStatsView:
    shown = summed(entries)

    def whole(name: str) -> int:
        return int(shown.get(name, 0))

    return {
        "time": timestamp(begin),
        "messagesIn": whole("messages.inbound.all.messages.count"),
        "messagesOut": whole("messages.outbound.all.messages.count"),
        "connections": whole("connections.all.peak"),
        "channels": whole("channels.peak"),
        "requests": sum(whole(f"apiRequests.all.{what}") for what in ("succeeded", "failed", "refused")),
        "refused": whole("apiRequests.all.failed") + whole("apiRequests.all.refused"),
    }


def _device(device: Device) -> PushDeviceView:
    return {
        "app": device.app,
        "id": device.id,
        "clientId": device.client_id,
        "platform": device.platform,
        "formFactor": device.form_factor,
        "transport": str(device.recipient.get("transportType", "")),
        "state": device.state.value,
        "error": device.error,
        "failingSince": timestamp(device.failing_since) if device.failing_since else None,
        "createdAt": timestamp(device.created_at),
        "updatedAt": timestamp(device.updated_at),
    }
