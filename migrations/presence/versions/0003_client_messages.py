"""Messages to clients, and which devices have acknowledged them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SID, NAME, ADDRESS, WORD = sa.String(34), sa.String(256), sa.String(300), sa.String(64)


def upgrade() -> None:
    op.create_table(
        "client_messages",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("message_sid", SID, nullable=False),
        sa.Column("client", NAME, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("sender", ADDRESS, nullable=False),
        sa.Column("recipient", ADDRESS, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("media", sa.Text, nullable=False),
        sa.Column("media_required", sa.Boolean, nullable=False),
        sa.Column("session_sid", SID, nullable=False),
        sa.Column("addressed", sa.Text, nullable=False),
        sa.Column("skipped", sa.Text, nullable=False),
        sa.Column("client_version", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("arrived_at", sa.Double, nullable=False),
        sa.Column("valid_until", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double, nullable=False),
        sa.Column("ended_by", WORD, nullable=False),
        sa.Column("report_due", sa.Double, nullable=True),
        sa.Column("report_tries", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "message_sid"),
    )
    op.create_index("client_messages_of", "client_messages", ["account_sid", "client", "position"])
    op.create_index("client_messages_arrived", "client_messages", ["arrived_at"])
    op.create_index("client_messages_expiry", "client_messages", ["state", "valid_until"])
    op.create_index("client_messages_report", "client_messages", ["report_due"])
    op.create_index("client_messages_ended", "client_messages", ["ended_at"])
    op.create_table(
        "client_message_acks",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("message_sid", SID, nullable=False),
        sa.Column("endpoint_id", WORD, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "message_sid", "endpoint_id"),
    )


def downgrade() -> None:
    op.drop_table("client_message_acks")
    op.drop_table("client_messages")
