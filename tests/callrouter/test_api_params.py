"""Reading parameters: whatever the text, a value of the right kind or Twilio's 400 (M10)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from callrouter.api import params
from callrouter.directory.errors import Refused
from foundation.webserver.errors import ApiError


def _refused(read: params.Reader, text: str) -> ApiError | None:
    try:
        read("Name", text)
    except ApiError as error:
        return error
    return None


@pytest.mark.parametrize(
    "text", ["", " 5", "5 ", "+5", "-5", "5_0", "\uff15", "\u0665", "5.0", "0x5", "9" * 5000, "1001"]
)
def test_numbers_are_ascii_digits_in_their_range(text: str) -> None:
    error = _refused(params.integer(1, 1000, 20007), text)
    assert error is not None
    assert (error.status, error.code) == (400, 20007)


@given(st.integers(1, 1000))
def test_every_number_of_the_range_is_read(number: int) -> None:
    assert params.integer(1, 1000)("Name", str(number)) == number


@given(
    st.text(max_size=30), st.sampled_from([params.flag, params.moments, params.integer(0, 9), params.url(1)])
)
def test_no_text_breaks_a_reader(text: str, read: params.Reader) -> None:
    try:
        value = read("Name", text)
    except (ApiError, Refused):
        return
    assert isinstance(value, bool | tuple | int | str)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2026-03-05", 86_400), ("2026-03-05T00:00:00Z", 1), ("2026-03-05T00:00:00.5+00:00", 1)],
)
def test_a_date_is_its_day_and_a_time_its_second(text: str, seconds: int) -> None:
    first, after = params.moments("StartTime", text)
    assert datetime.fromtimestamp(first, UTC).date().isoformat() == "2026-03-05"
    assert after - first == seconds


@pytest.mark.parametrize(
    "text", ["2026-02-30", "2026-3-5", "2026-03-05T00:00", "20260305", "2026-03-05T25:00:00Z", "9999-12-31"]
)
def test_other_dates_are_refused(text: str) -> None:
    error = _refused(params.moments, text)
    assert error is not None
    assert error.code == 20001


def test_only_what_the_table_names_is_taken() -> None:
    """Mass assignment; the last of several counts; control characters are refused."""
    table = [params.parameter("Name", "name", params.text(5))]
    assert params.given(table, MultiDict([("Name", "a"), ("Name", "b"), ("name", "c"), ("Sid", "d")])) == {
        "name": "b"
    }
    for text in ("a\x00", "\x1b[2J", "toolong"):
        with pytest.raises(ApiError):
            params.given(table, MultiDict([("Name", text)]))
