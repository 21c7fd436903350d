"""Devices: passwords of accounts, names to sign in with, and device ids that are each user's own."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Creates what is new. The devices' table is made anew, as its primary key is another."""
    op.add_column("users", sa.Column("login", sa.String(60)))
    op.create_index("users_by_login", "users", ["login"], unique=True)
    op.create_table(
        "passwords",
        sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("hash", sa.String(200), nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.execute("CREATE TABLE devices_before AS SELECT * FROM devices")
    op.drop_table("devices")
    op.create_table(
        "devices",
        sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("display_name", sa.String(120), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_seen_at", sa.BigInteger),
        sa.Column("last_seen_ip", sa.String(45)),
        sa.UniqueConstraint("token_hash", name="devices_by_token"),
    )
    op.execute(
        "INSERT INTO devices (user_id, id, display_name, token_hash, created_at, last_seen_at, last_seen_ip) "
        "SELECT user_id, id, display_name, token_hash, created_at, last_seen_at, last_seen_ip FROM devices_before"
    )
    op.drop_table("devices_before")
