"""Carriers: the gateways that bring calls and take them (docs/protocols/carrier.md).

They are the operator's, not an account's.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update

from callrouter import models
from callrouter.directory.errors import Missing, Refused
from callrouter.directory.rows import value
from callrouter.directory.webhooks import url

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
SECRETS_KEPT = 2


class Status(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """Secrets are sealed, newest first. Times are Unix seconds."""

    name: str
    sid: str
    control_url: str
    secrets_sealed: list[str] = field(repr=False)
    status: str
    sip: bool
    date_created: float
    date_updated: float


def listed() -> Select[Any]:
    return select(models.Carrier.__table__)


def fetch(connection: Connection, name: str) -> Carrier:
    """The carrier of that name; Missing when there is none."""
    row = connection.execute(listed().where(models.Carrier.name == name)).one_or_none()
    if row is None:
        raise Missing(f"Carrier {name!r}")
    return value(Carrier, row)


def create(
    connection: Connection,
    *,
    name: str,
    sid: str,
    control_url: str,
    secret_sealed: str,
    now: float,
    sip: bool = False,
) -> Carrier:
    """`sip`: it also takes calls to SIP addresses."""
    if not NAME.fullmatch(name):
        raise Refused(
            20001, "A carrier's name has at most 63 of a-z, 0-9, '-' and '_', and starts with no sign"
        )
    if connection.execute(listed().where(models.Carrier.name == name)).first() is not None:
        raise Refused(20409, f"There is a carrier {name!r} already", 409)
    connection.execute(
        insert(models.Carrier).values(
            name=name,
            sid=sid,
            control_url=_control_url(control_url),
            secrets_sealed=[secret_sealed],
            sip=sip,
            date_created=now,
            date_updated=now,
        )
    )
    return fetch(connection, name)


def change(
    connection: Connection,
    name: str,
    *,
    now: float,
    control_url: str | None = None,
    status: Status | None = None,
    sip: bool | None = None,
) -> Carrier:
    changes: dict[str, Any] = {"date_updated": now}
    if control_url is not None:
        changes["control_url"] = _control_url(control_url)
    if status is not None:
        changes["status"] = status
    if sip is not None:
        changes["sip"] = sip
    return _store(connection, name, changes)


def rotate(connection: Connection, name: str, secret_sealed: str, now: float) -> Carrier:
    """Signs with a new secret from now on; the one before it is still taken from the carrier."""
    secrets = [secret_sealed, *fetch(connection, name).secrets_sealed][:SECRETS_KEPT]
    return _store(connection, name, {"secrets_sealed": secrets, "date_updated": now})


def remove(connection: Connection, name: str) -> None:
    """Refused while numbers place their calls through it."""
    fetch(connection, name)
    numbers = select(models.PhoneNumber.phone_number).where(models.PhoneNumber.carrier == name)
    if user := connection.execute(numbers.limit(1)).scalar():
        raise Refused(20409, f"Carrier {name!r} is in use by {user}; give the number another one first", 409)
    connection.execute(delete(models.Carrier).where(models.Carrier.name == name))


def _store(connection: Connection, name: str, changes: dict[str, Any]) -> Carrier:
    fetch(connection, name)
    connection.execute(update(models.Carrier).where(models.Carrier.name == name).values(**changes))
    return fetch(connection, name)


def _control_url(text: str) -> str:
    if not text or "#" in text or "?" in text:
        raise Refused(20001, "A carrier needs a control URL without query and fragment")
    return url("The control URL", text, 20001)
