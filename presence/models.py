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
    PrimaryKeyConstraint("account_sid", "client"),
)
"""Every client that was ever seen; versions only rise (PR-16), so these rows stay."""

endpoints = Table(
    "endpoints",
    metadata,
    Column("account_sid", String(34), nullable=False),
    Column("client", String(256), nullable=False),
    Column("endpoint_id", String(64), nullable=False),
    Column("sid", String(34), nullable=False),
    Column("status", String(16), nullable=False),
    Column("capabilities", String(64), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("note", String(256), nullable=False),
    Column("delivery", Text, nullable=False),
    Column("socket", Boolean, nullable=False),
    Column("node", String(128), nullable=False),
    Column("key_sid", String(34), nullable=False),
    Column("token_digest", String(32), nullable=False),
    Column("token_expires_at", Double, nullable=False),
    Column("refreshed_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    PrimaryKeyConstraint("account_sid", "client", "endpoint_id"),
    Index("endpoints_expiry", "expires_at"),
    Index("endpoints_key", "account_sid", "key_sid"),
)
"""Registrations: one row per device, whatever its `expires_at` says; readers judge that (PR-14)."""

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
    PrimaryKeyConstraint("account_sid", "sequence"),
    Index("changes_age", "at"),
)
"""The change log: written in the transaction of each visible change, kept for a day."""

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
    Column("state", String(16), nullable=False),
    Column("node", String(128), nullable=False),
    Column("expires_at", Double, nullable=False),
    PrimaryKeyConstraint("account_sid", "call_sid"),
    Index("invites_expiry", "expires_at"),
)
"""Calls that ring, and for a while what became of them. `answer` is what the router was told."""

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
    PrimaryKeyConstraint("account_sid", "call_sid"),
    Index("calls_node", "node"),
)
"""Calls that belong to a client's device, so that the device may come back to them after our restart."""
