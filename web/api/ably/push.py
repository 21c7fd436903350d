"""Push by request: devices, what channels are pushed to them, and pushes for one or for several.

Owns the operations below `/push`: those of the Ably REST API 1.1.0, and `/push/publicVapidKey`, which browsers are
asked to subscribe with. Who may do what, `push_callers` knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps

import orjson
from aiohttp import web

from owncast_py.realtime.keyring import Keyring
from owncast_py.realtime.push import Push
from owncast_py.realtime.push_devices import Device, Fault, PushError, Registration, proves
from owncast_py.realtime.push_directory import Key
from web.api.ably.errors import ENVELOPE, AblyError
from web.api.ably.formats import CODEC, Answer, answer
from web.api.ably.gate import Gate
from web.api.ably.messages import milliseconds
from web.api.ably.paging import LINKS, link_header
from web.api.ably.push_callers import TAKES, Caller, PushGate, caller_of
from web.api.ably.push_views import (
    Details,
    DevicesPart,
    DeviceView,
    Part,
    Publishing,
    Removed,
    Subscribing,
    SubscriptionsPart,
    SubscriptionView,
    Unsubscribed,
    device_view,
    subscription_view,
)
from web.api.ably.versions import is_modern
from web.operations import Api, Call, Contract, Handler, Media, Operation, Wrapper

MAX_BODY = 64 * 1024
"""Octets of a request."""
RELAY = "ablyChannel"
DEVICE = "/push/deviceRegistrations/{device_id:[^/]+}"

CODES: Mapping[Fault, tuple[int, int]] = {
    Fault.BAD: (40000, 400),
    Fault.UNKNOWN: (40400, 404),
    Fault.CHANNEL: (40100, 401),
    Fault.TOO_LONG: (40009, 413),
    Fault.FULL: (42910, 429),
}


class PushApi:
    """Every operation on push."""

    def __init__(self, push: Push, gate: Gate, keyring: Keyring, public_key: Callable[[], str]) -> None:
        """`public_key` is this server's for browsers, as their `applicationServerKey`."""
        self._push = push
        self._gate = PushGate(gate, push)
        self._keyring = keyring
        self._public_key = public_key

    def operations(self, wrapper: Wrapper) -> list[Operation]:
        """All of them."""
        guard = self._gate.guard
        api = Api("Push", lambda handler: wrapper(_translated(handler)), ENVELOPE, CODEC)
        all_devices, subscriptions = "/push/deviceRegistrations", "/push/channelSubscriptions"
        api.add(
            *("GET", all_devices, self._devices, guard),
            contract=Contract("getRegisteredPushDevices", headers=LINKS, takes=TAKES),
        )
        api.add(
            *("POST", all_devices, self._register, guard),
            max_body=MAX_BODY,
            contract=Contract("registerPushDevice", 201, takes=TAKES, refusals=(413,)),
        )
        api.add(
            *("DELETE", all_devices, self._remove, guard),
            contract=Contract("unregisterAllPushDevices", 204, takes=TAKES),
        )
        api.add(
            *("GET", DEVICE, self._device, guard),
            contract=Contract("getPushDeviceDetails", takes=TAKES, refusals=(404,)),
        )
        api.add(
            *("PUT", DEVICE, self._put, guard),
            max_body=MAX_BODY,
            contract=Contract("putPushDeviceDetails", takes=TAKES, refusals=(413,)),
        )
        api.add(
            *("PATCH", DEVICE, self._patch, guard),
            max_body=MAX_BODY,
            contract=Contract("patchPushDeviceDetails", takes=TAKES, refusals=(404, 413)),
        )
        api.add(
            *("DELETE", DEVICE, self._remove_one, guard),
            contract=Contract("unregisterPushDevice", 204, takes=TAKES),
        )
        api.add(
            *("GET", f"{DEVICE}/resetUpdateToken", self._reset, guard),
            contract=Contract("updatePushDeviceDetails", takes=TAKES, refusals=(404,)),
        )
        api.add(
            *("GET", subscriptions, self._subscriptions, guard),
            contract=Contract("getPushSubscriptionsOnChannels", headers=LINKS, takes=TAKES),
        )
        api.add(
            *("POST", subscriptions, self._subscribe, guard),
            max_body=MAX_BODY,
            contract=Contract("subscribePushDeviceToChannel", 201, takes=TAKES, refusals=(404, 413)),
        )
        api.add(
            *("DELETE", subscriptions, self._unsubscribe, guard),
            contract=Contract("deletePushDeviceDetails", 204, takes=TAKES),
        )
        api.add(
            *("GET", "/push/channels", self._channels, guard),
            contract=Contract("getChannelsWithPushSubscribers", headers=LINKS),
        )
        api.add(
            *("POST", "/push/publish", self._publish, guard),
            max_body=MAX_BODY,
            contract=Contract("publishPushNotificationToDevices", 204, refusals=(404, 413)),
        )
        api.add(
            *("GET", "/push/publicVapidKey", self._vapid, None),
            media=Media("text/plain", "The key, in base64url."),
            contract=Contract("getPublicVapidKey"),
        )
        return api.operations

    # Devices.

    async def _devices(self, call: Call[DevicesPart]) -> Answer[Sequence[DeviceView]]:
        """Lists devices, in the order of their ids. Without push-admin: the caller's own."""
        caller, part = caller_of(call.request), call.input
        if not caller.administers():
            self._demand_own(caller, part.device_id, "")
        found = self._push.devices(
            *(caller.app,),
            device_id=part.device_id,
            client_id=part.client_id,
            after=part.cursor,
            limit=part.size + 1,
        )
        page, modern = found[: part.size], is_modern(call.request)
        links = link_header(call.request, page[-1].id if len(found) > len(page) else None)
        return answer(call.request, [device_view(each, modern=modern) for each in page], headers=links)

    async def _register(self, call: Call[Details]) -> DeviceView:
        """Registers a device, which gets an identity token. One that is registered must prove to be itself."""
        return await self._keep(call, call.input.id or "", token=True)

    async def _put(self, call: Call[Details]) -> DeviceView:
        """Registers a device, or replaces all that is known of it."""
        device_id = call.part("device_id")
        if call.input.id is not None and call.input.id != device_id:
            raise AblyError(40000, 400, "The id of the device is another in the address than in the body.")
        return await self._keep(call, device_id, token=False)

    async def _keep(self, call: Call[Details], device_id: str, *, token: bool) -> DeviceView:
        caller, given = caller_of(call.request), call.input
        before = self._push.find(caller.app, device_id)
        if not caller.administers():
            caller.demand_subscriber()
            if before is not None and not (caller.owns(before) or proves(before, secret=given.device_secret or "")):
                raise AblyError(40100, 401, "There is a device with that id, and the deviceSecret is not its own.")
            if before is None and caller.capability is None:
                raise AblyError(40100, 401, "A device can change itself, but register no other.")
            if given.metadata:
                raise AblyError(40160, 401, "Only credentials with the capability push-admin can set metadata.")
        wanted = Registration(
            id=device_id,
            form_factor=given.form_factor or "",
            platform=given.platform or "",
            recipient=await self._vouched(given.recipient or {}, before),
            client_id=caller.client_for(given.client_id, before),
            metadata=given.metadata or {},
            secret=given.device_secret or "",
        )
        device, made = await self._push.register(caller.app, wanted, token=token)
        view = device_view(device, modern=is_modern(call.request))
        return _with_token(view, device, made) if made else view

    async def _device(self, call: Call[None]) -> DeviceView:
        """Gets a device."""
        return device_view(self._one(call), modern=is_modern(call.request))

    async def _patch(self, call: Call[Details]) -> DeviceView:
        """Changes a device: clientId, metadata and push.recipient, of which what is not given stays."""
        caller, given, before = caller_of(call.request), call.input, self._one(call)
        for name, stated, is_so in (
            ("id", given.id, given.id == before.id),
            ("formFactor", given.form_factor, given.form_factor == before.form_factor),
            ("platform", given.platform, given.platform == before.platform),
            ("deviceSecret", given.device_secret, proves(before, secret=given.device_secret or "")),
        ):
            if stated is not None and not is_so:
                raise AblyError(
                    40000, 400, f"The {name} of a device stays; only clientId, metadata and push.recipient change."
                )
        if given.metadata is not None and not caller.administers():
            raise AblyError(40160, 401, "Only credentials with the capability push-admin can set metadata.")
        device = await self._push.change(
            *(caller.app, before.id),
            client_id=None if given.client_id is None else caller.client_for(given.client_id, before),
            metadata=given.metadata,
            recipient=None if given.recipient is None else await self._vouched(given.recipient, before),
        )
        return device_view(device, modern=is_modern(call.request))

    async def _remove(self, call: Call[Removed]) -> web.Response:
        """Removes a device, or all of a client, with their subscriptions."""
        caller, which = caller_of(call.request), call.input
        _either(which.device_id, which.client_id)
        if not caller.administers():
            self._demand_own(caller, which.device_id, "")
        await self._push.remove(caller.app, device_id=which.device_id, client_id=which.client_id)
        return answer(call.request, None)

    async def _remove_one(self, call: Call[None]) -> web.Response:
        """Removes a device with its subscriptions. One that is not there is removed already."""
        caller, device_id = caller_of(call.request), call.part("device_id")
        if not caller.administers():
            self._demand_own(caller, device_id, "")
        await self._push.remove(caller.app, device_id=device_id)
        return answer(call.request, None)

    async def _reset(self, call: Call[None]) -> DeviceView:
        """Gives a device a new identity token. The one that it had is worth nothing then."""
        before = self._one(call)
        device, made = await self._push.renew_token(before.app, before.id)
        view = _with_token(device_view(device, modern=is_modern(call.request)), device, made)
        view["updateToken"] = made
        return view

    # Subscriptions.

    async def _subscriptions(self, call: Call[SubscriptionsPart]) -> Answer[Sequence[SubscriptionView]]:
        """Lists which channels are pushed to whom. Without push-admin: to the caller."""
        caller, part = caller_of(call.request), call.input
        if part.device_id and part.client_id and not part.concat_filters:
            _either(part.device_id, part.client_id)
        if not caller.administers():
            self._demand_own(caller, part.device_id, part.client_id)
        found = self._push.subscriptions(
            *(caller.app,),
            channel=part.channel,
            device_id=part.device_id,
            client_id=part.client_id,
            either=part.concat_filters,
            after=_key(part.cursor),
            limit=part.size + 1,
        )
        page = found[: part.size]
        following = orjson.dumps(page[-1].key).decode() if len(found) > len(page) else None
        links = link_header(call.request, following)
        return answer(call.request, [subscription_view(each) for each in page], headers=links)

    async def _subscribe(self, call: Call[Subscribing]) -> SubscriptionView:
        """Pushes a channel to a device, or to all that a client has now and later."""
        caller, wanted = caller_of(call.request), call.input
        device_id, client_id = wanted.device_id or "", wanted.client_id or ""
        if not caller.administers(wanted.channel):
            caller.demand_subscriber(wanted.channel)
            self._demand_own(caller, device_id, client_id)
        return subscription_view(
            await self._push.subscribe(caller.app, wanted.channel, device_id=device_id, client_id=client_id)
        )

    async def _unsubscribe(self, call: Call[Unsubscribed]) -> web.Response:
        """Removes the subscriptions that fit all that is given."""
        caller, which = caller_of(call.request), call.input
        if which.device_id and which.client_id:
            _either(which.device_id, which.client_id)
        if not caller.administers(which.channel or "*"):
            self._demand_own(caller, which.device_id, which.client_id)
        await self._push.unsubscribe(
            caller.app, channel=which.channel, device_id=which.device_id, client_id=which.client_id
        )
        return answer(call.request, None)

    async def _channels(self, call: Call[Part]) -> Answer[Sequence[str]]:
        """Lists the channels that are pushed to somebody."""
        caller, part = caller_of(call.request), call.input
        caller.demand_admin()
        found = self._push.channels(caller.app, after=part.cursor, limit=part.size + 1)
        page = found[: part.size]
        return answer(
            call.request, page, headers=link_header(call.request, page[-1] if len(found) > len(page) else None)
        )

    # Pushes.

    async def _publish(self, call: Call[Publishing]) -> web.Response:
        """Pushes something to a device, to all of a client, or to a recipient that is registered nowhere."""
        caller, wanted = caller_of(call.request), call.input
        caller.demand_admin()
        await self._push.publish(caller.app, await self._vouched(wanted.recipient, None), wanted.said)
        return answer(call.request, None)

    async def _vapid(self, call: Call[None]) -> web.Response:
        """Says which key browsers are to subscribe to pushes with."""
        return web.Response(text=self._public_key(), content_type="text/plain")

    async def _vouched(self, recipient: Mapping[str, object], before: Device | None) -> Mapping[str, object]:
        """A recipient as it is kept. One that is a channel came with a key that may publish there.

        The key itself is not kept.
        """
        if recipient.get("transportType") != RELAY or (before is not None and recipient == before.recipient):
            return recipient
        key, channel = recipient.get("ablyKey"), recipient.get("channel")
        if not isinstance(key, str) or not isinstance(channel, str):
            raise AblyError(40000, 400, f"A recipient of the type {RELAY} needs the texts ablyKey and channel.")
        grant = await self._keyring.verify_key(key)
        if not grant.capability.allows(channel, "publish"):
            raise AblyError(40160, 401, f"The ablyKey lacks the capability publish for the channel {channel[:60]!r}.")
        return {"transportType": RELAY, "channel": channel, "app": grant.app, "keyName": grant.key_name}

    def _one(self, call: Call[None] | Call[Details]) -> Device:
        """The device in the address, where the caller may see and change it."""
        caller, device_id = caller_of(call.request), call.part("device_id")
        found = self._push.find(caller.app, device_id)
        if found is None:
            # Whoever may not know which devices there are is told the same of those that there are not.
            if not caller.administers():
                self._demand_own(caller, device_id, "")
            return self._push.device(caller.app, device_id)
        caller.demand_device(found)
        return found

    def _demand_own(self, caller: Caller, device_id: str, client_id: str) -> None:
        """Raises AblyError unless the caller is that device, or else that client, and may subscribe."""
        caller.demand_subscriber()
        device = self._push.find(caller.app, device_id) if device_id else None
        mine = (device is not None and caller.owns(device)) if device_id else caller.is_client(client_id)
        if not mine or (device_id and client_id and not caller.is_client(client_id)):
            raise AblyError(
                *(40160, 401),
                "These credentials are for nothing but the caller's own device or client id, proved by its token or "
                "secret; for those of others the capability push-admin is needed.",
            )


def _translated(handler: Handler) -> Handler:
    """With the errors of the service as this dialect's."""

    @wraps(handler)
    async def refuse(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except PushError as error:
            raise AblyError(*CODES[error.fault], str(error)) from error

    return refuse


def _with_token(view: DeviceView, device: Device, token: str) -> DeviceView:
    view["deviceIdentityToken"] = {
        "token": token,
        "deviceId": device.id,
        "issued": milliseconds(device.updated_at),
    }
    return view


def _either(device_id: str, client_id: str) -> None:
    if device_id and client_id:
        raise AblyError(40000, 400, "A deviceId cannot be given together with a clientId.")


def _key(cursor: str) -> Key:
    if not cursor:
        return "", "", ""
    try:
        found = orjson.loads(cursor)
    except orjson.JSONDecodeError:
        found = None
    match found:
        case [str() as channel, str() as device_id, str() as client_id]:
            return channel, device_id, client_id
    raise AblyError(40000, 400, f"The cursor {cursor[:40]!r} is none that this server gave.")
