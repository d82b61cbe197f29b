"""Calls that are placed by REST: an account's queue, verified caller ids; numbers that accounts may take."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "accounts", sa.Column("next_call_at", sa.Float(precision=53), nullable=False, server_default="0")
    )
    op.add_column("calls", sa.Column("queue_time", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "outgoing_caller_ids",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("phone_number", sa.String(length=16), nullable=False),
        sa.Column("friendly_name", sa.String(length=64), nullable=False),
        sa.Column("date_created", sa.Float(precision=53), nullable=False),
        sa.Column("date_updated", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_outgoing_caller_ids")),
    )
    op.create_index("uq_outgoing_caller_ids_sid", "outgoing_caller_ids", ["sid"], unique=True)
    op.create_index(
        "uq_outgoing_caller_ids_phone_number",
        "outgoing_caller_ids",
        ["account_sid", "phone_number"],
        unique=True,
    )
    op.create_table(
        "pool_numbers",
        sa.Column("phone_number", sa.String(length=16), nullable=False),
        sa.Column("carrier", sa.String(length=64), nullable=False),
        sa.Column("date_created", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("phone_number", name=op.f("pk_pool_numbers")),
    )


def downgrade() -> None:
    op.drop_table("pool_numbers")
    op.drop_table("outgoing_caller_ids")
    with op.batch_alter_table("calls") as calls:
        calls.drop_column("queue_time")
    with op.batch_alter_table("accounts") as accounts:
        accounts.drop_column("next_call_at")
