"""Counts what was used: one query for each table, grouped by day. Whole minutes are begun minutes, as Twilio counts."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Integer, Select, cast, func, or_, select

from callrouter.directory.usage.categories import of_call, of_message
from callrouter.directory.usage.periods import Period
from callrouter.messages.status import Status
from callrouter.messages.transport import PRESENCE
from callrouter.models import Account, Call, Message, PhoneNumber, Recording, Transcription

ACCOUNTS, CALLS = Account.__table__.c, Call.__table__.c
MESSAGES = Message.__table__.c
NUMBERS, RECORDINGS, TEXTS = PhoneNumber.__table__.c, Recording.__table__.c, Transcription.__table__.c
EPOCH = date(1970, 1, 1).toordinal()
DAY, DAY_MS = 86_400, 86_400_000
LONGEST_LIFE = 2
"""Days between a call's row and its end at most: one in its account's queue, one in progress."""

LONGEST_WAIT = 36
"""Days between a message's row and its hand-off at most: scheduled for 35, then in its queue."""
EXCHANGED = (Status.SENT, Status.DELIVERED, Status.UNDELIVERED, Status.READ, Status.RECEIVED)


@dataclass(frozen=True, kw_only=True)
class Amount:
    """Pieces, and what they come to in the category's unit."""

    count: int = 0
    usage: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(count=self.count + other.count, usage=self.usage + other.usage)


Usage = Mapping[tuple[str, date], Amount]
"""By category and day; what is not in it was not used."""


def measure(connection: Connection, account_sid: str, period: Period, *, subaccounts: bool) -> Usage:
    """What an account used in a period; with what its subaccounts did."""
    mine = select(ACCOUNTS.account_sid).where(ACCOUNTS.account_sid == account_sid)
    if subaccounts:
        mine = select(ACCOUNTS.account_sid).where(
            or_(ACCOUNTS.account_sid == account_sid, ACCOUNTS.owner_account_sid == account_sid)
        )
    found: dict[tuple[str, date], Amount] = defaultdict(Amount)
    for names, day, count, usage in (
        *_calls(connection, mine, period),
        *_messages(connection, mine, period),
        *_recordings(connection, mine, period),
        *_transcriptions(connection, mine, period),
        *_numbers(connection, mine, period),
    ):
        for name in names:
            found[name, date.fromordinal(EPOCH + day)] += Amount(count=count, usage=usage)
    return found


def totals(usage: Usage, periods: Sequence[Period]) -> defaultdict[tuple[str, Period], Amount]:
    """The sum of each category in each of these periods, which do not overlap."""
    ordered = sorted(periods)
    found: defaultdict[tuple[str, Period], Amount] = defaultdict(Amount)
    for (category, day), amount in usage.items():
        place = bisect_right(ordered, day, key=lambda period: period.first)
        if place and day <= ordered[place - 1].last:
            found[category, ordered[place - 1]] += amount
    return found


Mine = Select[Any]
Rows = Iterable[tuple[tuple[str, ...], int, int, int]]
"""Categories, day since 1970, count, usage."""


def _calls(connection: Connection, mine: Mine, period: Period) -> Rows:
    client, day = CALLS.identity.is_not(None), _day(CALLS.end_time)
    sip = or_(
        CALLS.to.like("sip:%"),
        CALLS.to.like("sips:%"),
        CALLS["from"].like("sip:%"),
        CALLS["from"].like("sips:%"),
    )
    seconds = cast(func.round(CALLS.end_time - CALLS.start_time), Integer)
    query = (
        select(CALLS.direction, client, sip, day, func.count(), func.sum(_begun(seconds)))
        .where(CALLS.account_sid.in_(mine), CALLS.status == "completed")
        .where(*_during(day, period, CALLS.date_created, longest=LONGEST_LIFE))
        .group_by(CALLS.direction, client, sip, day)
    )
    for direction, with_client, with_sip, on, count, minutes in connection.execute(query):
        yield of_call(direction, client=with_client, sip=with_sip), on, count, int(minutes)


def _messages(connection: Connection, mine: Mine, period: Period) -> Rows:
    """Those that a phone sent, or that left for one, on the day on which they did; SMS in segments."""
    media, day = MESSAGES.num_media > 0, _day(func.coalesce(MESSAGES.date_sent, MESSAGES.date_created))
    query = (
        select(MESSAGES.direction, media, day, func.count(), func.sum(MESSAGES.num_segments))
        .where(
            MESSAGES.account_sid.in_(mine),
            MESSAGES.status.in_(EXCHANGED),
            MESSAGES.carrier.is_distinct_from(PRESENCE),
        )
        .where(*_during(day, period, MESSAGES.date_created, longest=LONGEST_WAIT))
        .group_by(MESSAGES.direction, media, day)
    )
    for direction, with_media, on, count, segments in connection.execute(query):
        usage = count if with_media else int(segments)
        yield of_message(direction, media=with_media), on, count, usage


def _recordings(connection: Connection, mine: Mine, period: Period) -> Rows:
    day = _day(RECORDINGS.date_created)
    query = (
        select(day, func.count(), func.sum(_begun(func.coalesce(RECORDINGS.duration, 0))))
        .where(RECORDINGS.account_sid.in_(mine), RECORDINGS.status == "completed")
        .where(*_during(day, period, RECORDINGS.date_created))
        .group_by(day)
    )
    for on, count, minutes in connection.execute(query):
        yield ("calls-recordings", "recordings", "recordingstorage"), on, count, int(minutes)


def _transcriptions(connection: Connection, mine: Mine, period: Period) -> Rows:
    day = _day(TEXTS.date_created)
    query = (
        select(day, func.count(), func.sum(_begun(TEXTS.duration)))
        .where(TEXTS.account_sid.in_(mine), TEXTS.status == "completed")
        .where(*_during(day, period, TEXTS.date_created))
        .group_by(day)
    )
    for on, count, minutes in connection.execute(query):
        yield ("transcriptions",), on, count, int(minutes)


def _numbers(connection: Connection, mine: Mine, period: Period) -> Rows:
    """Numbers that are held, on the day on which they were taken."""
    day = _day(NUMBERS.date_created)
    query = (
        select(day, func.count())
        .where(NUMBERS.account_sid.in_(mine))
        .where(*_during(day, period, NUMBERS.date_created))
        .group_by(day)
    )
    for on, count in connection.execute(query):
        yield ("phonenumbers",), on, count, count


def _day(moment: ColumnElement[float]) -> ColumnElement[int]:
    """In whole numbers, which SQLite and PostgreSQL divide alike."""
    return cast(func.round(moment * 1000), BigInteger) // DAY_MS


def _during(
    day: ColumnElement[int], period: Period, created: ColumnElement[float], *, longest: int = 0
) -> tuple[ColumnElement[bool], ...]:
    """In the period by that day; and by an index, not created too long before it or after."""
    first, last = (each.toordinal() - EPOCH for each in (period.first, period.last))
    return day.between(first, last), created.between((first - longest - 1) * DAY, (last + 2) * DAY)


def _begun(seconds: ColumnElement[int]) -> ColumnElement[int]:
    return (seconds + 59) // 60
