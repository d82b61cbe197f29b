"""Whether a call's ladder is another one than it was, without reading it: for who looks again and again."""

import hashlib
from typing import Any

from sqlalchemy import Connection, Select, func, literal, select, union_all

from callrouter.calls import decisions
from callrouter.calls.decisions import DECISIONS
from callrouter.ladders import calls, deliveries, faults


def version(connection: Connection, account_sid: str, sid: str) -> tuple[str, bool]:
    """A text that is another one after each change of what `calls.fetch` tells, and whether the call lives.

    Missing: the account has no such call.

    Legs and recordings change, and are few; what else there is of a call is only ever added, or replaced by what is
    later. Ask before `fetch`: then what comes between the two is told again, never left out.
    """
    top, legs = calls.family(connection, account_sid, sid)
    sids = [leg.sid for leg in legs]
    lines = calls.lines_of(account_sid, top).subquery().c
    added = [
        select(literal(0), func.max(lines.position), func.max(lines.position)),
        _many(1, deliveries.of(account_sid, sids), deliveries.COLUMNS.at),
        _many(2, faults.of(account_sid, sids), faults.COLUMNS.message_date),
        _many(3, decisions.listed(account_sid, top), DECISIONS.c.at),
    ]
    known = [
        [tuple(leg) for leg in legs],
        sorted(map(tuple, connection.execute(union_all(*added)))),
        calls.recordings(connection, account_sid, sids),
    ]
    text = hashlib.blake2b(repr(known).encode(), digest_size=12).hexdigest()
    return text, any(leg.status in calls.LIVE for leg in legs)


def _many(number: int, query: Select[Any], at: Any) -> Select[Any]:
    """How many rows the query has, and when the last one is from."""
    return query.order_by(None).with_only_columns(literal(number), func.count(), func.max(at))
