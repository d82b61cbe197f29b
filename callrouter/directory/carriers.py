"""Carriers: the gateways that bring calls and messages and take them (docs/protocols/carrier.md).

They are the operator's, not an account's.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update

from callrouter import models
from callrouter.directory.errors import Missing, Refused
from callrouter.directory.rows import value
from callrouter.directory.webhooks import url
from callrouter.messages.transport import PRESENCE

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
SECRETS_KEPT = 2
RATE_SECONDS = 1.0
"""A new rate counts from then on at the latest, however long the slot of the old one is."""
WIDEST = 1_000
"""messages that may be under way to a carrier at once"""


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
    messages: bool
    message_rate: float
    message_window: int
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
    messages: bool = True,
    message_rate: float = 0.0,
    message_window: int = 10,
) -> Carrier:
    """`sip`: it also takes calls to SIP addresses. `messages`: it takes messages, at most `message_rate` segments in a
    second (0: no limit) and `message_window` messages at once (PQ-3)."""
    if name == PRESENCE:
        raise Refused(
            20001, f"{PRESENCE!r} is the queue of messages to clients; give the carrier another name"
        )
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
            messages=messages,
            message_rate=_rate(message_rate),
            message_window=_window(message_window),
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
    messages: bool | None = None,
    message_rate: float | None = None,
    message_window: int | None = None,
) -> Carrier:
    """Changes what is given."""
    changes: dict[str, Any] = {"date_updated": now}
    if control_url is not None:
        changes["control_url"] = _control_url(control_url)
    if status is not None:
        changes["status"] = status
    if sip is not None:
        changes["sip"] = sip
    if messages is not None:
        changes["messages"] = messages
    if message_rate is not None:
        changes["message_rate"] = _rate(message_rate)
        soon = update(models.CarrierHealth).where(
            models.CarrierHealth.carrier == name, models.CarrierHealth.next_at > now + RATE_SECONDS
        )
        connection.execute(soon.values(next_at=now + RATE_SECONDS))
    if message_window is not None:
        changes["message_window"] = _window(message_window)
    return _store(connection, name, changes)


def rotate(connection: Connection, name: str, secret_sealed: str, now: float) -> Carrier:
    """Signs with a new secret from now on; the one before it is still taken from the carrier."""
    secrets = [secret_sealed, *fetch(connection, name).secrets_sealed][:SECRETS_KEPT]
    return _store(connection, name, {"secrets_sealed": secrets, "date_updated": now})


def remove(connection: Connection, name: str) -> None:
    """With its routes. Refused while numbers use it, or messages wait for it."""
    fetch(connection, name)
    for number, carrier in (
        (models.PhoneNumber.phone_number, models.PhoneNumber.carrier),
        (models.ShortCode.short_code, models.ShortCode.carrier),
    ):
        if user := connection.execute(select(number).where(carrier == name).limit(1)).scalar():
            reason = f"Carrier {name!r} is in use by {user}; give the number another one first"
            raise Refused(20409, reason, 409)
    waiting = select(models.QueuedMessage.message_sid).where(models.QueuedMessage.carrier == name)
    if connection.execute(waiting.limit(1)).first():
        raise Refused(
            20409, f"Messages wait in the queue of {name!r}; disable it, and wait until they have left", 409
        )
    connection.execute(delete(models.MessageRoute).where(models.MessageRoute.carrier == name))
    connection.execute(delete(models.CarrierHealth).where(models.CarrierHealth.carrier == name))
    connection.execute(delete(models.Carrier).where(models.Carrier.name == name))


def _store(connection: Connection, name: str, changes: dict[str, Any]) -> Carrier:
    fetch(connection, name)
    connection.execute(update(models.Carrier).where(models.Carrier.name == name).values(**changes))
    return fetch(connection, name)


def _control_url(text: str) -> str:
    if not text or "#" in text or "?" in text:
        raise Refused(20001, "A carrier needs a control URL without query and fragment")
    return url("The control URL", text, 20001)


def _rate(segments: float) -> float:
    if not (isfinite(segments) and segments >= 0):
        raise Refused(20001, "A message rate is a number of segments in a second, or 0 for no limit")
    return segments


def _window(messages: int) -> int:
    if not 1 <= messages <= WIDEST:
        raise Refused(20001, f"A message window is from 1 to {WIDEST}")
    return messages
