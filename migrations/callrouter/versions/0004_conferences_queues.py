"""Conferences with their participants, queues with their members, recordings of conferences."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT, SID, WORD, METHOD = sa.Float(precision=53), sa.String(34), sa.String(64), sa.String(4)


def upgrade() -> None:
    op.create_table(
        "conferences",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("sid", SID, nullable=False),
        sa.Column("friendly_name", sa.String(128), nullable=False),
        sa.Column("live_name", sa.String(128), nullable=True),
        sa.Column("status", WORD, nullable=False),
        sa.Column("reason_ended", WORD, nullable=True),
        sa.Column("call_sid_ending", SID, nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("callback_url", sa.Text(), nullable=True),
        sa.Column("callback_method", METHOD, nullable=False),
        sa.Column("callback_events", sa.String(100), nullable=False),
        sa.Column("record", sa.Boolean(), nullable=False),
        sa.Column("trim", sa.Boolean(), nullable=False),
        sa.Column("recording_callback_url", sa.Text(), nullable=True),
        sa.Column("recording_callback_method", METHOD, nullable=False),
        sa.Column("recording_callback_events", sa.String(64), nullable=False),
        sa.Column("date_created", MOMENT, nullable=False),
        sa.Column("date_updated", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_conferences")),
    )
    op.create_index("uq_conferences_sid", "conferences", ["sid"], unique=True)
    op.create_index("uq_conferences_live_name", "conferences", ["account_sid", "live_name"], unique=True)
    op.create_index("ix_conferences_list", "conferences", ["account_sid", "date_created", "sid"])
    op.create_table(
        "participants",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("call_sid", SID, nullable=False),
        sa.Column("conference_sid", SID, nullable=False),
        sa.Column("session_sid", SID, nullable=False),
        sa.Column("leg", WORD, nullable=False),
        sa.Column("ticket", WORD, nullable=False),
        sa.Column("label", sa.String(128), nullable=True),
        sa.Column("muted", sa.Boolean(), nullable=False),
        sa.Column("hold", sa.Boolean(), nullable=False),
        sa.Column("coach", SID, nullable=False),
        sa.Column("start_on_enter", sa.Boolean(), nullable=False),
        sa.Column("end_on_exit", sa.Boolean(), nullable=False),
        sa.Column("beep_on_exit", sa.Boolean(), nullable=False),
        sa.Column("joined", sa.Boolean(), nullable=False),
        sa.Column("date_created", MOMENT, nullable=False),
        sa.Column("date_updated", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "call_sid", name=op.f("pk_participants")),
    )
    op.create_index("ix_participants_list", "participants", ["account_sid", "conference_sid", "date_created"])
    op.create_table(
        "queues",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("sid", SID, nullable=False),
        sa.Column("friendly_name", WORD, nullable=False),
        sa.Column("max_size", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("date_created", MOMENT, nullable=False),
        sa.Column("date_updated", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_queues")),
    )
    op.create_index("uq_queues_sid", "queues", ["sid"], unique=True)
    op.create_index("uq_queues_friendly_name", "queues", ["account_sid", "friendly_name"], unique=True)
    op.create_index("ix_queues_list", "queues", ["account_sid", "date_created", "sid"])
    op.create_table(
        "queue_members",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("call_sid", SID, nullable=False),
        sa.Column("queue_sid", SID, nullable=False),
        sa.Column("session_sid", SID, nullable=False),
        sa.Column("leg", WORD, nullable=False),
        sa.Column("ticket", WORD, nullable=False),
        sa.Column("agent", sa.Boolean(), nullable=False),
        sa.Column("partner", SID, nullable=False),
        sa.Column("connected", sa.Boolean(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("method", METHOD, nullable=False),
        sa.Column("date_enqueued", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "call_sid", name=op.f("pk_queue_members")),
    )
    op.create_index(
        "ix_queue_members_line",
        "queue_members",
        ["account_sid", "queue_sid", "agent", "partner", "date_enqueued"],
    )
    op.add_column("recordings", sa.Column("conference_sid", SID, nullable=True))
    op.create_index("ix_recordings_conference", "recordings", ["account_sid", "conference_sid"])


def downgrade() -> None:
    op.drop_index("ix_recordings_conference", "recordings")
    with op.batch_alter_table("recordings") as recordings:
        recordings.drop_column("conference_sid")
    for table in ("queue_members", "queues", "participants", "conferences"):
        op.drop_table(table)
