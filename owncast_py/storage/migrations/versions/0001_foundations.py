"""Settings, accounts, channels, and what moderation keeps."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the first tables."""
    op.create_table(
        "settings",
        sa.Column("group", sa.String(40), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("display_name", sa.String(120), nullable=False),
        sa.Column("name_key", sa.String(240), nullable=False),
        sa.Column("color", sa.SmallInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("name_changed_at", sa.BigInteger),
        sa.Column("previous_names", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("moderator", sa.Boolean, nullable=False),
        sa.Column("authenticated", sa.Boolean, nullable=False),
        sa.Column("disabled_at", sa.BigInteger),
        sa.Column("timed_out_until", sa.BigInteger),
    )
    op.create_index("users_by_name", "users", ["name_key"])
    op.create_index("users_by_kind", "users", ["kind", "created_at"])
    op.create_index("users_disabled", "users", ["disabled_at"])
    op.create_table(
        "devices",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("display_name", sa.String(120), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_seen_at", sa.BigInteger),
        sa.Column("last_seen_ip", sa.String(45)),
        sa.UniqueConstraint("token_hash", name="devices_by_token"),
    )
    op.create_index("devices_by_user", "devices", ["user_id"])
    op.create_table(
        "channel_messages",
        sa.Column("app", sa.String(40), primary_key=True),
        sa.Column("channel", sa.String(200), primary_key=True),
        sa.Column("version", sa.String(32), primary_key=True),
        sa.Column("serial", sa.String(32), nullable=False),
        sa.Column("action", sa.SmallInteger, nullable=False),
        sa.Column("latest", sa.Boolean, nullable=False),
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("encoding", sa.String(100), nullable=False),
        sa.Column("client_id", sa.String(200), nullable=False),
        sa.Column("text", sa.Text),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_index("channel_messages_by_serial", "channel_messages", ["app", "channel", "serial"])
    op.create_index("channel_messages_by_id", "channel_messages", ["app", "channel", "id"])
    op.create_index("channel_messages_by_client", "channel_messages", ["app", "channel", "client_id", "serial"])
    op.create_index("channel_messages_by_time", "channel_messages", ["app", "channel", "at"])
    op.create_table(
        "ip_bans",
        sa.Column("network", sa.String(45), primary_key=True),
        sa.Column("note", sa.String(200), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor_id", sa.String(40), nullable=False),
        sa.Column("actor_name", sa.String(120), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("target", sa.String(200), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("audit_by_time", "audit", ["at"])
