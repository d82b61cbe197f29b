"""The ringback that a caller hears (twilio-surface 2.2, ringTone)."""

import pytest

from callrouter.calls.executors import ringing
from callrouter.voice.media.tones import TONES
from instructions.verbs.dial import _RINGTONES


@pytest.mark.parametrize(
    ("country", "to", "tone"),
    [
        ("de", "+14155550100", "ringback-de"),
        (None, "+442079460000", "ringback-uk"),
        (None, "+4930123456", "ringback-de"),
        (None, "+14155550100", "ringback-us"),
        (None, "+3545551234", "ringback"),
        (None, "+99", "ringback"),
        (None, "client:alice", "ringback"),
        (None, "sip:+4930@pbx.test", "ringback"),
    ],
)
def test_tone_is_the_one_asked_for_or_that_of_the_far_end(country: str | None, to: str, tone: str) -> None:
    assert ringing.tone(country, to) == tone
    assert tone in TONES


@pytest.mark.parametrize("country", _RINGTONES.split())
def test_every_country_of_the_attribute_has_a_tone(country: str) -> None:
    assert ringing.tone(country, "") == f"ringback-{country}"
