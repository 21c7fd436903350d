"""The ways to deliver notifications, made of what the owner configured.

Owns which there are and what each of them is told. How one of them delivers is its own, in `notifications.channels`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from owncast_py.device_queue import DEVICE, relay
from owncast_py.foundations import Foundations
from owncast_py.go_live import BROWSER
from owncast_py.notifications.channels import DeliveryChannel
from owncast_py.notifications.channels.device import DeviceChannel, Transport
from owncast_py.notifications.channels.discord import Discord
from owncast_py.notifications.channels.email import Email
from owncast_py.notifications.channels.http2 import Http2Poster
from owncast_py.notifications.channels.mail_server import SmtpSettings
from owncast_py.notifications.channels.posting import Poster
from owncast_py.notifications.channels.push_apns import PRODUCTION, SANDBOX, ApnsTransport, Provider
from owncast_py.notifications.channels.push_fcm import FcmTransport, ServiceAccount
from owncast_py.notifications.channels.push_relay import RelayTransport
from owncast_py.notifications.channels.push_web import WebTransport
from owncast_py.notifications.channels.webhook import Webhook
from owncast_py.notifications.channels.webpush import WebPush
from owncast_py.notifications.targets import connector
from owncast_py.notifications.vapid import VapidKeys
from owncast_py.setting_groups import InstanceSettings, NotificationSettings


@dataclass(frozen=True, slots=True)
class Carriers:
    """What the owner has accounts with. None where there is none."""

    smtp: SmtpSettings | None = None
    fcm: ServiceAccount | None = None
    apns: Provider | None = None
    apns_sandbox: bool = False
    """Whether Apple's server for development is meant."""
    private_targets: bool = False
    """Whether private networks may be called."""


@dataclass(frozen=True, slots=True)
class Ways:
    """All of them by name, and the one to devices."""

    channels: dict[str, DeliveryChannel]
    device: DeviceChannel


def delivery_channels(
    stack: AsyncExitStack,
    foundations: Foundations,
    carriers: Carriers,
    user_agent: str,
    keys: VapidKeys,
    now: Callable[[], datetime],
) -> Ways:
    """Makes every way; `stack` ends them. `keys` are those by which push services know this server.

    Raises ConfigError where an account cannot be used.
    """
    settings, private = foundations.settings, carriers.private_targets
    poster = Poster(connector(private), user_agent, now)
    stack.push_async_callback(poster.aclose)
    email = Email(lambda: carriers.smtp)
    stack.push_async_callback(email.aclose)

    def address() -> str:
        return settings.get(InstanceSettings).server_url

    def contact() -> str:
        return address() if address().startswith("https://") else ""

    def message() -> str:
        return settings.get(NotificationSettings).browser_message

    webpush = WebPush(poster, keys, contact, now, message, allow_private=private)
    transports: list[Transport] = [
        RelayTransport(relay(foundations.channels, foundations.keyring)),
        WebTransport(webpush),
    ]
    if carriers.fcm is not None:
        transports.append(FcmTransport(poster, carriers.fcm, now))
    if carriers.apns is not None:
        http2 = Http2Poster()
        stack.push_async_callback(http2.aclose)
        apple = SANDBOX if carriers.apns_sandbox else PRODUCTION
        transports.append(ApnsTransport(http2, carriers.apns, now, address=apple))
    device = DeviceChannel({name: transport for transport in transports for name in transport.names})
    return Ways(
        {
            "webhook": Webhook(poster, now, lambda: urlsplit(address()).hostname or "localhost", allow_private=private),
            "discord": Discord(poster, allow_private=private),
            BROWSER: webpush,
            "email": email,
            DEVICE: device,
        },
        device,
    )
