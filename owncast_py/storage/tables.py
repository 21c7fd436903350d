"""The tables, as the newest migration leaves them. Repositories write their SQL with these.

Owns names, columns and indexes, and how times and texts are kept. A change here needs a migration: a test compares the
two.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

from owncast_py.notifications.ids import (
    ENDPOINT,
    MESSAGE,
    NOTIFICATION,
    SUBSCRIPTION,
    TOPIC,
    number_of,
    with_number,
)
from owncast_py.realtime.messages import EPOCH

_UNKEPT = re.compile("[\0\ud800-\udfff]")
_MILLISECOND = timedelta(milliseconds=1)


class Moment(TypeDecorator[datetime]):
    """An aware time, kept as whole milliseconds since 1970 in UTC: the same in every database, and sortable."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """To the database."""
        return None if value is None else (value - EPOCH) // _MILLISECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        return None if value is None else EPOCH + value * _MILLISECOND


class Line(TypeDecorator[str]):
    """A text of limited length, kept and looked for without what no database takes: NUL, and halves of characters."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """To the database."""
        return _kept(value)


class Prose(TypeDecorator[str]):
    """The same of any length."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """To the database."""
        return _kept(value)


def _kept(text: str | None) -> str | None:
    return None if text is None else _UNKEPT.sub("\N{REPLACEMENT CHARACTER}", text)


metadata = MetaData()

Serial = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database gives; SQLite gives one only to its own INTEGER."""

