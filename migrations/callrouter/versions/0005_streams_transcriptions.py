"""Streams; transcriptions of recordings; carriers that take calls to SIP addresses."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT, SID, WORD = sa.Float(precision=53), sa.String(34), sa.String(64)


def upgrade() -> None:
    op.create_table(
        "streams",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("sid", SID, nullable=False),
        sa.Column("call_sid", SID, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("date_created", MOMENT, nullable=False),
        sa.Column("date_updated", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_streams")),
    )
    op.create_index("uq_streams_sid", "streams", ["sid"], unique=True)
    op.create_index("ix_streams_call", "streams", ["account_sid", "call_sid"])
    op.create_table(
        "transcriptions",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("sid", SID, nullable=False),
        sa.Column("recording_sid", SID, nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("duration", sa.Integer(), nullable=False),
        sa.Column("date_created", MOMENT, nullable=False),
        sa.Column("date_updated", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_transcriptions")),
    )
    op.create_index("uq_transcriptions_sid", "transcriptions", ["sid"], unique=True)
    op.create_index("ix_transcriptions_list", "transcriptions", ["account_sid", "date_created", "sid"])
    op.create_index("ix_transcriptions_recording", "transcriptions", ["account_sid", "recording_sid"])
    op.add_column(
        "recordings", sa.Column("transcribe", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("recordings", sa.Column("transcribe_url", sa.Text(), nullable=True))
    op.add_column("carriers", sa.Column("sip", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    with op.batch_alter_table("carriers") as carriers:
        carriers.drop_column("sip")
    with op.batch_alter_table("recordings") as recordings:
        recordings.drop_column("transcribe_url")
        recordings.drop_column("transcribe")
    for table in ("transcriptions", "streams"):
        op.drop_table(table)
