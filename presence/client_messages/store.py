"""Messages to clients in the database: held, acknowledged, expired; each acknowledgement is stored before it counts."""

import json
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from foundation.db import Database
from presence import rows
from presence.changes import lock
from presence.client_messages.text import HELD, Audience, Media, State, Text, audience, reason_against, shown
from presence.faults import Absent, Limited
from presence.models import client_message_acks as acks
from presence.models import client_messages as messages
from presence.models import clients, endpoints

WINDOW = 32
"""Messages that a device may have that it has not acknowledged."""
AT_ONCE = 100
"""Rows that a sweep ends."""
KEPT = 3_600.0
"""Seconds for which a message that ended is known, so that repeats change nothing and late devices can acknowledge."""
KEPT_UNREPORTED = 7 * 86_400.0
CLAIM = 30.0
"""Seconds that a node has to tell the router how messages ended, before any other may try."""
CLAIMED = 32
SLOWEST = 60.0
"""Seconds between tries to tell the router, at most."""

Identity = tuple[str, str]


class TooMany(Limited):
    """The client has as many messages waiting as are kept."""

    status, code = 429, 20429


@dataclass(frozen=True, kw_only=True)
class Placed:
    """What became of a message that came: nothing is kept of it when `state` is None. `version`: the client's, that it
    was decided on (PR-78)."""

    state: State | None
    audience: Audience
    version: int


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What a device has to show now, in order, as it can show it. `there`: it is registered; `kept_back`: its status,
    say, lets more through later; `full`: there may be more when it has acknowledged some."""

    shown: tuple[dict[str, Any], ...] = ()
    there: bool = True
    kept_back: bool = False
    full: bool = False


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a message ended, for the router."""

    account_sid: str
    client: str
    sid: str
    state: State
    endpoint_id: str
    at: float
    tries: int


