"""The router's tables as they were first released."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("owner_account_sid", sa.String(length=34), nullable=False),
        sa.Column("friendly_name", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=64), nullable=False),
        sa.Column("auth_token_sealed", sa.String(length=255), nullable=False),
        sa.Column("auth_token_hash", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("date_created", sa.Float(precision=53), nullable=False),
        sa.Column("date_updated", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("account_sid", name=op.f("pk_accounts")),
    )
    op.create_table(
        "api_keys",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("friendly_name", sa.String(length=64), nullable=False),
        sa.Column("main", sa.Boolean(), nullable=False),
        sa.Column("secret_sealed", sa.String(length=255), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("date_created", sa.Float(precision=53), nullable=False),
        sa.Column("date_updated", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_api_keys")),
    )
    op.create_index("uq_api_keys_sid", "api_keys", ["sid"], unique=True)
    op.create_table(
        "applications",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("friendly_name", sa.String(length=64), nullable=False),
        sa.Column("message_status_callback", sa.Text(), nullable=False),
        sa.Column("sms_status_callback", sa.Text(), nullable=False),
        sa.Column("public_application_connect_enabled", sa.Boolean(), nullable=False),
        sa.Column("voice_url", sa.Text(), nullable=False),
        sa.Column("voice_method", sa.String(length=4), nullable=False),
        sa.Column("voice_fallback_url", sa.Text(), nullable=False),
        sa.Column("voice_fallback_method", sa.String(length=4), nullable=False),
        sa.Column("voice_caller_id_lookup", sa.Boolean(), nullable=False),
        sa.Column("status_callback", sa.Text(), nullable=False),
        sa.Column("status_callback_method", sa.String(length=4), nullable=False),
        sa.Column("sms_url", sa.Text(), nullable=False),
        sa.Column("sms_method", sa.String(length=4), nullable=False),
        sa.Column("sms_fallback_url", sa.Text(), nullable=False),
        sa.Column("sms_fallback_method", sa.String(length=4), nullable=False),
        sa.Column("date_created", sa.Float(precision=53), nullable=False),
        sa.Column("date_updated", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_applications")),
    )
    op.create_index("uq_applications_sid", "applications", ["sid"], unique=True)
    op.create_table(
        "calls",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("parent_call_sid", sa.String(length=34), nullable=True),
        sa.Column("leg", sa.String(length=64), nullable=False),
        sa.Column("direction", sa.String(length=64), nullable=False),
        sa.Column("from", sa.String(length=300), nullable=False),
        sa.Column("to", sa.String(length=300), nullable=False),
        sa.Column("status", sa.String(length=64), nullable=False),
        sa.Column("phone_number_sid", sa.String(length=34), nullable=True),
        sa.Column("application_sid", sa.String(length=34), nullable=True),
        sa.Column("caller_name", sa.String(length=64), nullable=True),
        sa.Column("answered_by", sa.String(length=64), nullable=True),
        sa.Column("carrier", sa.String(length=64), nullable=True),
        sa.Column("carrier_call_id", sa.String(length=128), nullable=True),
        sa.Column("identity", sa.String(length=256), nullable=True),
        sa.Column("ended_because", sa.String(length=64), nullable=True),
        sa.Column("date_created", sa.Float(precision=53), nullable=False),
        sa.Column("date_updated", sa.Float(precision=53), nullable=False),
        sa.Column("start_time", sa.Float(precision=53), nullable=True),
        sa.Column("end_time", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_calls")),
    )
    op.create_index("ix_calls_list", "calls", ["account_sid", "date_created", "sid"], unique=False)
    op.create_index("ix_calls_parent", "calls", ["account_sid", "parent_call_sid"], unique=False)
    op.create_index("uq_calls_carrier_id", "calls", ["carrier", "carrier_call_id"], unique=True)
    op.create_index("uq_calls_sid", "calls", ["sid"], unique=True)
    op.create_table(
        "carriers",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("control_url", sa.Text(), nullable=False),
        sa.Column("secrets_sealed", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=64), nullable=False),
        sa.Column("date_created", sa.Float(precision=53), nullable=False),
        sa.Column("date_updated", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_carriers")),
    )
    op.create_table(
        "deliveries",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("call_sid", sa.String(length=34), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("method", sa.String(length=4), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column("content_type", sa.String(length=64), nullable=True),
        sa.Column("response_body", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "id", name=op.f("pk_deliveries")),
    )
    op.create_index("ix_deliveries_call", "deliveries", ["account_sid", "call_sid", "at"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=False),
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("call_sid", sa.String(length=34), nullable=False),
        sa.Column("received_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("source", "event_id", name=op.f("pk_inbox")),
    )
    op.create_index("ix_inbox_received", "inbox", ["received_at"], unique=False)
    op.create_table(
        "notifications",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("call_sid", sa.String(length=34), nullable=True),
        sa.Column("log", sa.String(length=1), nullable=False),
        sa.Column("error_code", sa.String(length=64), nullable=False),
        sa.Column("message_text", sa.Text(), nullable=False),
        sa.Column("message_date", sa.Float(precision=53), nullable=False),
        sa.Column("request_method", sa.String(length=4), nullable=True),
        sa.Column("request_url", sa.Text(), nullable=True),
        sa.Column("request_variables", sa.Text(), nullable=True),
        sa.Column("response_headers", sa.Text(), nullable=True),
        sa.Column("response_body", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_notifications")),
    )
    op.create_index("ix_notifications_call", "notifications", ["account_sid", "call_sid"], unique=False)
    op.create_index(
        "ix_notifications_list", "notifications", ["account_sid", "message_date", "sid"], unique=False
    )
    op.create_index("uq_notifications_sid", "notifications", ["sid"], unique=True)
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("call_sid", sa.String(length=34), nullable=False),
        sa.Column("lane", sa.String(length=100), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Float(precision=53), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_call", "outbox", ["account_sid", "call_sid"], unique=False)
    op.create_index("ix_outbox_due", "outbox", ["owner", "due_at"], unique=False)
    op.create_table(
        "phone_numbers",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("phone_number", sa.String(length=16), nullable=False),
        sa.Column("friendly_name", sa.String(length=64), nullable=False),
        sa.Column("voice_application_sid", sa.String(length=34), nullable=False),
        sa.Column("sms_application_sid", sa.String(length=34), nullable=False),
        sa.Column("carrier", sa.String(length=64), nullable=False),
        sa.Column("voice_url", sa.Text(), nullable=False),
        sa.Column("voice_method", sa.String(length=4), nullable=False),
        sa.Column("voice_fallback_url", sa.Text(), nullable=False),
        sa.Column("voice_fallback_method", sa.String(length=4), nullable=False),
        sa.Column("voice_caller_id_lookup", sa.Boolean(), nullable=False),
        sa.Column("status_callback", sa.Text(), nullable=False),
        sa.Column("status_callback_method", sa.String(length=4), nullable=False),
        sa.Column("sms_url", sa.Text(), nullable=False),
        sa.Column("sms_method", sa.String(length=4), nullable=False),
        sa.Column("sms_fallback_url", sa.Text(), nullable=False),
        sa.Column("sms_fallback_method", sa.String(length=4), nullable=False),
        sa.Column("date_created", sa.Float(precision=53), nullable=False),
        sa.Column("date_updated", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_phone_numbers")),
    )
    op.create_index("uq_phone_numbers_phone_number", "phone_numbers", ["phone_number"], unique=True)
    op.create_index("uq_phone_numbers_sid", "phone_numbers", ["sid"], unique=True)
    op.create_table(
        "router_nodes",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_router_nodes")),
    )
    op.create_table(
        "sessions",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("call_sid", sa.String(length=34), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("date_updated", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "call_sid", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_owner", "sessions", ["owner"], unique=False)
    op.create_table(
        "timeline",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("call_sid", sa.String(length=34), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "call_sid", "position", name=op.f("pk_timeline")),
    )
    op.create_table(
        "timers",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("call_sid", sa.String(length=34), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("due_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "call_sid", "name", name=op.f("pk_timers")),
    )


def downgrade() -> None:
    op.drop_table("timers")
    op.drop_table("timeline")
    op.drop_table("sessions")
    op.drop_table("router_nodes")
    op.drop_table("phone_numbers")
    op.drop_table("outbox")
    op.drop_table("notifications")
    op.drop_table("inbox")
    op.drop_table("deliveries")
    op.drop_table("carriers")
    op.drop_table("calls")
    op.drop_table("applications")
    op.drop_table("api_keys")
    op.drop_table("accounts")
