"""The tables, as the newest migration leaves them. Repositories write their SQL with these.

Owns names, columns and indexes, and how times are kept. A change here needs a migration: a test compares the two.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
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

from owncast_py.realtime.messages import EPOCH


class Moment(TypeDecorator[datetime]):
    """An aware time, kept as whole milliseconds since 1970 in UTC: the same in every database, and sortable."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """To the database."""
        return None if value is None else (value - EPOCH) // timedelta(milliseconds=1)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        return None if value is None else EPOCH + timedelta(milliseconds=value)


metadata = MetaData()

settings = Table(
    "settings",
    metadata,
    Column("group", String(40), primary_key=True),
    Column("document", Text, nullable=False),
    Column("changed_at", Moment, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("display_name", String(120), nullable=False),
    Column("name_key", String(240), nullable=False),
    Column("color", SmallInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("name_changed_at", Moment),
    Column("previous_names", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("moderator", Boolean, nullable=False),
    Column("authenticated", Boolean, nullable=False),
    Column("disabled_at", Moment),
    Column("timed_out_until", Moment),
    Index("users_by_name", "name_key"),
    Index("users_by_kind", "kind", "created_at"),
    Index("users_disabled", "disabled_at"),
)

devices = Table(
    "devices",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("user_id", String(40), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("display_name", String(120), nullable=False),
    Column("token_hash", LargeBinary(32), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("last_seen_at", Moment),
    Column("last_seen_ip", String(45)),
    UniqueConstraint("token_hash", name="devices_by_token"),
    Index("devices_by_user", "user_id"),
)

channel_messages = Table(
    "channel_messages",
    metadata,
    Column("app", String(40), primary_key=True),
    Column("channel", String(200), primary_key=True),
    Column("version", String(32), primary_key=True),
    Column("serial", String(32), nullable=False),
    Column("action", SmallInteger, nullable=False),
    Column("latest", Boolean, nullable=False),
    Column("id", String(200), nullable=False),
    Column("name", String(200), nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("encoding", String(100), nullable=False),
    Column("client_id", String(200), nullable=False),
    Column("text", Text),
    Column("at", Moment, nullable=False),
    Index("channel_messages_by_serial", "app", "channel", "serial"),
    Index("channel_messages_by_id", "app", "channel", "id"),
    Index("channel_messages_by_client", "app", "channel", "client_id", "serial"),
    Index("channel_messages_by_time", "app", "channel", "at"),
)
"""One row for each version of a message: `version` orders all of a channel, `serial` is that of the first version."""

ip_bans = Table(
    "ip_bans",
    metadata,
    Column("network", String(45), primary_key=True),
    Column("note", String(200), nullable=False),
    Column("created_at", Moment, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("actor_id", String(40), nullable=False),
    Column("actor_name", String(120), nullable=False),
    Column("action", String(40), nullable=False),
    Column("target", String(200), nullable=False),
    Column("detail", Text, nullable=False),
    Index("audit_by_time", "at"),
)
