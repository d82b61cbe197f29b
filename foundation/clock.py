"""Time comes in as an argument. This is the one place that asks the machine for it."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Now, in UTC: the only time zone that is ever stored."""
    return datetime.now(UTC)


def from_timestamp(seconds: float) -> datetime:
    """The UTC moment of a Unix timestamp in seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def rfc2822(moment: datetime | None) -> str | None:
    """A moment as Twilio's REST API and webhooks write it: `Tue, 31 Aug 2010 20:36:28 +0000`."""
    return None if moment is None else format_datetime(moment.astimezone(UTC))
