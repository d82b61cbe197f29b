"""Numbers that the operator offers: any account may take one while no account has it.

Offering changes nothing about a number that an account has, and a number that is given back is on offer again.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, delete, insert, select

from callrouter.directory import carriers
from callrouter.directory.e164 import e164
from callrouter.directory.errors import Missing, Refused
from callrouter.models import PhoneNumber, PoolNumber

OFFERED_ALREADY = 21422


def available(connection: Connection, *, pattern: str = "*") -> Iterator[str]:
    """Numbers that can be taken, the longest offered first. In the pattern `*` is a digit; at its ends, anything."""
    inner = pattern.strip("*").replace("*", "_")
    like = ("%" if pattern.startswith("*") else "") + inner + ("%" if pattern.endswith("*") else "")
    taken = select(PhoneNumber.phone_number)
    query = (
        select(PoolNumber.phone_number)
        .where(PoolNumber.phone_number.like(like), PoolNumber.phone_number.not_in(taken))
        .order_by(PoolNumber.date_created, PoolNumber.phone_number)
    )
    return connection.execute(query).scalars()


def carrier_of(connection: Connection, phone_number: str) -> str:
    """The carrier that the number is offered with; empty: the deployment's default, or it is not on offer."""
    carrier = select(PoolNumber.carrier).where(PoolNumber.phone_number == phone_number)
    return connection.execute(carrier).scalar() or ""


def offer(connection: Connection, phone_number: str, *, carrier: str, now: float) -> str:
    """21421: no number. 21422: it is offered already. Missing: there is no such carrier."""
    number = e164(phone_number)
    if carrier:
        carriers.fetch(connection, carrier)
    if connection.execute(select(PoolNumber).where(PoolNumber.phone_number == number)).first() is not None:
        raise Refused(OFFERED_ALREADY, f"{number} is offered already")
    connection.execute(insert(PoolNumber).values(phone_number=number, carrier=carrier, date_created=now))
    return number


def withdraw(connection: Connection, phone_number: str) -> None:
    """Nobody may take it from now on; an account that has it keeps it."""
    gone = connection.execute(delete(PoolNumber).where(PoolNumber.phone_number == phone_number))
    if not gone.rowcount:
        raise Missing(f"Offered number {phone_number}")
