"""How Owncast's administrators and bots see people, connections and bans.

Owns the JSON of users, clients, access tokens, bans and the audit log, each as a superset of what the generations have.
"""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from owncast_py.accounts.model import Identity, User
from owncast_py.chat.connections import Connection
from owncast_py.chat.content import UserContent, timestamp, user_content
from owncast_py.metrics.geo import Geo
from owncast_py.storage.moderation import AuditEntry, Ban


class GeoView(TypedDict):
    """Where an address is, as far as it is known."""

    countryCode: str
    regionName: str
    timeZone: str


class ClientView(TypedDict):
    """A chat connection: the 0.0.7 document's `Client`, and the user as later releases show it."""

    id: str
    clientID: str
    connectedAt: str
    messageCount: int
    userAgent: str
    ipAddress: str
    username: str | None
    user: UserContent | None
    geo: GeoView | None


class TokenView(TypedDict):
    """An access token without its secret, which nobody knows any more. `accessToken` is what deletes it."""

    id: str
    accessToken: str
    name: str
    displayName: str
    displayColor: int
    scopes: list[str]
    isBot: bool
    createdAt: str
    lastUsedAt: str | None
    token: NotRequired[str]


class BanView(TypedDict):
    """A banned address or network."""

    ipAddress: str
    notes: str
    createdAt: str


class ActorView(TypedDict):
    """Who acted."""

    id: str
    displayName: str


class AuditView(TypedDict):
    """An act of moderation."""

    id: int
    timestamp: str
    actor: ActorView
    action: str
    target: str
    detail: str


def client_view(connection: Connection, user: User | None, geo: Geo | None) -> ClientView:
    """That connection."""
    return {
        "id": connection.id,
        "clientID": connection.id,
        "connectedAt": timestamp(connection.connected_at),
        "messageCount": connection.message_count,
        "userAgent": connection.user_agent,
        "ipAddress": connection.address,
        "username": user.display_name if user else None,
        "user": user_view(user) if user else None,
        "geo": geo_view(geo),
    }


def geo_view(geo: Geo | None) -> GeoView | None:
    """That place."""
    if geo is None:
        return None
    return {"countryCode": geo.country_code, "regionName": geo.region_name, "timeZone": geo.time_zone}


def user_view(user: User) -> UserContent:
    """That user."""
    view = user_content(user).copy()
    if user.timed_out_until is not None:
        view["timedOutUntil"] = timestamp(user.timed_out_until)
    return view


def token_view(identity: Identity) -> TokenView:
    """That token."""
    user, device = identity
    return {
        "id": device.id,
        "accessToken": device.id,
        "name": user.display_name,
        "displayName": user.display_name,
        "displayColor": user.color,
        "scopes": sorted(scope.value for scope in user.scopes),
        "isBot": True,
        "createdAt": timestamp(device.created_at),
        "lastUsedAt": timestamp(device.last_seen_at) if device.last_seen_at else None,
    }


def ban_view(ban: Ban) -> BanView:
    """That ban."""
    network = ban.network
    single = network.endswith("/128") if ":" in network else network.endswith("/32")
    address = network.rpartition("/")[0] if single else network
    return {"ipAddress": address, "notes": ban.note, "createdAt": timestamp(ban.created_at)}


def audit_view(number: int, entry: AuditEntry) -> AuditView:
    """That act."""
    return {
        "id": number,
        "timestamp": timestamp(entry.at),
        "actor": {"id": entry.actor_id, "displayName": entry.actor_name},
        "action": entry.action,
        "target": entry.target,
        "detail": entry.detail,
    }
