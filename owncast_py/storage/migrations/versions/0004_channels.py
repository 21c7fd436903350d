"""Channels for everybody: apps with keys, presence that is remembered, push devices, statistics."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Creates what is new, and lets messages have a connection and extras."""
    op.add_column("channel_messages", sa.Column("connection_id", sa.String(64), nullable=False, server_default=""))
    op.add_column("channel_messages", sa.Column("extras", sa.LargeBinary, nullable=False, server_default=""))
    op.add_column("channel_messages", sa.Column("operation", sa.LargeBinary, nullable=False, server_default=""))
    op.create_table(
        "presence_log",
        sa.Column("app", sa.String(40), primary_key=True),
        sa.Column("channel", sa.String(200), primary_key=True),
        sa.Column("serial", sa.String(32), primary_key=True),
        sa.Column("action", sa.SmallInteger, nullable=False),
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("client_id", sa.String(200), nullable=False),
        sa.Column("connection_id", sa.String(64), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("encoding", sa.String(100), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "apps",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "app_keys",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("app", sa.String(40), sa.ForeignKey("apps.id", ondelete="CASCADE"), nullable=False),
        sa.Column("secret", sa.String(200), nullable=False),
        sa.Column("label", sa.String(120), nullable=False),
        sa.Column("capability", sa.Text, nullable=False),
        sa.Column("revocable", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
    )
    op.create_index("app_keys_by_app", "app_keys", ["app"])
    op.create_table(
        "token_revocations",
        sa.Column("id", _number, primary_key=True, autoincrement=True),
        sa.Column("key_name", sa.String(80), sa.ForeignKey("app_keys.name", ondelete="CASCADE"), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("value", sa.String(512), nullable=False),
        sa.Column("issued_before", sa.BigInteger, nullable=False),
        sa.Column("applies_at", sa.BigInteger, nullable=False),
    )
    op.create_index("token_revocations_by_key", "token_revocations", ["key_name"])
    op.create_table(
        "push_devices",
        sa.Column("app", sa.String(40), sa.ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("client_id", sa.String(200), nullable=False),
        sa.Column("form_factor", sa.String(20), nullable=False),
        sa.Column("platform", sa.String(20), nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("failing_since", sa.BigInteger),
        sa.Column("endpoint_id", sa.String(40), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("push_devices_by_client", "push_devices", ["app", "client_id"])
    op.create_index("push_devices_by_endpoint", "push_devices", ["endpoint_id"])
    op.create_table(
        "push_subscriptions",
        sa.Column("app", sa.String(40), sa.ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("channel", sa.String(200), primary_key=True),
        sa.Column("device_id", sa.String(200), primary_key=True),
        sa.Column("client_id", sa.String(200), primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("push_subscriptions_by_client", "push_subscriptions", ["app", "client_id"])
    op.create_index("push_subscriptions_by_device", "push_subscriptions", ["app", "device_id"])
    op.create_table(
        "app_stats",
        sa.Column("app", sa.String(40), primary_key=True),
        sa.Column("unit", sa.String(6), primary_key=True),
        sa.Column("at", sa.BigInteger, primary_key=True),
        sa.Column("entries", sa.Text, nullable=False),
    )
