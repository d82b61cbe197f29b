"""Messages: what came and goes, the queue of each carrier, what routes are ranked by, services and their senders."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MOMENT, SID, WORD, ADDRESS = sa.Float(precision=53), sa.String(34), sa.String(64), sa.String(300)


def upgrade() -> None:
    op.create_table(
        "messages",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("sid", SID, nullable=False),
        sa.Column("direction", WORD, nullable=False),
        sa.Column("from", ADDRESS, nullable=False),
        sa.Column("to", ADDRESS, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("encoding", WORD, nullable=False),
        sa.Column("num_segments", sa.Integer(), nullable=False),
        sa.Column("num_media", sa.Integer(), nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("messaging_service_sid", SID, nullable=True),
        sa.Column("phone_number_sid", SID, nullable=True),
        sa.Column("answers", SID, nullable=True),
        sa.Column("session_sid", SID, nullable=True),
        sa.Column("status_callback", sa.Text(), nullable=True),
        sa.Column("callbacks", sa.Integer(), nullable=False),
        sa.Column("otherwise", WORD, nullable=True),
        sa.Column("media_required", sa.Boolean(), nullable=False),
        sa.Column("feedback", WORD, nullable=True),
        sa.Column("carrier", WORD, nullable=True),
        sa.Column("carrier_message_id", sa.String(128), nullable=True),
        sa.Column("possible_duplicate", sa.Boolean(), nullable=False),
        sa.Column("valid_until", MOMENT, nullable=True),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("reported_at", MOMENT, nullable=True),
        sa.Column("date_created", MOMENT, nullable=False),
        sa.Column("date_updated", MOMENT, nullable=False),
        sa.Column("date_sent", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_messages")),
    )
    op.create_index("ix_messages_due", "messages", ["status", "due_at"])
    op.create_index("ix_messages_list", "messages", ["account_sid", "date_created", "sid"])
    op.create_index("ix_messages_session", "messages", ["account_sid", "session_sid", "date_created"])
    op.create_index("ix_messages_to", "messages", ["account_sid", "to", "date_created"])
    op.create_index("uq_messages_carrier_id", "messages", ["carrier", "carrier_message_id"], unique=True)
    op.create_index("uq_messages_sid", "messages", ["sid"], unique=True)
    op.create_table(
        "message_media",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("sid", SID, nullable=False),
        sa.Column("message_sid", SID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("content_type", WORD, nullable=False),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("date_created", MOMENT, nullable=False),
        sa.Column("date_updated", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_message_media")),
    )
    op.create_index("ix_message_media_list", "message_media", ["account_sid", "message_sid", "position"])
    op.create_index("uq_message_media_sid", "message_media", ["sid"], unique=True)
    op.create_table(
        "message_programs",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("message_sid", SID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("date_updated", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "message_sid", name=op.f("pk_message_programs")),
    )
    op.create_table(
        "message_cookies",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("number", ADDRESS, nullable=False),
        sa.Column("phone", ADDRESS, nullable=False),
        sa.Column("cookies", sa.JSON(), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "number", "phone", name=op.f("pk_message_cookies")),
    )
    op.create_index("ix_message_cookies_until", "message_cookies", ["until"])
    op.create_table(
        "idempotency_keys",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("request", WORD, nullable=False),
        sa.Column("message_sid", SID, nullable=False),
        sa.Column("date_created", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created", "idempotency_keys", ["date_created"])
    op.create_table(
        "message_sessions",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("sid", SID, nullable=False),
        sa.Column("phone", ADDRESS, nullable=False),
        sa.Column("number", ADDRESS, nullable=False),
        sa.Column("client", sa.String(256), nullable=False),
        sa.Column("otherwise", WORD, nullable=True),
        sa.Column("status", WORD, nullable=False),
        sa.Column("open_key", sa.String(80), nullable=True),
        sa.Column("timeout", sa.Integer(), nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("date_created", MOMENT, nullable=False),
        sa.Column("date_updated", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_message_sessions")),
    )
    op.create_index("ix_message_sessions_due", "message_sessions", ["status", "ends_at"])
    op.create_index("ix_message_sessions_list", "message_sessions", ["account_sid", "date_created", "sid"])
    op.create_index("uq_message_sessions_open", "message_sessions", ["account_sid", "open_key"], unique=True)
    op.create_index("uq_message_sessions_sid", "message_sessions", ["sid"], unique=True)
    op.create_table(
        "message_queue",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("message_sid", SID, nullable=False),
        sa.Column("carrier", WORD, nullable=False),
        sa.Column("lane", WORD, nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("lease_owner", sa.String(100), nullable=False),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("moves", sa.Integer(), nullable=False),
        sa.Column("avoided", sa.JSON(), nullable=False),
        sa.Column("valid_until", MOMENT, nullable=False),
        sa.Column("enqueued_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_message_queue")),
    )
    op.create_index("ix_message_queue_account", "message_queue", ["carrier", "account_sid"])
    op.create_index("ix_message_queue_lane", "message_queue", ["lane", "position"])
    op.create_index("ix_message_queue_leases", "message_queue", ["state", "lease_until"])
    op.create_index(
        "ix_message_queue_next", "message_queue", ["carrier", "state", "account_sid", "priority", "position"]
    )
    op.create_index("ix_message_queue_validity", "message_queue", ["valid_until"])
    op.create_index("uq_message_queue_message", "message_queue", ["message_sid"], unique=True)
    op.create_table(
        "message_decisions",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("message_sid", SID, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("carrier", WORD, nullable=False),
        sa.Column("reason", WORD, nullable=False),
        sa.Column("considered", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "message_sid", "attempt", name=op.f("pk_message_decisions")),
    )
    op.create_table(
        "message_routes",
        sa.Column("carrier", WORD, nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("cost", MOMENT, nullable=False),
        sa.Column("weight", MOMENT, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("date_created", MOMENT, nullable=False),
        sa.Column("date_updated", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("carrier", "prefix", "kind", name=op.f("pk_message_routes")),
    )
    op.create_table(
        "route_counts",
        sa.Column("carrier", WORD, nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("delivered", sa.Integer(), nullable=False),
        sa.Column("undelivered", sa.Integer(), nullable=False),
        sa.Column("unreported", sa.Integer(), nullable=False),
        sa.Column("latency_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "carrier", "prefix", "kind", "account_sid", "period", name=op.f("pk_route_counts")
        ),
    )
    op.create_index("ix_route_counts_period", "route_counts", ["period"])
    op.create_table(
        "carrier_health",
        sa.Column("carrier", WORD, nullable=False),
        sa.Column("breaker", WORD, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=True),
        sa.Column("taken", MOMENT, nullable=False),
        sa.Column("offered", MOMENT, nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("next_at", MOMENT, nullable=False),
        sa.Column("turn", SID, nullable=False),
        sa.Column("date_updated", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("carrier", name=op.f("pk_carrier_health")),
    )
    op.create_table(
        "messaging_services",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("sid", SID, nullable=False),
        sa.Column("friendly_name", WORD, nullable=False),
        sa.Column("inbound_request_url", sa.Text(), nullable=False),
        sa.Column("inbound_method", sa.String(4), nullable=False),
        sa.Column("fallback_url", sa.Text(), nullable=False),
        sa.Column("fallback_method", sa.String(4), nullable=False),
        sa.Column("status_callback", sa.Text(), nullable=False),
        sa.Column("sticky_sender", sa.Boolean(), nullable=False),
        sa.Column("mms_converter", sa.Boolean(), nullable=False),
        sa.Column("smart_encoding", sa.Boolean(), nullable=False),
        sa.Column("scan_message_content", WORD, nullable=False),
        sa.Column("area_code_geomatch", sa.Boolean(), nullable=False),
        sa.Column("validity_period", sa.Integer(), nullable=False),
        sa.Column("synchronous_validation", sa.Boolean(), nullable=False),
        sa.Column("usecase", WORD, nullable=False),
        sa.Column("use_inbound_webhook_on_number", sa.Boolean(), nullable=False),
        sa.Column("date_created", MOMENT, nullable=False),
        sa.Column("date_updated", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_messaging_services")),
    )
    op.create_index(
        "ix_messaging_services_list", "messaging_services", ["account_sid", "date_created", "sid"]
    )
    op.create_index("uq_messaging_services_sid", "messaging_services", ["sid"], unique=True)
    op.create_table(
        "messaging_senders",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("service_sid", SID, nullable=False),
        sa.Column("sender_sid", SID, nullable=False),
        sa.Column("sender", WORD, nullable=False),
        sa.Column("date_created", MOMENT, nullable=False),
        sa.Column("date_updated", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint(
            "account_sid", "service_sid", "sender_sid", name=op.f("pk_messaging_senders")
        ),
    )
    op.create_index(
        "ix_messaging_senders_list",
        "messaging_senders",
        ["account_sid", "service_sid", "date_created", "sender_sid"],
    )
    op.create_index(
        "uq_messaging_senders_sender", "messaging_senders", ["account_sid", "sender_sid"], unique=True
    )
    op.create_table(
        "sticky_senders",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("service_sid", SID, nullable=False),
        sa.Column("to", ADDRESS, nullable=False),
        sa.Column("sender", WORD, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "service_sid", "to", name=op.f("pk_sticky_senders")),
    )
    op.create_table(
        "short_codes",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("sid", SID, nullable=False),
        sa.Column("short_code", sa.String(8), nullable=False),
        sa.Column("friendly_name", WORD, nullable=False),
        sa.Column("sms_url", sa.Text(), nullable=False),
        sa.Column("sms_method", sa.String(4), nullable=False),
        sa.Column("sms_fallback_url", sa.Text(), nullable=False),
        sa.Column("sms_fallback_method", sa.String(4), nullable=False),
        sa.Column("carrier", WORD, nullable=False),
        sa.Column("date_created", MOMENT, nullable=False),
        sa.Column("date_updated", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sid", name=op.f("pk_short_codes")),
    )
    op.create_index("uq_short_codes_short_code", "short_codes", ["short_code"], unique=True)
    op.create_index("uq_short_codes_sid", "short_codes", ["sid"], unique=True)
    op.create_table(
        "opt_outs",
        sa.Column("account_sid", SID, nullable=False),
        sa.Column("sender", WORD, nullable=False),
        sa.Column("phone", ADDRESS, nullable=False),
        sa.Column("date_created", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_sid", "sender", "phone", name=op.f("pk_opt_outs")),
    )
    op.add_column("carriers", sa.Column("messages", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column(
        "carriers", sa.Column("message_rate", sa.Float(precision=53), nullable=False, server_default="0")
    )
    op.add_column("carriers", sa.Column("message_window", sa.Integer(), nullable=False, server_default="10"))


def downgrade() -> None:
    for column in ("message_window", "message_rate", "messages"):
        op.drop_column("carriers", column)
    op.drop_table("opt_outs")
    op.drop_table("short_codes")
    op.drop_table("sticky_senders")
    op.drop_table("messaging_senders")
    op.drop_table("messaging_services")
    op.drop_table("carrier_health")
    op.drop_table("route_counts")
    op.drop_table("message_routes")
    op.drop_table("message_decisions")
    op.drop_table("message_queue")
    op.drop_table("message_sessions")
    op.drop_table("idempotency_keys")
    op.drop_table("message_cookies")
    op.drop_table("message_programs")
    op.drop_table("message_media")
    op.drop_table("messages")
