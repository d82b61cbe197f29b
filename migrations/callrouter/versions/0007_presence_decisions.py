"""Decisions on presence, and calls that another account's client took."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MOMENT, SID, WORD, NAME = sa.Float(precision=53), sa.String(34), sa.String(64), sa.String(256)


def upgrade() -> None:
    op.create_table(
        "presence_decisions",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("call_sid", SID, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=True),
        sa.Column("snapshot", sa.JSON(), nullable=True),
        sa.Column("mode", WORD, nullable=False),
        sa.Column("outcome", WORD, nullable=False),
        sa.Column("chosen_account", SID, nullable=True),
        sa.Column("chosen_client", NAME, nullable=True),
        sa.Column("presence_version", sa.BigInteger(), nullable=True),
        sa.Column("waves", sa.JSON(), nullable=False),
        sa.Column("skipped", sa.JSON(), nullable=False),
        sa.Column("rung", sa.JSON(), nullable=False),
        sa.Column("refused", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "call_sid", "attempt", name=op.f("pk_presence_decisions")),
    )
    op.add_column("calls", sa.Column("taken_by", SID, nullable=True))
    op.create_index("ix_calls_taken", "calls", ["taken_by", "date_created", "sid"])


def downgrade() -> None:
    op.drop_index("ix_calls_taken", "calls")
    op.drop_column("calls", "taken_by")
    op.drop_table("presence_decisions")
