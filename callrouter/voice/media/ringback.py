"""Ringback of the countries that `<Dial ringTone>` names: frequencies and cadences of ITU-T E.180 Supplement 2.

Where a national specification is newer than the supplement it decides: Australia S002, New Zealand TNA 102,
United Kingdom SIN 350, Singapore TS PSTN1. A country with several exchanges' tones has the most common one.
"""

from __future__ import annotations

from typing import NamedTuple


class Ringback(NamedTuple):
    """`sound` in Hz: "a+b" both together, "a*b" a with its loudness swinging b times a second.

    Seconds of sound and of silence; with a `gap` there are two sounds, so far apart, before the silence.
    """

    sound: str
    on: float
    off: float
    gap: float = 0.0


RINGBACKS: dict[str, Ringback] = {
    "at": Ringback("420", 1.0, 5.0),
    "au": Ringback("413+438", 0.4, 2.0, 0.2),
    "be": Ringback("425", 1.0, 3.0),
    "bg": Ringback("425", 1.0, 4.0),
    "br": Ringback("425", 1.0, 4.0),
    "ch": Ringback("425", 1.0, 4.0),
    "cl": Ringback("400", 1.0, 3.0),
    "cn": Ringback("450", 1.0, 4.0),
    "cz": Ringback("425", 1.0, 4.0),
    "de": Ringback("425", 1.0, 4.0),
    "dk": Ringback("425", 1.0, 4.0),
    "ee": Ringback("425", 1.0, 4.0),
    "es": Ringback("425", 1.5, 3.0),
    "fi": Ringback("425", 1.0, 4.0),
    "fr": Ringback("440", 1.5, 3.5),
    "gr": Ringback("425", 1.0, 4.0),
    "hu": Ringback("425", 1.25, 3.75),
    "il": Ringback("400", 1.0, 3.0),
    "in": Ringback("400*25", 0.4, 2.0, 0.2),
    "it": Ringback("425", 1.0, 4.0),
    "jp": Ringback("400*16", 1.0, 2.0),
    "lt": Ringback("425", 1.0, 4.0),
    "mx": Ringback("425", 1.0, 4.0),
    "my": Ringback("425", 0.4, 2.0, 0.2),
    "nl": Ringback("425", 1.0, 4.0),
    "no": Ringback("425", 1.0, 4.0),
    "nz": Ringback("400+450", 0.4, 2.0, 0.2),
    "ph": Ringback("425+480", 1.0, 4.0),
    "pl": Ringback("425", 1.0, 4.0),
    "pt": Ringback("425", 1.0, 5.0),
    "ru": Ringback("425", 1.0, 4.0),
    "se": Ringback("425", 1.0, 5.0),
    "sg": Ringback("425*24", 0.4, 2.0, 0.2),
    "th": Ringback("400", 1.0, 4.0),
    "tw": Ringback("440+480", 1.0, 2.0),
    "uk": Ringback("400+450", 0.4, 2.0, 0.2),
    "us": Ringback("440+480", 2.0, 4.0),
    "us-old": Ringback("420*40", 2.0, 4.0),
    "ve": Ringback("425", 1.0, 4.0),
    "za": Ringback("400*33", 0.4, 2.0, 0.2),
}
"""By the value of `ringTone`."""
