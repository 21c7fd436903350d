"""How Owncast's administrators and bots see people, connections and bans.

Owns the JSON of users, clients, access tokens, bans and the audit log, each as a superset of what the generations have.
"""

from __future__ import annotations

from owncast_py.accounts.model import User
from owncast_py.accounts.service import Identity
from owncast_py.chat.connections import Connection
from owncast_py.chat.content import timestamp, user_content
from owncast_py.storage.moderation import AuditEntry, Ban


def client_view(connection: Connection, user: User | None) -> dict[str, object]:
    """A chat connection: the 0.0.7 document's `Client`, and the user as later releases show it."""
    return {
        "id": connection.id,
        "clientID": connection.id,
        "connectedAt": timestamp(connection.connected_at),
        "messageCount": connection.message_count,
        "userAgent": connection.user_agent,
        "ipAddress": connection.address,
        "username": user.display_name if user else None,
        "user": user_content(user) if user else None,
        "geo": None,
    }


def user_view(user: User) -> dict[str, object]:
    """A user, for those who moderate."""
    view = dict(user_content(user))
    if user.timed_out_until is not None:
        view["timedOutUntil"] = timestamp(user.timed_out_until)
    return view


def token_view(identity: Identity) -> dict[str, object]:
    """An access token without its secret, which nobody knows any more. `accessToken` is what deletes it."""
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


def ban_view(ban: Ban) -> dict[str, object]:
    """A banned address or network."""
    network = ban.network
    single = network.endswith("/128") if ":" in network else network.endswith("/32")
    address = network.rpartition("/")[0] if single else network
    return {"ipAddress": address, "notes": ban.note, "createdAt": timestamp(ban.created_at)}


def audit_view(number: int, entry: AuditEntry) -> dict[str, object]:
    """An act of moderation."""
    return {
        "id": number,
        "timestamp": timestamp(entry.at),
        "actor": {"id": entry.actor_id, "displayName": entry.actor_name},
        "action": entry.action,
        "target": entry.target,
        "detail": entry.detail,
    }
