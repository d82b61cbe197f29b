"""Alphabets and segments: 3GPP 23.038's table, Twilio's sizes (twilio-surface 8), and properties of every text."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callrouter.messages.text import BASIC, EXTENSION, GSM_7, UCS_2, Measured, measure, parts, smart

# 3GPP 23.038 section 6.2.1, row by row: what the code has in one line.
TABLE = [
    "@Δ 0¡P¿p",
    "£_!1AQaq",
    '$Φ"2BRbr',
    "¥Γ#3CScs",
    "èΛ¤4DTdt",
    "éΩ%5EUeu",
    "ùΠ&6FVfv",
    "ìΨ'7GWgw",
    "òΣ(8HXhx",
    "ÇΘ)9IYiy",
    "\nΞ*:JZjz",
    "Ø+;KÄkä",
    "øÆ,<LÖlö",
    "\ræ-=MÑmñ",
    "Åß.>NÜnü",
    "åÉ/?O§oà",
]

SAMPLES = {
    "empty": ("", GSM_7, 1),
    "one segment": ("a" * 160, GSM_7, 1),
    "two": ("a" * 161, GSM_7, 2),
    "two full ones": ("a" * 306, GSM_7, 2),
    "three": ("a" * 307, GSM_7, 3),
    "as long as may be": ("a" * 1600, GSM_7, 11),
    "euros, two septets each": ("€" * 80, GSM_7, 1),
    "one euro more": ("€" * 81, GSM_7, 2),
    "an escape sequence is not cut": ("a" * 152 + "€" + "a" * 152, GSM_7, 3),
    "brackets at the border of one segment": ("a" * 158 + "[", GSM_7, 1),
    "and beyond it": ("a" * 159 + "[", GSM_7, 2),
    "one ç": ("ç" + "a" * 69, UCS_2, 1),
    "a curly quote": ("a" * 70 + "’", UCS_2, 2),
    "two of UCS-2": ("я" * 134, UCS_2, 2),
    "three of UCS-2": ("я" * 135, UCS_2, 3),
    "faces, two units each": ("😀" * 35, UCS_2, 1),
    "one face more": ("😀" * 36, UCS_2, 2),
    "a surrogate pair is not cut": ("я" * 66 + "😀" + "я" * 66, UCS_2, 3),
    "as long as may be in UCS-2": ("я" * 1600, UCS_2, 24),
    "a backtick is not in the alphabet": ("`", UCS_2, 1),
    "nor is a tab": ("\t", UCS_2, 1),
    "nor the escape itself": ("\x1b", UCS_2, 1),
    "half a surrogate pair, from JSON": ("\ud83d", UCS_2, 1),
}


def test_the_alphabet_is_the_standards() -> None:
    assert frozenset("".join(TABLE)) == BASIC
    assert len(BASIC) == 127
    assert frozenset("\f^{}\\[~]|€") == EXTENSION


@pytest.mark.parametrize(("body", "encoding", "segments"), SAMPLES.values(), ids=list(SAMPLES))
def test_every_sample_has_its_segments(body: str, encoding: str, segments: int) -> None:
    assert measure(body) == Measured(encoding=encoding, segments=segments)
    assert len(parts(body, encoding)) == segments


GSM_TEXT = st.text(st.sampled_from(sorted(BASIC | EXTENSION)), max_size=700)


@given(st.one_of(GSM_TEXT, st.text(max_size=400)))
def test_segments_are_full_whole_and_in_order(body: str) -> None:
    measured = measure(body)
    pieces = parts(body, measured.encoding)
    assert "".join(pieces) == body
    assert len(pieces) == measured.segments
    whole, each, size = (160, 153, septets) if measured.encoding == GSM_7 else (70, 67, units)
    assert (len(pieces) == 1) == (size(body) <= whole)
    if len(pieces) > 1:
        assert all(size(piece) <= each for piece in pieces)
        assert all(size(a) + size(b[:1]) > each for a, b in pairwise(pieces))


def septets(text: str) -> int:
    return len(text) + sum(text.count(letter) for letter in EXTENSION)


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@given(st.text(max_size=200))
def test_any_text_travels_as_ucs_2(body: str) -> None:
    assert "".join(parts(body, UCS_2)) == body


def test_gsm_7_can_not_say_everything() -> None:
    with pytest.raises(ValueError, match="GSM-7"):
        parts("я", GSM_7)


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        ("“Hi” – it’s me…", '"Hi" - it\'s me...'),
        ("a\u00a0b\u200bc", "a bc"),
        ("ＡＢＣ！", "ABC!"),
        ("½ price", "1/2 price"),
        ("naïve € [x]\n", "naïve € [x]\n"),
        ("• ‚one‼\tTwo\x07", "- ,one!! Two"),
        ("привет", "привет"),
        ("“Hi” 😀…", "“Hi” 😀…"),
    ],
)
def test_smart_encoding_replaces_what_looks_alike(body: str, plain: str) -> None:
    assert smart(body) == plain


@given(GSM_TEXT)
def test_smart_encoding_leaves_gsm_7_as_it_is(body: str) -> None:
    assert smart(body) == body


@given(st.text(max_size=200))
def test_smart_encoding_is_done_once_and_never_half(body: str) -> None:
    assert smart(smart(body)) == smart(body)
    assert smart(body) == body or measure(smart(body)).encoding == GSM_7


def test_a_quote_costs_no_segment_when_encoded_smartly() -> None:
    body = "It’s " + "a" * 100
    assert (measure(body).segments, measure(smart(body)).segments) == (2, 1)
