"""Overrides in the URL's fragment: Twilio surface 4.6."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.outbound.errors import Fault, InvalidOverride
from foundation.outbound.overrides import DEFAULT, Overrides, split


def test_no_fragment_means_twilios_defaults() -> None:
    assert split("https://a.test/x") == ("https://a.test/x", DEFAULT)
    assert (DEFAULT.retries, DEFAULT.connect_ms, DEFAULT.read_ms, DEFAULT.total_ms) == (
        1,
        5_000,
        15_000,
        15_000,
    )
    assert DEFAULT.retry_on == {"ct"}


def test_every_key() -> None:
    base, got = split("https://a.test/x?y=1#rc=3&rp=4xx,rt&ct=100&rt=2000&tt=9999&sni=n&e=dublin,ashburn")
    assert base == "https://a.test/x?y=1"
    assert got == Overrides(
        retries=3,
        retry_on=frozenset({"4xx", "rt"}),
        connect_ms=100,
        read_ms=2000,
        total_ms=9999,
        sni=False,
        edges=("dublin", "ashburn"),
    )


@pytest.mark.parametrize(
    "fragment",
    [
        "rc=6",
        "rc=-1",
        "rc=1_0",
        "rc=٣",
        "ct=99",
        "ct=10001",
        "rt=15001",
        "tt=0",
        "tt=",
        "rc",
        "top",
        "x=y",
        "sni=maybe",
        "=",
        "&&",
    ],
)
def test_what_is_out_of_range_or_unknown_leaves_the_default(fragment: str) -> None:
    assert split(f"https://a.test/#{fragment}")[1] == DEFAULT


@pytest.mark.parametrize(
    ("fragment", "code"),
    [("rp=6xx", 11243), ("rp=", 11243), ("rp=ct,", 11243), ("e=mars", 11240), ("e=", 11240)],
)
def test_invalid_policy_and_edge_have_their_codes(fragment: str, code: int) -> None:
    with pytest.raises(InvalidOverride) as caught:
        split(f"https://a.test/#{fragment}")
    assert (caught.value.code, caught.value.fault) == (code, Fault.CUSTOMER)


def test_all_covers_every_word_but_not_the_failures_that_nothing_covers() -> None:
    every = split("https://a.test/#rp=all")[1]
    assert all(every.allows(word) for word in ("4xx", "5xx", "ct", "rt"))
    assert not every.allows("")
    assert not DEFAULT.allows("5xx")


@given(st.text(max_size=60))
def test_any_fragment_is_parsed_or_refused_and_never_stays_in_the_url(fragment: str) -> None:
    try:
        base, got = split(f"https://a.test/#{fragment}")
    except InvalidOverride:
        return
    assert base == "https://a.test/"
    assert 0 <= got.retries <= 5
    assert 100 <= got.total_ms <= 15_000
