"""Calls that a customer places by REST: how they wait for their turn, and their sessions.

Twilio places one call per second for an account and queues the rest for up to a day (twilio-surface 8). So does
this: a call takes its turn before it is stored, and waits for it by a timer.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection, case, update

from callrouter.calls.session import OWN, CallSession, Departure, Leg
from callrouter.calls.status import Status
from callrouter.calls.stay import Stay
from callrouter.models import Account
from foundation.sids import CALL, new_sid
from instructions.commands import Record, SipTarget, StatusCallback
from instructions.interpreter import new_session

LONGEST_QUEUE = 24 * 3600
"""Seconds that a call may wait for its turn."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A call that is wanted, and checked. A `url` or a `twiml` is given; times are seconds."""

    account_sid: str
    from_: str
    to: str
    """E.164, `client:identity`, or a SIP URI"""
    url: str | None
    method: str = "POST"
    twiml: str | None = None
    fallback_url: str | None = None
    fallback_method: str = "POST"
    callback: StatusCallback | None = None
    send_digits: str = ""
    timeout: int = 60
    time_limit: int | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    """for the client that is called"""
    phone_number_sid: str | None = None
    application_sid: str | None = None
    warnings: tuple[tuple[int, str], ...] = ()
    """codes and messages, of what is asked for in vain"""
    record: Record | None = None
    """how it is recorded from its answer on"""
    sip: SipTarget | None = None
    """set for a call to a SIP address"""
    guest: bool = False
    """it is placed to bring its far side into a conference"""
    call_sid: str = field(default_factory=lambda: new_sid(CALL))


def take_turn(connection: Connection, account_sid: str, now: float, rate: float) -> float | None:
    """When the account's next call may leave, at `rate` calls per second; None when its queue is full."""
    account = Account.account_sid == account_sid
    soonest = case((Account.next_call_at > now, Account.next_call_at), else_=now)
    room = Account.next_call_at <= now + LONGEST_QUEUE
    taken = connection.execute(
        update(Account)
        .where(account, room)
        .values(next_call_at=soonest + 1 / rate)
        .returning(Account.next_call_at)
    ).scalar()
    return None if taken is None else max(now, taken - 1 / rate)


def outgoing_call(placement: Placement, due_at: float) -> CallSession:
    """The session of a call that may leave at `due_at`; its document runs once it is answered."""
    kind, _, identity = placement.to.partition(":")
    leg = Leg(
        name=OWN,
        call_sid=placement.call_sid,
        direction="outbound-api",
        from_=placement.from_,
        to=placement.to,
        status=Status.QUEUED,
        identity=identity if kind == "client" else "",
        send_digits=placement.send_digits,
        callback=placement.callback,
        stay=Stay(kind="guest") if placement.guest else None,
    )
    program = new_session(
        url=placement.url,
        method=placement.method,
        twiml=placement.twiml,
        fallback_url=placement.fallback_url,
        fallback_method=placement.fallback_method,
        answered=True,
        caller=placement.from_,
    )
    departure = Departure(
        due_at=due_at,
        timeout=placement.timeout,
        time_limit=placement.time_limit,
        parameters=placement.parameters,
        warnings=placement.warnings,
        record=placement.record,
        sip=placement.sip,
    )
    application = placement.application_sid
    return CallSession(
        account_sid=placement.account_sid,
        legs={OWN: leg},
        programs={OWN: program},
        webhook_parameters={"ApplicationSid": application} if application else {},
        departure=departure,
    )
