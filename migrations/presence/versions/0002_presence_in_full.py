"""Statuses, contact lists, destinations, subscriptions, revocations and nodes; what watchers were told."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SID, NAME, WORD, NODE = sa.String(34), sa.String(256), sa.String(64), sa.String(128)

CLIENTS = (
    ("chosen_status", WORD, ""),
    ("chosen_note", NAME, ""),
    ("status", WORD, "offline"),
    ("available", sa.Boolean, sa.false()),
    ("capabilities", WORD, ""),
    ("note", NAME, ""),
)
CHANGES = (
    ("visible", sa.Boolean, sa.true()),
    ("status", WORD, "offline"),
    ("available", sa.Boolean, sa.false()),
    ("capabilities", WORD, ""),
    ("note", NAME, ""),
    ("list", WORD, ""),
)
ENDPOINTS = (
    ("rank", sa.Integer, "400"),
    ("available", sa.Boolean, sa.true()),
    ("voice", sa.Boolean, sa.true()),
    ("messages", sa.Boolean, sa.true()),
    ("hidden", sa.Boolean, sa.false()),
    ("incoming", sa.Boolean, sa.true()),
    ("busy_until", sa.Double, "0"),
    ("token_id", sa.String(32), ""),
    ("token_issued_at", sa.Double, "0"),
)
"""Devices of before: registered as available, which is all that there was over sockets; others say it again soon."""


def upgrade() -> None:
    for table, columns in (("clients", CLIENTS), ("changes", CHANGES), ("endpoints", ENDPOINTS)):
        with op.batch_alter_table(table) as altered:
            for name, kind, default in columns:
                altered.add_column(sa.Column(name, kind, nullable=False, server_default=default))
        with op.batch_alter_table(table) as altered:
            for name, _kind, _default in columns:
                altered.alter_column(name, server_default=None)
    with op.batch_alter_table("endpoints") as endpoints:
        endpoints.alter_column("status", type_=WORD, existing_type=sa.String(16), existing_nullable=False)
        endpoints.create_index("endpoints_busy", ["busy_until"])
        endpoints.create_index("endpoints_node", ["node"])
    with op.batch_alter_table("calls") as calls:
        calls.add_column(sa.Column("lease_until", sa.Double, nullable=False, server_default="0"))
    with op.batch_alter_table("calls") as calls:
        calls.alter_column("lease_until", server_default=None)
        calls.create_index("calls_lease", ["lease_until"])
    _invites(
        sa.Column("waves", sa.Text, nullable=False),
        sa.Column("every", sa.Double, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "call_sid", "node"),
    )
    op.create_table(
        "statuses",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("available", sa.Boolean, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("voice", sa.Boolean, nullable=False),
        sa.Column("messages", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "name"),
    )
    op.create_table(
        "contact_lists",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "name"),
    )
    op.create_table(
        "contacts",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("list", WORD, nullable=False),
        sa.Column("client", NAME, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "list", "client"),
    )
    op.create_table(
        "destinations",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "name"),
    )
    op.create_table(
        "destination_targets",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("target_account_sid", SID, nullable=False),
        sa.Column("target_client", NAME, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "name", "position"),
    )
    op.create_table(
        "subscriptions",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("sid", SID, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("view", sa.Text, nullable=False),
        sa.Column("detail", sa.Boolean, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("cursor", sa.BigInteger, nullable=False),
        sa.Column("snapshot", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("node", NODE, nullable=False),
        sa.Column("lease_until", sa.Double, nullable=False),
        sa.Column("last_error", NAME, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sid"),
    )
    op.create_index("subscriptions_due", "subscriptions", ["active", "due_at"])
    op.create_table(
        "revocations",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("value", NAME, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "kind", "value"),
    )
    op.create_index("revocations_at", "revocations", ["at"])
    op.create_table(
        "nodes",
        sa.Column("node", NODE, primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("lease_until", sa.Double, nullable=False),
    )


def downgrade() -> None:
    for table in (
        "nodes",
        "revocations",
        "subscriptions",
        "destination_targets",
        "destinations",
        "contacts",
        "contact_lists",
        "statuses",
    ):
        op.drop_table(table)
    _invites(sa.PrimaryKeyConstraint("account_sid", "call_sid"))
    with op.batch_alter_table("calls") as calls:
        calls.drop_index("calls_lease")
        calls.drop_column("lease_until")
    op.execute("UPDATE endpoints SET status = 'away' WHERE length(status) > 16")
    with op.batch_alter_table("endpoints") as endpoints:
        endpoints.drop_index("endpoints_busy")
        endpoints.drop_index("endpoints_node")
        endpoints.alter_column("status", type_=sa.String(16), existing_type=WORD, existing_nullable=False)
    for table, columns in (("clients", CLIENTS), ("changes", CHANGES), ("endpoints", ENDPOINTS)):
        with op.batch_alter_table(table) as altered:
            for name, _kind, _default in columns:
                altered.drop_column(name)


def _invites(*further: sa.schema.SchemaItem) -> None:
    """Made anew: what rings at this moment rings out, and the router hears of it."""
    op.drop_table("invites")
    op.create_table(
        "invites",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("call_sid", SID, nullable=False),
        sa.Column("client", NAME, nullable=False),
        sa.Column("sdp", sa.Text, nullable=False),
        sa.Column("ring_token", sa.Text, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("node", NODE, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        *further,
    )
    op.create_index("invites_expiry", "invites", ["expires_at"])
