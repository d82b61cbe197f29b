"""What the console shows of webhooks, and indexes for its lists and for what is new."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

COLUMNS = {
    "request_headers": sa.JSON(),
    "hops": sa.JSON(),
    "response_headers": sa.JSON(),
    "error_text": sa.Text(),
}
INDEXES = {
    "ix_timeline_feed": ("timeline", ["account_sid", "at"]),
    "ix_deliveries_list": ("deliveries", ["account_sid", "at", "id"]),
    "ix_messages_updated": ("messages", ["account_sid", "date_updated"]),
    "ix_calls_from": ("calls", ["account_sid", "from", "date_created", "sid"]),
    "ix_calls_to": ("calls", ["account_sid", "to", "date_created", "sid"]),
}


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.add_column("deliveries", sa.Column(name, kind, nullable=True))
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table)
    for name in COLUMNS:
        op.drop_column("deliveries", name)
