"""The ringing of each country, judged by its signal and by who hears it."""

from __future__ import annotations

from string import ascii_lowercase

import numpy as np
import pytest
from test_voice_phone_leg import phone_leg
from test_voice_recording_tracks import strength
from voice_loops import bridge, heard
from voice_media_stub import RATE
from voice_peers import run, until, voice_node

from callrouter.voice.client import VoiceError
from callrouter.voice.media import g711, tones
from callrouter.voice.media.ringback import RINGBACKS
from instructions.attributes import table
from instructions.verbs.dial import Dial


def allowed(country: str) -> bool:
    """Whether `<Dial ringTone>` takes it."""
    (row,) = [row for row in table(Dial) if row.name == "ringTone"]
    try:
        return bool(row.kind.read(country))
    except ValueError:
        return False


def test_each_country_of_dial_has_its_ringing_and_no_other_has() -> None:
    letters = (first + second for first in ascii_lowercase for second in ascii_lowercase)
    assert set(filter(allowed, [*letters, "us-old"])) == set(RINGBACKS)


@pytest.mark.parametrize("country", sorted(RINGBACKS))
def test_the_ringing_of_a_country_by_signal(country: str) -> None:
    """The frequencies alone, together or swinging, in the cadence of the table; ITU-T E.180 Supplement 2."""
    found = RINGBACKS[country]
    sound = b"".join(tones.frames(tones.TONES[f"ringback-{country}"]))
    rings = [found.on, found.gap, found.on, found.off] if found.gap else [found.on, found.off]
    assert len(sound) == round(sum(rings) * RATE)
    at = 0
    for number, seconds in enumerate(rings):
        part = sound[at : at + round(seconds * RATE)]
        at += len(part)
        if number % 2:
            assert set(part) == {0xFF}
            continue
        samples = g711.decode(part[:RATE]).astype(float)
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), RATE))
        carrier, _, swing = found.sound.partition("*")
        expected = {int(hz) for hz in carrier.split("+")}
        if swing:
            expected |= {int(carrier) - int(swing), int(carrier) + int(swing)}
        width = round(3 * RATE / len(samples))
        near = {hz + off for hz in expected for off in range(-width, width + 1)}
        peak = spectrum.max()
        assert all(spectrum[hz] > 0.3 * peak for hz in expected), country
        assert max(level for hz, level in enumerate(spectrum) if hz not in near) < 0.1 * peak, country


def test_a_phone_hears_the_ringing_of_its_country_until_it_is_bridged() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            phone = await phone_leg(client, "A", 600)
            await phone_leg(client, "B", 900)
            await client.request("leg.play", leg="A", tone="ringback-fr")
            await until(lambda: len(heard(phone)) >= RATE)
            assert strength(heard(phone)[:RATE], 440) > 0.3
            with pytest.raises(VoiceError, match="no tone 'ringback-xx'"):
                await client.request("leg.play", leg="A", tone="ringback-xx")
            await bridge(client, "A", "B")
            assert (await events.wait("job.done", "A")).data["reason"] == "bridged"
            await phone.hears(900)

    run(scenario())
