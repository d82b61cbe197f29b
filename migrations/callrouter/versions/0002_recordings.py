"""Recordings."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recordings",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("call_sid", sa.String(length=34), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("track", sa.String(length=64), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=64), nullable=False),
        sa.Column("duration", sa.Integer(), nullable=True),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("start_time", sa.Float(precision=53), nullable=False),
        sa.Column("callback_url", sa.Text(), nullable=True),
        sa.Column("callback_method", sa.String(length=4), nullable=False),
        sa.Column("callback_events", sa.String(length=64), nullable=False),
        sa.Column("date_created", sa.Float(precision=53), nullable=False),
        sa.Column("date_updated", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_recordings")),
    )
    op.create_index("ix_recordings_call", "recordings", ["account_sid", "call_sid"], unique=False)
    op.create_index("ix_recordings_list", "recordings", ["account_sid", "date_created", "sid"], unique=False)
    op.create_index("uq_recordings_sid", "recordings", ["sid"], unique=True)


def downgrade() -> None:
    op.drop_table("recordings")
