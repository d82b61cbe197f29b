"""What must outlive the gateway: which message the SMSC's numbers stand for, parts that wait, news for the router."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Connection, Float, Index, Integer, MetaData, String, Table, Text, delete

from foundation.db import Database

METADATA = MetaData()

MESSAGES = Table(
    "messages",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("sid", String(64), nullable=False, unique=True),
    Column("parts", Integer, nullable=False),
    Column("status", Integer, nullable=False, doc="That it was answered with; 0: it was not yet."),
    Column("message", Text, nullable=False, default=""),
    Column("code", Integer),
    Column("final", Integer, nullable=False, default=0),
    Column("reported", String(16), nullable=False, default=""),
    Column("at", Float, nullable=False),
)
"""Messages of the router's, by its SID."""

PARTS = Table(
    "parts",
    METADATA,
    Column("sid", String(64), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("smsc_id", String(65), nullable=False),
    Column("delivered", Integer, nullable=False, default=0),
    Column("at", Float, nullable=False),
    Index("parts_smsc_id", "smsc_id"),
)
"""Parts that the SMSC has taken."""

EARLY = Table(
    "early",
    METADATA,
    Column("smsc_id", String(65), primary_key=True),
    Column("status", String(16), primary_key=True),
    Column("error_code", Integer),
    Column("at", Float, nullable=False),
)
"""Receipts that came before the answer to the part, or are for nothing of ours."""

ARRIVED = Table(
    "arrived",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("session", String(40), primary_key=True, doc="Its name, and the number of the request in it."),
    Column("at", Float, nullable=False),
)
"""What phones sent lately: the SMSC repeats what it saw no answer to."""

PIECES = Table(
    "pieces",
    METADATA,
    Column("sender", String(32), primary_key=True),
    Column("recipient", String(32), primary_key=True),
    Column("reference", Integer, primary_key=True),
    Column("total", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    Column("at", Float, nullable=False),
)
"""Parts of long messages from phones, until all have come."""

NEWS = Table(
    "news",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("lane", String(80), nullable=False, doc="What is told one after the other."),
    Column("path", String(200), nullable=False),
    Column("fields", Text, nullable=False, doc="JSON."),
    Column("at", Float, nullable=False),
)
"""For the router, until it has answered."""


KEPT = 7 * 86_400.0
"""Seconds for which a message is known again, and its receipts find it."""
EARLY_KEPT = ARRIVED_KEPT = 3_600.0


def forget(connection: Connection, now: float) -> None:
    """What nobody will ask for any more."""
    for table, kept in ((MESSAGES, KEPT), (PARTS, KEPT), (EARLY, EARLY_KEPT), (ARRIVED, ARRIVED_KEPT)):
        connection.execute(delete(table).where(table.c.at < now - kept))


def open_store(path: Path) -> Database:
    """DatabaseUnusable when the file is no place that keeps what it is told."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = Database(f"sqlite:///{path.resolve()}", readers=2)
    try:
        database.check()
        METADATA.create_all(database.writer_engine)
    except BaseException:
        database.close()
        raise
    return database
