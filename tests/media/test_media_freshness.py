"""Each caching header, one row (MD-4, RFC 9111)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callrouter.media.freshness import LONGEST, STALE_SECONDS, judge, relevant, updated

DATE = "Sun, 06 Nov 2022 08:49:37 GMT"
AT = 1_667_724_577.0
AN_HOUR_LATER = "Sun, 06 Nov 2022 09:49:37 GMT"
BEFORE = "Sun, 06 Nov 2022 07:49:37 GMT"


@pytest.mark.parametrize(
    ("lines", "store", "lifetime", "stale"),
    [
        ({}, True, 0, STALE_SECONDS),
        ({"Cache-Control": "no-store"}, False, 0, STALE_SECONDS),
        ({"Cache-Control": "No-Store, max-age=60"}, False, 60, STALE_SECONDS),
        ({"Cache-Control": "private, max-age=60"}, True, 60, STALE_SECONDS),
        ({"Cache-Control": 'private="set-cookie", max-age=60'}, True, 60, STALE_SECONDS),
        ({"Cache-Control": "public,max-age=60"}, True, 60, STALE_SECONDS),
        ({"Cache-Control": "max-age = 60"}, True, 60, STALE_SECONDS),
        ({"Cache-Control": 'max-age="60"'}, True, 60, STALE_SECONDS),
        ({"Cache-Control": "max-age=60, s-maxage=10"}, True, 10, 0),
        ({"Cache-Control": "max-age=60, max-age=5"}, True, 5, STALE_SECONDS),
        ({"Cache-Control": "max-age=-1"}, True, 0, STALE_SECONDS),
        ({"Cache-Control": "max-age=６０"}, True, 0, STALE_SECONDS),
        ({"Cache-Control": "max-age=soon"}, True, 0, STALE_SECONDS),
        ({"Cache-Control": "max-age"}, True, 0, STALE_SECONDS),
        ({"Cache-Control": "max-age=999999999999"}, True, LONGEST, STALE_SECONDS),
        ({"Cache-Control": "no-cache"}, True, 0, 0),
        ({"Cache-Control": "no-cache, max-age=60"}, True, 0, 0),
        ({"Cache-Control": "max-age=60, must-revalidate"}, True, 60, 0),
        ({"Cache-Control": "max-age=60, proxy-revalidate"}, True, 60, 0),
        ({"Cache-Control": "max-age=60, stale-if-error=30"}, True, 60, 30),
        ({"Cache-Control": "max-age=60, stale-if-error=30, must-revalidate"}, True, 60, 0),
        ({"Cache-Control": "max-age=60", "Age": "20"}, True, 40, STALE_SECONDS),
        ({"Cache-Control": "max-age=60", "Age": "90"}, True, 0, STALE_SECONDS),
        ({"Cache-Control": "max-age=60", "Age": "old"}, True, 60, STALE_SECONDS),
        ({"Pragma": "no-cache", "Expires": AN_HOUR_LATER}, True, 0, 0),
        ({"Pragma": "no-cache", "Cache-Control": "max-age=60"}, True, 60, STALE_SECONDS),
        ({"Expires": AN_HOUR_LATER, "Date": DATE}, True, 3600, STALE_SECONDS),
        ({"Expires": AN_HOUR_LATER}, True, 3600, STALE_SECONDS),
        ({"Expires": AN_HOUR_LATER, "Date": DATE, "Cache-Control": "max-age=5"}, True, 5, STALE_SECONDS),
        ({"Expires": BEFORE, "Date": DATE}, True, 0, STALE_SECONDS),
        ({"Expires": "0"}, True, 0, STALE_SECONDS),
        ({"ETag": '"1"', "Last-Modified": BEFORE}, True, 0, STALE_SECONDS),
        ({"Vary": "*", "Cache-Control": "max-age=60"}, True, 0, 0),
        ({"Vary": "Accept", "Cache-Control": "max-age=60"}, True, 60, STALE_SECONDS),
    ],
)
def test_md_4_headers(lines: dict[str, str], store: bool, lifetime: float, stale: float) -> None:
    found = judge(relevant(lines.items()), AT)
    assert (found.store, found.lifetime, found.stale) == (store, lifetime, stale)


def test_repeated_headers_count_together() -> None:
    lines = [("Cache-Control", "max-age=60"), ("cache-control", "no-cache"), ("X-Other", "1")]
    assert relevant(lines) == {"cache-control": "max-age=60, no-cache"}


def test_a_304_brings_new_headers_and_ends_the_old_age() -> None:
    stored = {"cache-control": "max-age=60", "age": "50", "date": DATE, "etag": '"1"'}
    assert updated(stored, {"date": AN_HOUR_LATER}) == {
        "cache-control": "max-age=60",
        "date": AN_HOUR_LATER,
        "etag": '"1"',
    }


@given(
    st.dictionaries(
        st.sampled_from(["cache-control", "pragma", "expires", "date", "age", "vary"]), st.text(max_size=60)
    )
)
def test_any_text_is_judged(headers: dict[str, str]) -> None:
    found = judge(headers, AT)
    assert 0 <= found.lifetime <= LONGEST
    assert found.stale >= 0