class TextStore:
    """The messages of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert: Any = sqlite.insert if database.sqlite else postgresql.insert

    def put(self, text: Text, now: float, *, hold: bool) -> "Future[Placed]":
        """Keeps a message for the client's devices; a repeat changes nothing and is answered the same. Without `hold`
        it is not kept when nobody is there to take it. Absent without the account; TooMany."""
        this = _this(text.account_sid, text.sid)

        def work(connection: Connection) -> Placed:
            lock(connection, text.account_sid)
            if (known := connection.execute(select(messages).where(*this)).one_or_none()) is not None:
                return Placed(
                    state=State(known.state), audience=_audience(known), version=known.client_version
                )
            found = audience(text, _devices(connection, text.account_sid, text.client), now)
            version = connection.execute(_version(text.account_sid, text.client)).scalar() or 0
            if not found.takers and (not hold or found.lacks_media):
                return Placed(state=None, audience=found, version=version)
            mine = (messages.c.account_sid == text.account_sid, messages.c.client == text.client)
            waiting = select(func.count()).where(*mine, messages.c.state == State.HELD)
            if connection.execute(waiting).scalar_one() >= HELD:
                raise TooMany(f"The client has {HELD} messages waiting already.")
            last = connection.execute(select(func.max(messages.c.position)).where(*mine)).scalar() or 0
            connection.execute(self._insert(messages), _row(text, found, version, last + 1))
            return Placed(state=State.HELD, audience=found, version=version)

        return self._database.write(work, text.account_sid)

    def waiting(self, account_sid: str, client: str, endpoint_id: str, now: float) -> Waiting:
        """What nobody has acknowledged yet, and what the device was addressed with and has not acknowledged itself."""
        acknowledged = exists().where(
            acks.c.account_sid == messages.c.account_sid,
            acks.c.message_sid == messages.c.message_sid,
            acks.c.endpoint_id == endpoint_id,
        )
        addressed = messages.c.addressed.contains(json.dumps(endpoint_id), autoescape=True)
        delivered = (messages.c.state == State.DELIVERED) & addressed
        wanted = select(messages).where(
            messages.c.account_sid == account_sid,
            messages.c.client == client,
            messages.c.valid_until > now,
            or_(messages.c.state == State.HELD, delivered),
            ~acknowledged,
        )
        with self._database.read() as connection:
            known = _devices(connection, account_sid, client)
            device = next((one for one in known if one.endpoint_id == endpoint_id and one.live(now)), None)
            if device is None:
                return Waiting(there=False)
            found = connection.execute(wanted.order_by(messages.c.position).limit(WINDOW)).all()
        texts = [_text(row) for row in found]
        taken = [text for text in texts if not reason_against(text, device, now)]
        return Waiting(
            shown=tuple(shown(text, device.capabilities) for text in taken),
            kept_back=len(taken) < len(texts),
            full=len(texts) == WINDOW,
        )

    def acknowledge(
        self, account_sid: str, client: str, sid: str, endpoint_id: str, now: float
    ) -> "Future[bool]":
        """The device has shown it; whether that was the first one, by which the message is delivered. Absent."""
        this = _this(account_sid, sid)
        ack = {"account_sid": account_sid, "message_sid": sid, "endpoint_id": endpoint_id, "at": now}

        def work(connection: Connection) -> bool:
            lock(connection, account_sid)
            known = connection.execute(
                select(messages.c.state).where(*this, messages.c.client == client)
            ).one_or_none()
            if known is None:
                raise Absent("There is no such message.")
            connection.execute(self._insert(acks).values(ack).on_conflict_do_nothing())
            if known.state != State.HELD:
                return False
            ended = {"state": State.DELIVERED, "ended_at": now, "ended_by": endpoint_id, "report_due": now}
            connection.execute(update(messages).where(*this).values(ended))
            return True

        return self._database.write(work, account_sid)

    def remove(self, account_sid: str, sid: str) -> "Future[None]":
        """Forgets a message, in whatever state it is."""
        return self._database.write(_forget(account_sid, sid), account_sid)

    def arrived(self, since: float) -> list[Identity]:
        """Whose messages have come since then, at whichever node."""
        wanted = select(messages.c.account_sid, messages.c.client).distinct()
        with self._database.read() as connection:
            found = connection.execute(wanted.where(messages.c.arrived_at > since)).all()
        return [(row.account_sid, row.client) for row in found]

    # What happens by itself

    def sweep(self, now: float) -> None:
        """Ends what nobody took in time, and forgets what ended long ago. Blocks."""
        late = select(messages.c.account_sid, messages.c.message_sid).where(
            messages.c.state == State.HELD, messages.c.valid_until <= now
        )
        ended = messages.c.ended_at.between(1, now - KEPT)  # of those held it is 0
        old = ended & or_(messages.c.report_due.is_(None), messages.c.ended_at < now - KEPT_UNREPORTED)
        with self._database.read() as connection:
            expired = connection.execute(late.order_by(messages.c.valid_until).limit(AT_ONCE)).all()
            forgotten = connection.execute(
                select(messages.c.account_sid, messages.c.message_sid).where(old).limit(AT_ONCE)
            ).all()
        units = [self._database.write(_expire(*row, now), row.account_sid) for row in expired]
        units += [self._database.write(_forget(*row), row.account_sid) for row in forgotten]
        for unit in units:
            unit.result(CLAIM)

    def due(self, now: float) -> bool:
        """Whether the router is to be told of something."""
        with self._database.read() as connection:
            some = select(messages.c.account_sid).where(messages.c.report_due <= now)
            return connection.execute(some.limit(1)).first() is not None

    def claim(self, now: float) -> "Future[list[Ended]]":
        """Messages that have ended and of which the router is to be told; for CLAIM seconds they are the caller's."""
        due = select(messages).where(messages.c.report_due <= now).order_by(messages.c.report_due)

        def work(connection: Connection) -> list[Ended]:
            found = connection.execute(due.limit(CLAIMED).with_for_update(skip_locked=True)).all()
            for row in found:
                claimed = {"report_due": now + CLAIM, "report_tries": row.report_tries + 1}
                connection.execute(
                    update(messages).where(*_this(row.account_sid, row.message_sid)).values(claimed)
                )
            return [_ended(row) for row in found]

        return self._database.write(work)

    def reported(self, heard: Sequence[Ended], unheard: Sequence[Ended], now: float) -> "Future[None]":
        """The router has heard of the first; of the others it is told again, less and less often."""
        next_try = {one.sid: now + min(2.0**one.tries, SLOWEST) for one in unheard}

        def work(connection: Connection) -> None:
            for one in sorted((*heard, *unheard), key=lambda one: (one.account_sid, one.sid)):
                this = update(messages).where(*_this(one.account_sid, one.sid))
                connection.execute(this.values(report_due=next_try.get(one.sid)))

        return self._database.write(work)


