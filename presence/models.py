"""The presence server's tables. Every one leads with the account; moments are Unix seconds; secrets are sealed."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("account_sid", String(34), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("auth_tokens", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
)
"""Tenants, as the router told us. `sequence` numbers the account's changes: one number, one state (PR-35)."""

keys = Table(
    "keys",
    metadata,
    Column("account_sid", String(34), nullable=False),
    Column("key_sid", String(34), nullable=False, unique=True),
    Column("secret", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("revoked", Boolean, nullable=False),
    PrimaryKeyConstraint("account_sid", "key_sid"),
)
"""API keys that sign access tokens. A revoked one stays as a mark, so that a late copy cannot revive it."""

clients = Table(
    "clients",
    metadata,
    Column("account_sid", String(34), nullable=False),
    Column("client", String(256), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("chosen_status", String(64), nullable=False),
    Column("chosen_note", String(256), nullable=False),
    Column("status", String(64), nullable=False),
    Column("available", Boolean, nullable=False),
    Column("capabilities", String(64), nullable=False),
    Column("note", String(256), nullable=False),
    PrimaryKeyConstraint("account_sid", "client"),
)
"""Every client that was ever seen; versions only rise (PR-16), so these rows stay. `chosen_…` is what the client
set for itself whatever its devices say; `status` to `note` is what watchers were told last (PR-44)."""

endpoints = Table(
    "endpoints",
    metadata,
    Column("account_sid", String(34), nullable=False),
    Column("client", String(256), nullable=False),
    Column("endpoint_id", String(64), nullable=False),
    Column("sid", String(34), nullable=False),
    Column("status", String(64), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("available", Boolean, nullable=False),
    Column("voice", Boolean, nullable=False),
    Column("messages", Boolean, nullable=False),
    Column("capabilities", String(64), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("note", String(256), nullable=False),
    Column("delivery", Text, nullable=False),
    Column("hidden", Boolean, nullable=False),
    Column("incoming", Boolean, nullable=False),
    Column("busy_until", Double, nullable=False),
    Column("socket", Boolean, nullable=False),
    Column("node", String(128), nullable=False),
    Column("key_sid", String(34), nullable=False),
    Column("token_digest", String(32), nullable=False),
    Column("token_id", String(32), nullable=False),
    Column("token_issued_at", Double, nullable=False),
    Column("token_expires_at", Double, nullable=False),
    Column("refreshed_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    PrimaryKeyConstraint("account_sid", "client", "endpoint_id"),
    Index("endpoints_expiry", "expires_at"),
    Index("endpoints_busy", "busy_until"),
    Index("endpoints_node", "node"),
    Index("endpoints_key", "account_sid", "key_sid"),
)
"""Registrations: one row per device, whatever its `expires_at` says; readers judge that (PR-14). `rank`, `available`,
`voice` and `messages` are what the status meant when it was set, so that a reader needs no other table; a device is
on a call until `busy_until`, which the router extends while the call lives (PR-24)."""

changes = Table(
    "changes",
    metadata,
    Column("account_sid", String(34), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("client", String(256), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("endpoint_id", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("at", Double, nullable=False),
    Column("visible", Boolean, nullable=False),
    Column("status", String(64), nullable=False),
    Column("available", Boolean, nullable=False),
    Column("capabilities", String(64), nullable=False),
    Column("note", String(256), nullable=False),
    Column("list", String(64), nullable=False),
    PrimaryKeyConstraint("account_sid", "sequence"),
    Index("changes_age", "at"),
)
"""The change log: written in the transaction of each change, kept for a day. It carries what the client looked like
afterwards; `visible` unless only its endpoints differ (PR-44). `list`: whose membership changed, for that kind."""

statuses = Table(
    "statuses",
    metadata,
    Column("account_sid", String(34), nullable=False),
    Column("name", String(64), nullable=False),
    Column("available", Boolean, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("voice", Boolean, nullable=False),
    Column("messages", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    PrimaryKeyConstraint("account_sid", "name"),
)
"""Statuses that accounts define beside the built-in ones (PR-21)."""

contact_lists = Table(
    "contact_lists",
    metadata,
    Column("account_sid", String(34), nullable=False),
    Column("name", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    PrimaryKeyConstraint("account_sid", "name"),
)
"""Named lists of clients (PR-33)."""

contacts = Table(
    "contacts",
    metadata,
    Column("account_sid", String(34), nullable=False),
    Column("list", String(64), nullable=False),
    Column("client", String(256), nullable=False),
    PrimaryKeyConstraint("account_sid", "list", "client"),
)
"""The members of contact lists."""

destinations = Table(
    "destinations",
    metadata,
    Column("account_sid", String(34), nullable=False),
    Column("name", String(256), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    PrimaryKeyConstraint("account_sid", "name"),
)
"""Names that stand for several clients, also of other accounts (PR-28). They are client names to a `<Dial>`."""

destination_targets = Table(
    "destination_targets",
    metadata,
    Column("account_sid", String(34), nullable=False),
    Column("name", String(256), nullable=False),
    Column("position", Integer, nullable=False),
    Column("target_account_sid", String(34), nullable=False),
    Column("target_client", String(256), nullable=False),
    PrimaryKeyConstraint("account_sid", "name", "position"),
)
"""Whom a destination stands for, first choice first."""

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("account_sid", String(34), nullable=False),
    Column("sid", String(34), nullable=False),
    Column("url", Text, nullable=False),
    Column("view", Text, nullable=False),
    Column("detail", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("cursor", BigInteger, nullable=False),
    Column("snapshot", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("node", String(128), nullable=False),
    Column("lease_until", Double, nullable=False),
    Column("last_error", String(256), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    PrimaryKeyConstraint("account_sid", "sid"),
    Index("subscriptions_due", "active", "due_at"),
)
"""App servers that are told of changes by signed webhooks (PR-40). `view` is JSON; `cursor` is the last sequence that
the server acknowledged; `snapshot`: it gets everything next, because it is new or what it missed is not kept."""

revocations = Table(
    "revocations",
    metadata,
    Column("account_sid", String(34), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("value", String(256), nullable=False),
    Column("at", Double, nullable=False),
    Column("until", Double, nullable=False),
    PrimaryKeyConstraint("account_sid", "kind", "value"),
    Index("revocations_at", "at"),
)
"""Tokens that are worth nothing although they have not ended (PR-7): those issued up to `at` to this token id, key,
identity or account. Kept `until` the last of them would have ended anyway."""

nodes = Table(
    "nodes",
    metadata,
    Column("node", String(128), primary_key=True),
    Column("url", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("lease_until", Double, nullable=False),
)
"""The presence processes that share this database, and where the others reach them. One whose lease has ended is dead,
and another one adopts its devices, calls and invites."""

invites = Table(
    "invites",
    metadata,
    Column("account_sid", String(34), nullable=False),
    Column("call_sid", String(34), nullable=False),
    Column("client", String(256), nullable=False),
    Column("sdp", Text, nullable=False),
    Column("ring_token", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("waves", Text, nullable=False),
    Column("every", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("state", String(16), nullable=False),
    Column("node", String(128), nullable=False),
    Column("expires_at", Double, nullable=False),
    PrimaryKeyConstraint("account_sid", "call_sid", "node"),
    Index("invites_expiry", "expires_at"),
)
"""Calls that ring, and for a while what became of them: a row for each node that holds a device of the client.
`answer` is what the router was told. `waves` are the groups of endpoints that ring in turn, `every` so many seconds
(PR-51)."""

calls = Table(
    "calls",
    metadata,
    Column("account_sid", String(34), nullable=False),
    Column("call_sid", String(34), nullable=False),
    Column("client", String(256), nullable=False),
    Column("endpoint_id", String(64), nullable=False),
    Column("incoming", Boolean, nullable=False),
    Column("ufrag", String(256), nullable=False),
    Column("node", String(128), nullable=False),
    Column("lease_until", Double, nullable=False),
    PrimaryKeyConstraint("account_sid", "call_sid"),
    Index("calls_node", "node"),
    Index("calls_lease", "lease_until"),
)
"""Calls that belong to a client's device, so that the device may come back to them after our restart. They make it busy
until `lease_until`, which the router extends while the call lives (PR-24)."""

client_messages = Table(
    "client_messages",
    metadata,
    Column("account_sid", String(34), nullable=False),
    Column("message_sid", String(34), nullable=False),
    Column("client", String(256), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("sender", String(300), nullable=False),
    Column("recipient", String(300), nullable=False),
    Column("body", Text, nullable=False),
    Column("media", Text, nullable=False),
    Column("media_required", Boolean, nullable=False),
    Column("session_sid", String(34), nullable=False),
    Column("addressed", Text, nullable=False),
    Column("skipped", Text, nullable=False),
    Column("client_version", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("arrived_at", Double, nullable=False),
    Column("valid_until", Double, nullable=False),
    Column("ended_at", Double, nullable=False),
    Column("ended_by", String(64), nullable=False),
    Column("report_due", Double, nullable=True),
    Column("report_tries", Integer, nullable=False),
    PrimaryKeyConstraint("account_sid", "message_sid"),
    Index("client_messages_of", "account_sid", "client", "position"),
    Index("client_messages_arrived", "arrived_at"),
    Index("client_messages_expiry", "state", "valid_until"),
    Index("client_messages_report", "report_due"),
    Index("client_messages_ended", "ended_at"),
)
"""Messages to clients: held until a device acknowledges one or it expires, and kept for a while after that. `addressed`
are the devices that were there when it came, `skipped` the others with the reason (PR-79). `report_due`: when the
router is told how it ended, until it has heard it."""

client_message_acks = Table(
    "client_message_acks",
    metadata,
    Column("account_sid", String(34), nullable=False),
    Column("message_sid", String(34), nullable=False),
    Column("endpoint_id", String(64), nullable=False),
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("account_sid", "message_sid", "endpoint_id"),
)
"""Which devices have shown a message: they don't get it again (PR-72)."""
