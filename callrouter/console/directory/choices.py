"""What forms offer to choose from."""

from collections.abc import Sequence
from itertools import islice

from sqlalchemy import Connection, select

from callrouter import models
from callrouter.directory import pool

OFFERED = 500
"""Things to choose from at most; beyond, the command line and REST."""


def applications(connection: Connection, account_sid: str) -> Sequence[tuple[str, str]]:
    table = models.Application
    query = select(table.sid, table.friendly_name).where(table.account_sid == account_sid)
    found = connection.execute(query.order_by(table.friendly_name, table.sid).limit(OFFERED))
    return [("", "none: its own URLs"), *((row.sid, row.friendly_name or row.sid) for row in found)]


def carriers(connection: Connection, _account_sid: str = "") -> Sequence[tuple[str, str]]:
    names = connection.execute(select(models.Carrier.name).order_by(models.Carrier.name).limit(OFFERED))
    return [("", "the deployment's default"), *((name, name) for name in names.scalars())]


def offered(connection: Connection, _account_sid: str = "") -> Sequence[tuple[str, str]]:
    """Numbers that the operator offers and nobody has."""
    return [(number, number) for number in islice(pool.available(connection), OFFERED)]