def _expire(account_sid: str, sid: str, now: float) -> Any:
    ended = {"state": State.EXPIRED, "ended_at": now, "report_due": now}
    this = update(messages).where(*_this(account_sid, sid), messages.c.state == State.HELD).values(ended)

    def work(connection: Connection) -> None:
        lock(connection, account_sid)
        connection.execute(this)

    return work


def _forget(account_sid: str, sid: str) -> Any:
    def work(connection: Connection) -> None:
        lock(connection, account_sid)
        for table in (acks, messages):
            mine = (table.c.account_sid == account_sid, table.c.message_sid == sid)
            connection.execute(delete(table).where(*mine))

    return work


def _this(account_sid: str, sid: str) -> tuple[Any, Any]:
    return messages.c.account_sid == account_sid, messages.c.message_sid == sid


def _version(account_sid: str, client: str) -> Select[Any]:
    return select(clients.c.version).where(clients.c.account_sid == account_sid, clients.c.client == client)


def _devices(connection: Connection, account_sid: str, client: str) -> list[Any]:
    mine = select(endpoints).where(endpoints.c.account_sid == account_sid, endpoints.c.client == client)
    return [rows.endpoint(row) for row in connection.execute(mine.order_by(endpoints.c.endpoint_id))]


def _row(text: Text, found: Audience, version: int, position: int) -> dict[str, Any]:
    return {
        "account_sid": text.account_sid,
        "message_sid": text.sid,
        "client": text.client,
        "position": position,
        "sender": text.sender,
        "recipient": text.recipient,
        "body": text.body,
        "media": json.dumps([[one.url, one.content_type] for one in text.media]),
        "media_required": text.media_required,
        "session_sid": text.session_sid,
        "addressed": json.dumps(found.takers),
        "skipped": json.dumps(found.skipped),
        "client_version": version,
        "state": State.HELD,
        "arrived_at": text.arrived_at,
        "valid_until": text.valid_until,
        "ended_at": 0.0,
        "ended_by": "",
        "report_due": None,
        "report_tries": 0,
    }


def _text(row: Any) -> Text:
    return Text(
        account_sid=row.account_sid,
        sid=row.message_sid,
        client=row.client,
        sender=row.sender,
        recipient=row.recipient,
        body=row.body,
        media=tuple(Media(url=url, content_type=kind) for url, kind in json.loads(row.media)),
        media_required=bool(row.media_required),
        session_sid=row.session_sid,
        valid_until=row.valid_until,
        arrived_at=row.arrived_at,
    )


def _audience(row: Any) -> Audience:
    return Audience(
        takers=tuple(json.loads(row.addressed)), skipped=tuple(map(tuple, json.loads(row.skipped)))
    )


def _ended(row: Any) -> Ended:
    return Ended(
        account_sid=row.account_sid,
        client=row.client,
        sid=row.message_sid,
        state=State(row.state),
        endpoint_id=row.ended_by,
        at=row.ended_at,
        tries=row.report_tries,
    )
