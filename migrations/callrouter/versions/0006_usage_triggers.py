"""Usage triggers."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MOMENT, SID, WORD = sa.Float(precision=53), sa.String(34), sa.String(64)


def upgrade() -> None:
    op.create_table(
        "usage_triggers",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("sid", SID, nullable=False),
        sa.Column("friendly_name", WORD, nullable=False),
        sa.Column("usage_category", WORD, nullable=False),
        sa.Column("trigger_by", WORD, nullable=False),
        sa.Column("trigger_value", WORD, nullable=False),
        sa.Column("recurring", WORD, nullable=False),
        sa.Column("callback_url", sa.Text(), nullable=False),
        sa.Column("callback_method", sa.String(4), nullable=False),
        sa.Column("fired_period", WORD, nullable=False),
        sa.Column("date_fired", MOMENT, nullable=True),
        sa.Column("date_created", MOMENT, nullable=False),
        sa.Column("date_updated", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_usage_triggers")),
    )
    op.create_index("uq_usage_triggers_sid", "usage_triggers", ["sid"], unique=True)
    op.create_index("ix_usage_triggers_list", "usage_triggers", ["account_sid", "date_created", "sid"])


def downgrade() -> None:
    op.drop_table("usage_triggers")
