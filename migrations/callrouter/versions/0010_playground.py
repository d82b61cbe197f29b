"""Texts of the playground."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SID = sa.String(34)


def upgrade() -> None:
    op.create_table(
        "playground_documents",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("sid", SID, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("date_created", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_playground_documents")),
    )


def downgrade() -> None:
    op.drop_table("playground_documents")