settings = Table(
    "settings",
    metadata,
    Column("group", Line(40), primary_key=True),
    Column("document", Prose, nullable=False),
    Column("changed_at", Moment, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", Line(40), primary_key=True),
    Column("kind", Line(10), nullable=False),
    Column("login", Line(60)),
    Column("display_name", Line(120), nullable=False),
    Column("name_key", Line(240), nullable=False),
    Column("color", SmallInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("name_changed_at", Moment),
    Column("previous_names", Prose, nullable=False),
    Column("scopes", Prose, nullable=False),
    Column("moderator", Boolean, nullable=False),
    Column("authenticated", Boolean, nullable=False),
    Column("disabled_at", Moment),
    Column("timed_out_until", Moment),
    Index("users_by_login", "login", unique=True),
    Index("users_by_name", "name_key"),
    Index("users_by_kind", "kind", "created_at"),
    Index("users_disabled", "disabled_at"),
)

passwords = Table(
    "passwords",
    metadata,
    Column("user_id", Line(40), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("hash", Line(200), nullable=False),
    Column("changed_at", Moment, nullable=False),
)

devices = Table(
    "devices",
    metadata,
    Column("user_id", Line(40), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("id", Line(64), primary_key=True),
    Column("display_name", Line(120), nullable=False),
    Column("token_hash", LargeBinary(32), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("last_seen_at", Moment),
    Column("last_seen_ip", Line(45)),
    UniqueConstraint("token_hash", name="devices_by_token"),
)

channel_messages = Table(
    "channel_messages",
    metadata,
    Column("app", Line(40), primary_key=True),
    Column("channel", Line(200), primary_key=True),
    Column("version", Line(32), primary_key=True),
    Column("serial", Line(32), nullable=False),
    Column("action", SmallInteger, nullable=False),
    Column("latest", Boolean, nullable=False),
    Column("id", Line(200), nullable=False),
    Column("name", Line(200), nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("encoding", Line(100), nullable=False),
    Column("client_id", Line(200), nullable=False),
    Column("connection_id", Line(64), nullable=False, server_default=""),
    Column("extras", LargeBinary, nullable=False, server_default=""),
    Column("operation", LargeBinary, nullable=False, server_default=""),
    Column("text", Prose),
    Column("at", Moment, nullable=False),
    Index("channel_messages_by_serial", "app", "channel", "serial"),
    Index("channel_messages_by_id", "app", "channel", "id"),
    Index("channel_messages_by_client", "app", "channel", "client_id", "serial"),
    Index("channel_messages_by_time", "app", "channel", "at"),
)
"""One row for each version of a message: `version` orders all of a channel, `serial` is that of the first version."""

presence_log = Table(
    "presence_log",
    metadata,
    Column("app", Line(40), primary_key=True),
    Column("channel", Line(200), primary_key=True),
    Column("serial", Line(32), primary_key=True),
    Column("action", SmallInteger, nullable=False),
    Column("id", Line(200), nullable=False),
    Column("client_id", Line(200), nullable=False),
    Column("connection_id", Line(64), nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("encoding", Line(100), nullable=False),
    Column("at", Moment, nullable=False),
)
"""Who came, changed and went. `action` is the value of a `realtime.messages.Presence`."""

apps = Table(
    "apps",
    metadata,
    Column("id", Line(40), primary_key=True),
    Column("name", Line(120), nullable=False),
    Column("options", Prose, nullable=False),
    Column("created_at", Moment, nullable=False),
)
"""Worlds of channels that know nothing of each other. `options` is a JSON object."""

app_keys = Table(
    "app_keys",
    metadata,
    Column("name", Line(80), primary_key=True),
    Column("app", Line(40), ForeignKey("apps.id", ondelete="CASCADE"), nullable=False),
    Column("secret", Line(200), nullable=False),
    Column("label", Line(120), nullable=False),
    Column("capability", Prose, nullable=False),
    Column("revocable", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    Index("app_keys_by_app", "app"),
)
"""`name` is `app.key`. The secret is kept as it is: what clients sign with it is computed again here."""

token_revocations = Table(
    "token_revocations",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("key_name", Line(80), ForeignKey("app_keys.name", ondelete="CASCADE"), nullable=False),
    Column("kind", Line(20), nullable=False),
    Column("value", Line(512), nullable=False),
    Column("issued_before", Moment, nullable=False),
    Column("applies_at", Moment, nullable=False),
    Index("token_revocations_by_key", "key_name"),
)

push_devices = Table(
    "push_devices",
    metadata,
    Column("app", Line(40), ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True),
    Column("id", Line(200), primary_key=True),
    Column("client_id", Line(200), nullable=False),
    Column("form_factor", Line(20), nullable=False),
    Column("platform", Line(20), nullable=False),
    Column("metadata", Prose, nullable=False),
    Column("recipient", Prose, nullable=False),
    Column("secret_hash", LargeBinary(32), nullable=False),
    Column("token_hash", LargeBinary(32), nullable=False),
    Column("state", Line(10), nullable=False),
    Column("error", Prose, nullable=False),
    Column("failing_since", Moment),
    Column("endpoint_id", Line(40), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index("push_devices_by_client", "app", "client_id"),
    Index("push_devices_by_endpoint", "endpoint_id"),
)
"""`endpoint_id` is where its notifications are queued. Hashes are empty where there is no such secret."""

push_subscriptions = Table(
    "push_subscriptions",
    metadata,
    Column("app", Line(40), ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True),
    Column("channel", Line(200), primary_key=True),
    Column("device_id", Line(200), primary_key=True),
    Column("client_id", Line(200), primary_key=True),
    Column("created_at", Moment, nullable=False),
    Index("push_subscriptions_by_device", "app", "device_id"),
    Index("push_subscriptions_by_client", "app", "client_id"),
)
"""Either the device or the client is empty."""

app_stats = Table(
    "app_stats",
    metadata,
    Column("app", Line(40), primary_key=True),
    Column("unit", Line(6), primary_key=True),
    Column("at", Moment, primary_key=True),
    Column("entries", Prose, nullable=False),
)
"""What was counted from `at` on for a `unit`: minute, hour, day or month. `entries` is a JSON object of numbers."""

ip_bans = Table(
    "ip_bans",
    metadata,
    Column("network", Line(45), primary_key=True),
    Column("note", Line(200), nullable=False),
    Column("created_at", Moment, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("actor_id", Line(40), nullable=False),
    Column("actor_name", Line(120), nullable=False),
    Column("action", Line(40), nullable=False),
    Column("target", Line(200), nullable=False),
    Column("detail", Prose, nullable=False),
    Index("audit_by_time", "at"),
)


class Stamped(TypeDecorator[str]):
    """An id of `notifications.ids` with its prefix, kept as its number. What is no such id is found nowhere."""

    impl = BigInteger
    cache_ok = True

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.prefix = prefix

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[int]:
        """SQLite's rows lie in the order of their INTEGER key."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> int | None:
        """To the database."""
        if value is None:
            return None
        return number_of(value) if value.startswith(self.prefix) else -1

    def process_result_value(self, value: int | None, dialect: Dialect) -> str | None:
        """From the database."""
        return None if value is None else with_number(self.prefix, value)


topics = Table(
    "topics",
    metadata,
    Column("id", Stamped(TOPIC), primary_key=True, autoincrement=False),
    Column("domain", Line(200), nullable=False),
    Column("name", Line(200), nullable=False),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("domain", "name", name="topics_by_name"),
)

endpoints = Table(
    "endpoints",
    metadata,
    Column("id", Stamped(ENDPOINT), primary_key=True, autoincrement=False),
    Column("method", Line(4), nullable=False),
    Column("channel", Line(40), nullable=False),
    Column("url", Line(2048), nullable=False),
    Column("token", Prose, nullable=False),
    Column("document", Prose, nullable=False),
    Column("ordered", Boolean, nullable=False),
    Column("secret", Line(200), nullable=False),
    Column("former_secret", Line(200), nullable=False),
    Column("former_until", Moment),
    Column("authenticated", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("last_used_at", Moment),
)
"""Where notifications go: a lane each, or a shelf that somebody pulls from. `document` is for its delivery channel."""

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", Stamped(SUBSCRIPTION), primary_key=True, autoincrement=False),
    Column("topic_id", Stamped(TOPIC), ForeignKey("topics.id", ondelete="CASCADE"), nullable=False),
    Column("endpoint_id", Stamped(ENDPOINT), ForeignKey("endpoints.id", ondelete="CASCADE"), nullable=False),
    Column("subscriber", Line(2048), nullable=False),
    Column("restricted", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    UniqueConstraint("topic_id", "endpoint_id", name="subscriptions_once"),
    Index("subscriptions_by_endpoint", "endpoint_id"),
)

topic_messages = Table(
    "topic_messages",
    metadata,
    Column("id", Stamped(MESSAGE), primary_key=True, autoincrement=False),
    Column("topic_id", Stamped(TOPIC), ForeignKey("topics.id", ondelete="CASCADE"), nullable=False),
    Column("entity", Line(2048)),
    Column("at", Moment, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

notifications = Table(
    "notifications",
    metadata,
    Column("id", Stamped(NOTIFICATION), primary_key=True, autoincrement=False),
    Column("message_id", Stamped(MESSAGE), ForeignKey("topic_messages.id", ondelete="CASCADE"), nullable=False),
    Column("topic_id", Stamped(TOPIC), ForeignKey("topics.id", ondelete="CASCADE"), nullable=False),
    Column(
        "subscription_id", Stamped(SUBSCRIPTION), ForeignKey("subscriptions.id", ondelete="CASCADE"), nullable=False
    ),
    Column("endpoint_id", Stamped(ENDPOINT), ForeignKey("endpoints.id", ondelete="CASCADE"), nullable=False),
    Column("shelf", SmallInteger, nullable=False),
    Column("expired", Boolean, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("queued_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index("notifications_due", "endpoint_id", "shelf", "due_at", "id"),
    Index("notifications_by_message", "message_id"),
    Index("notifications_by_subscription", "subscription_id", "id"),
    Index("notifications_by_topic", "topic_id", "id"),
    Index("notifications_by_shelf", "shelf", "id", "expired"),
    Index("notifications_by_shelf_and_topic", "shelf", "topic_id", "id"),
    Index("notifications_by_shelf_and_subscription", "shelf", "subscription_id", "id"),
)
"""A message on its way to one endpoint. `shelf` is the number of a `notifications.model.Shelf`."""

attempts = Table(
    "attempts",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column(
        "notification_id", Stamped(NOTIFICATION), ForeignKey("notifications.id", ondelete="CASCADE"), nullable=False
    ),
    Column("at", Moment, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("status", SmallInteger),
    Column("error", Prose, nullable=False),
    Column("answer", Prose, nullable=False),
    Index("attempts_by_notification", "notification_id"),
)

samples = Table(
    "samples",
    metadata,
    Column("kind", Line(30), primary_key=True),
    Column("at", Moment, primary_key=True),
    Column("value", Float, nullable=False),
)
"""What was measured, and when."""

broadcasts = Table(
    "broadcasts",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("last_seen_at", Moment, nullable=False),
    Column("title", Line(200), nullable=False),
    Column("peak_viewers", Integer, nullable=False),
)
"""One row for each show. `last_seen_at` is when it ended if the server did not live to see it."""

event_series = Table(
    "event_series",
    metadata,
    Column("id", Line(40), primary_key=True),
    Column("name", Line(200), nullable=False),
    Column("description", Prose, nullable=False),
    Column("reminder_message", Prose, nullable=False),
    Column("recurrence", Prose, nullable=False),
    Column("duration_minutes", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
)

scheduled_events = Table(
    "scheduled_events",
    metadata,
    Column("id", Line(40), primary_key=True),
    Column("series_id", Line(40), ForeignKey("event_series.id", ondelete="SET NULL")),
    Column("original_start", Moment),
    Column("name", Line(200), nullable=False),
    Column("description", Prose, nullable=False),
    Column("reminder_message", Prose, nullable=False),
    Column("starts_at", Moment, nullable=False),
    Column("duration_minutes", Integer, nullable=False),
    Column("timezone", Line(60), nullable=False),
    Column("status", Line(10), nullable=False),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("series_id", "original_start", name="scheduled_events_once"),
    Index("scheduled_events_by_time", "starts_at"),
)
