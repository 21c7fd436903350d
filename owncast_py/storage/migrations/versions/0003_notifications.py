"""Notifications whole: pulling, signing, redelivery, and ids kept as numbers, which halves what the queue takes."""

from collections.abc import Callable, Iterator

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

STEP = 5_000
"""Rows that are copied at once."""
OLD = ("attempts", "notifications", "topic_messages", "subscriptions", "endpoints", "topics")
"""Those that are made anew, each before what it refers to."""
INDEXES = (
    "attempts_by_notification", "notifications_due", "notifications_by_message", "notifications_by_subscription",
    "notifications_settled", "topic_messages_by_time", "subscriptions_by_endpoint",
)  # fmt: skip

Values = dict[str, object]

_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Makes the tables anew and copies what is in the old ones."""
    connection = op.get_bind()
    for index in INDEXES:
        op.drop_index(index)
    for name in OLD:
        op.rename_table(name, f"{name}_old")
    if connection.dialect.name == "postgresql":
        for table, constraint in (("topics", "topics_by_name"), ("subscriptions", "subscriptions_once")):
            op.execute(sa.text(f"ALTER TABLE {table}_old RENAME CONSTRAINT {constraint} TO {constraint}_old"))
    _create()
    topic_of: dict[object, object] = {}

    def subscription(row: Values) -> Values:
        topic_of[row["id"]] = row["topic_id"]
        return {"subscriber": "", "restricted": False, "active": True, "updated_at": row["created_at"]}

    def notification(row: Values) -> Values:
        shelf = {"pending": 1, "received": 3}.get(str(row.pop("state")), 4)
        settled = row.pop("settled_at")
        return {
            "topic_id": _stamp(topic_of[row["subscription_id"]]),
            "shelf": shelf,
            "expired": shelf == 4 and row["tries"] != 0,
            "queued_at": row["created_at"],
            "updated_at": settled or row["created_at"],
        }

    _copy("topics", ["id"], lambda row: {})
    _copy(
        "endpoints",
        ["id"],
        lambda row: {
            "method": "push",
            "token": "",
            "ordered": False,
            "secret": "",
            "former_secret": "",
            "authenticated": True,
            "updated_at": row["created_at"],
        },
    )
    _copy("subscriptions", ["id", "topic_id", "endpoint_id"], subscription)
    _copy("topic_messages", ["id", "topic_id"], lambda row: {})
    _copy("notifications", ["id", "message_id", "subscription_id", "endpoint_id"], notification)
    _copy("attempts", ["notification_id"], lambda row: {})
    for name in OLD:
        op.drop_table(f"{name}_old")


def _copy(name: str, ids: list[str], further: Callable[[Values], Values]) -> None:
    connection = op.get_bind()
    old, new = _table(f"{name}_old"), _table(name)
    for rows in _pages(connection, old):
        made = []
        for row in rows:
            values = {**row, **further(row)}
            made.append({**values, **{key: _stamp(row[key]) for key in ids}})
        connection.execute(sa.insert(new), made)


def _table(name: str) -> sa.Table:
    return sa.Table(name, sa.MetaData(), autoload_with=op.get_bind())


def _pages(connection: sa.Connection, table: sa.Table) -> Iterator[list[Values]]:
    last: object = None
    while True:
        query = sa.select(table).order_by(table.c.id).limit(STEP)
        if last is not None:
            query = query.where(table.c.id > last)
        rows = [dict(row) for row in connection.execute(query).mappings()]
        if not rows:
            return
        last = rows[-1]["id"]
        yield rows


def _stamp(identifier: object) -> int:
    """The number in an id such as ntf_00018bcfe5680000deadbeef; what follows it was chance."""
    return int(str(identifier).partition("_")[2][:16], 16)


def _create() -> None:
    op.create_table(
        "topics",
        sa.Column("id", _number, primary_key=True, autoincrement=False),
        sa.Column("domain", sa.String(200), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("domain", "name", name="topics_by_name"),
    )
    op.create_table(
        "endpoints",
        sa.Column("id", _number, primary_key=True, autoincrement=False),
        sa.Column("method", sa.String(4), nullable=False),
        sa.Column("channel", sa.String(40), nullable=False),
        sa.Column("url", sa.String(2048), nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("ordered", sa.Boolean, nullable=False),
        sa.Column("secret", sa.String(200), nullable=False),
        sa.Column("former_secret", sa.String(200), nullable=False),
        sa.Column("former_until", sa.BigInteger),
        sa.Column("authenticated", sa.Boolean, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("last_used_at", sa.BigInteger),
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", _number, primary_key=True, autoincrement=False),
        _reference("topic_id", "topics.id"),
        _reference("endpoint_id", "endpoints.id"),
        sa.Column("subscriber", sa.String(2048), nullable=False),
        sa.Column("restricted", sa.Boolean, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("topic_id", "endpoint_id", name="subscriptions_once"),
    )
    op.create_index("subscriptions_by_endpoint", "subscriptions", ["endpoint_id"])
    op.create_table(
        "topic_messages",
        sa.Column("id", _number, primary_key=True, autoincrement=False),
        _reference("topic_id", "topics.id"),
        sa.Column("entity", sa.String(2048)),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "notifications",
        sa.Column("id", _number, primary_key=True, autoincrement=False),
        _reference("message_id", "topic_messages.id"),
        _reference("topic_id", "topics.id"),
        _reference("subscription_id", "subscriptions.id"),
        _reference("endpoint_id", "endpoints.id"),
        sa.Column("shelf", sa.SmallInteger, nullable=False),
        sa.Column("expired", sa.Boolean, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("queued_at", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("notifications_due", "notifications", ["endpoint_id", "shelf", "due_at", "id"])
    op.create_index("notifications_by_message", "notifications", ["message_id"])
    op.create_index("notifications_by_subscription", "notifications", ["subscription_id", "id"])
    op.create_index("notifications_by_topic", "notifications", ["topic_id", "id"])
    op.create_index("notifications_by_shelf", "notifications", ["shelf", "id", "expired"])
    for name in ("topic", "subscription"):
        op.create_index(f"notifications_by_shelf_and_{name}", "notifications", ["shelf", f"{name}_id", "id"])
    op.create_table(
        "attempts",
        sa.Column("id", _number, primary_key=True, autoincrement=True),
        _reference("notification_id", "notifications.id"),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("milliseconds", sa.Integer, nullable=False),
        sa.Column("status", sa.SmallInteger),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
    )
    op.create_index("attempts_by_notification", "attempts", ["notification_id"])


def _reference(name: str, target: str) -> "sa.Column[int]":
    return sa.Column(name, _number, sa.ForeignKey(target, ondelete="CASCADE"), nullable=False)
