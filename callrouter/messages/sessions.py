"""Sessions: a phone and a client that write to each other through a number of ours, without asking the app (PR-71).

A session ends when it is closed, or when it has had no message for its timeout: that is judged whenever somebody reads.
Between a number and a phone there is one open session at most; opening another one for another client ends it.
"""

from typing import Any

from sqlalchemy import Connection, Row, Select, insert, or_, select, update

from callrouter.models import MessageSession
from foundation.sids import MESSAGE_SESSION, new_sid

OPEN, CLOSED, TIMED_OUT = "open", "closed", "timed-out"
LONGEST, USUAL = 7 * 86_400, 3_600
"""Seconds."""
SWEEP = 500
ROWS = MessageSession.__table__.c


def status(row: Any, now: float) -> str:
    """What it is now, whatever the row still says."""
    return TIMED_OUT if row.status == OPEN and row.ends_at <= now else str(row.status)


def find(connection: Connection, account_sid: str, sid: str) -> Row[Any] | None:
    return connection.execute(
        select(MessageSession.__table__).where(ROWS.account_sid == account_sid, ROWS.sid == sid)
    ).first()


def listed(
    account_sid: str, now: float, *, status: str = "", client: str = "", phone: str = ""
) -> Select[Any]:
    query = select(MessageSession.__table__).where(ROWS.account_sid == account_sid)
    if client:
        query = query.where(ROWS.client == client)
    if phone:
        query = query.where(ROWS.phone == phone)
    if status == OPEN:
        query = query.where(ROWS.status == OPEN, ROWS.ends_at > now)
    elif status == TIMED_OUT:
        lapsed = (ROWS.status == OPEN) & (ROWS.ends_at <= now)
        query = query.where(or_(ROWS.status == TIMED_OUT, lapsed))
    elif status:
        query = query.where(ROWS.status == status)
    return query


def open_for(
    connection: Connection, account_sid: str, number: str, phone: str, now: float
) -> Row[Any] | None:
    """The open session that a message from this phone to this number belongs to."""
    return connection.execute(
        select(MessageSession.__table__).where(
            ROWS.account_sid == account_sid, ROWS.open_key == _key(number, phone), ROWS.ends_at > now
        )
    ).first()


def between(connection: Connection, account_sid: str, client: str, now: float) -> list[Row[Any]]:
    """The client's open sessions; the one with the last message first."""
    mine = select(MessageSession.__table__).where(
        ROWS.account_sid == account_sid, ROWS.client == client, ROWS.status == OPEN, ROWS.ends_at > now
    )
    return list(connection.execute(mine.order_by(ROWS.date_updated.desc(), ROWS.sid)).all())


# What follows belongs into units of work whose key is the account


def begin(
    connection: Connection,
    account_sid: str,
    *,
    number: str,
    phone: str,
    client: str,
    timeout: int,
    now: float,
    sid: str = "",
    otherwise: str | None = None,
) -> str:
    """Opens a session, or goes on with the one that these three have; its SID. `sid`: for a new one.

    `otherwise`: what becomes of the phone's messages when the client is not there (PR-73)."""
    before = connection.execute(
        select(MessageSession.__table__)
        .where(ROWS.account_sid == account_sid, ROWS.open_key == _key(number, phone))
        .with_for_update()
    ).first()
    if before is not None and before.client == client and before.ends_at > now:
        moved = {"otherwise": otherwise, "timeout": timeout, "ends_at": now + timeout, "date_updated": now}
        connection.execute(_this(account_sid, before.sid).values(moved))
        return str(before.sid)
    if before is not None:
        _end(connection, account_sid, before.sid, CLOSED if before.ends_at > now else TIMED_OUT, now)
    row = {
        "account_sid": account_sid,
        "sid": sid or new_sid(MESSAGE_SESSION),
        "phone": phone,
        "number": number,
        "client": client,
        "otherwise": otherwise,
        "status": OPEN,
        "open_key": _key(number, phone),
        "timeout": timeout,
        "ends_at": now + timeout,
        "date_created": now,
        "date_updated": now,
    }
    connection.execute(insert(MessageSession), [row])
    return str(row["sid"])


def touch(connection: Connection, account_sid: str, sid: str, now: float, *, client: str = "") -> None:
    """It has had a message: its timeout starts again. `client`: who got that, and has the session from now on; of a
    destination, that is the one who was chosen (PR-28)."""
    its = _this(account_sid, sid).where(ROWS.status == OPEN, ROWS.ends_at > now)
    values = {"ends_at": now + ROWS.timeout, "date_updated": now, **({"client": client} if client else {})}
    connection.execute(its.values(values))


def set_timeout(connection: Connection, account_sid: str, sid: str, timeout: int, now: float) -> None:
    """From now on; an ended one has none."""
    its = _this(account_sid, sid).where(ROWS.status == OPEN, ROWS.ends_at > now)
    connection.execute(its.values(timeout=timeout, ends_at=now + timeout, date_updated=now))


def close(connection: Connection, account_sid: str, sid: str, now: float) -> None:
    """Nothing happens when it has ended already."""
    row = find(connection, account_sid, sid)
    if row is not None and row.status == OPEN:
        _end(connection, account_sid, sid, CLOSED if row.ends_at > now else TIMED_OUT, now)


def expire(connection: Connection, now: float) -> int:
    """Marks sessions that have timed out; how many. Readers need no such marks, lists are quicker by them."""
    late = select(ROWS.account_sid, ROWS.sid).where(ROWS.status == OPEN, ROWS.ends_at <= now)
    found = connection.execute(late.order_by(ROWS.ends_at).limit(SWEEP)).all()
    for account_sid, sid in sorted(tuple(row) for row in found):
        _end(connection, account_sid, sid, TIMED_OUT, now)
    return len(found)


def _end(connection: Connection, account_sid: str, sid: str, how: str, now: float) -> None:
    ended = _this(account_sid, sid).where(ROWS.status == OPEN)
    connection.execute(ended.values(status=how, open_key=None, date_updated=now))


def _this(account_sid: str, sid: str) -> Any:
    return update(MessageSession).where(ROWS.account_sid == account_sid, ROWS.sid == sid)


def _key(number: str, phone: str) -> str:
    return f"{number} {phone}"
