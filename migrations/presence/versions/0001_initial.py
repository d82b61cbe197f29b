"""Accounts, keys, clients, endpoints, changes, invites and calls."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SID = sa.String(34)
NAME = sa.String(256)


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_sid", SID, primary_key=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("auth_tokens", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "keys",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("key_sid", SID, nullable=False, unique=True),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("revoked", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "key_sid"),
    )
    op.create_table(
        "clients",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("client", NAME, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "client"),
    )
    op.create_table(
        "endpoints",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("client", NAME, nullable=False),
        sa.Column("endpoint_id", sa.String(64), nullable=False),
        sa.Column("sid", SID, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("capabilities", sa.String(64), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("note", sa.String(256), nullable=False),
        sa.Column("delivery", sa.Text, nullable=False),
        sa.Column("socket", sa.Boolean, nullable=False),
        sa.Column("node", sa.String(128), nullable=False),
        sa.Column("key_sid", SID, nullable=False),
        sa.Column("token_digest", sa.String(32), nullable=False),
        sa.Column("token_expires_at", sa.Double, nullable=False),
        sa.Column("refreshed_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "client", "endpoint_id"),
    )
    op.create_index("endpoints_expiry", "endpoints", ["expires_at"])
    op.create_index("endpoints_key", "endpoints", ["account_sid", "key_sid"])
    op.create_table(
        "changes",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("client", NAME, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("endpoint_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sequence"),
    )
    op.create_index("changes_age", "changes", ["at"])
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
        sa.Column("node", sa.String(128), nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "call_sid"),
    )
    op.create_index("invites_expiry", "invites", ["expires_at"])
    op.create_table(
        "calls",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("call_sid", SID, nullable=False),
        sa.Column("client", NAME, nullable=False),
        sa.Column("endpoint_id", sa.String(64), nullable=False),
        sa.Column("incoming", sa.Boolean, nullable=False),
        sa.Column("ufrag", sa.String(256), nullable=False),
        sa.Column("node", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "call_sid"),
    )
    op.create_index("calls_node", "calls", ["node"])


def downgrade() -> None:
    for table in ("calls", "invites", "changes", "endpoints", "clients", "keys", "accounts"):
        op.drop_table(table)
