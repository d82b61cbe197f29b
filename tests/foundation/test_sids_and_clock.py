"""Identifiers and moments as Twilio writes them."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation import clock, sids


@pytest.mark.parametrize(
    "prefix", [value for name, value in vars(sids).items() if name.isupper() and name != "SID"]
)
def test_a_new_sid_has_twilios_form(prefix: str) -> None:
    sid = sids.new_sid(prefix)
    assert len(sid) == 34
    assert sids.is_sid(sid, prefix)
    assert sid != sids.new_sid(prefix)
    assert not sids.is_sid(sid, "ZZ")


GOOD = "CA" + "0123456789abcdef" * 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD[:-1],
        GOOD + "0",
        GOOD + "\n",
        GOOD.upper(),
        GOOD.lower(),
        " " + GOOD,
        GOOD[:-1] + "０",
        "ca" + GOOD[2:],
    ],
)
def test_what_is_no_sid(text: str) -> None:
    assert sids.is_sid(GOOD)
    assert not sids.is_sid(text)


def test_rfc2822_as_twilios_documentation_writes_it() -> None:
    moment = datetime(2010, 8, 31, 20, 36, 28, tzinfo=UTC)
    assert clock.rfc2822(moment) == "Tue, 31 Aug 2010 20:36:28 +0000"
    assert (
        clock.rfc2822(moment.astimezone(timezone(timedelta(hours=-7)))) == "Tue, 31 Aug 2010 20:36:28 +0000"
    )
    assert clock.rfc2822(None) is None


@given(st.integers(0, 4_000_000_000))
def test_moments_go_there_and_back(seconds: int) -> None:
    text = clock.rfc2822(clock.from_timestamp(seconds))
    assert text is not None
    assert parsedate_to_datetime(text).timestamp() == seconds


def test_now_is_utc() -> None:
    assert clock.utc_now().utcoffset() == timedelta(0)
