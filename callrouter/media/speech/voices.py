"""Twilio's voice names and languages, as espeak-ng's (twilio-surface 2.5).

espeak-ng has one synthetic voice in many variants; what is kept of a name is its language, its sex, and that two
names do not sound the same.
"""

from __future__ import annotations

import re
import zlib

_POLLY = {
    "arb": ("Zeina", ""),
    "ar-AE": ("Hala", "Zayd"),
    "ca-ES": ("Arlet", ""),
    "cmn-CN": ("Zhiyu", ""),
    "cs-CZ": ("Jitka", ""),
    "cy-GB": ("Gwyneth", ""),
    "da-DK": ("Naja Sofie", "Mads"),
    "de-AT": ("Hannah", ""),
    "de-CH": ("Sabrina", ""),
    "de-DE": ("Marlene Vicki", "Daniel Hans"),
    "en-AU": ("Nicole Olivia", "Russell"),
    "en-GB": ("Amy Emma", "Arthur Brian Geraint"),
    "en-IE": ("Niamh", ""),
    "en-IN": ("Aditi Kajal Raveena", ""),
    "en-NZ": ("Aria", ""),
    "en-SG": ("Jasmine", ""),
    "en-US": (
        "Danielle Ivy Joanna Kendra Kimberly Ruth Salli",
        "Gregory Joey Justin Kevin Matthew Stephen",
    ),
    "en-ZA": ("Ayanda", ""),
    "es-ES": ("Conchita Lucia", "Enrique Sergio"),
    "es-MX": ("Mia", "Andres"),
    "es-US": ("Lupe Penelope", "Miguel Pedro"),
    "fi-FI": ("Suvi", ""),
    "fr-BE": ("Isabelle", ""),
    "fr-CA": ("Chantal Gabrielle", "Liam"),
    "fr-FR": ("Celine Lea", "Mathieu Remi"),
    "is-IS": ("Dora", "Karl"),
    "it-IT": ("Bianca Carla", "Adriano Giorgio"),
    "ja-JP": ("Kazuha Mizuki Tomoko", "Takumi"),
    "ko-KR": ("Jihye Seoyeon", ""),
    "nb-NO": ("Ida Liv", ""),
    "nl-BE": ("Lisa", ""),
    "nl-NL": ("Laura Lotte", "Ruben"),
    "pl-PL": ("Ewa Maja Ola", "Jacek Jan"),
    "pt-BR": ("Camila Vitoria", "Ricardo Thiago"),
    "pt-PT": ("Ines", "Cristiano"),
    "ro-RO": ("Carmen", ""),
    "ru-RU": ("Tatyana", "Maxim"),
    "sv-SE": ("Astrid Elin", ""),
    "tr-TR": ("Burcu Filiz", ""),
    "yue-CN": ("Hiujin", ""),
}
_NAMED = {
    name: (language, sex)
    for language, voices in _POLLY.items()
    for sex, names in zip("fm", voices, strict=True)
    for name in names.split()
}
_SPOKEN = {
    **{"arb": "ar", "he": "he", "iw": "he", "no": "nb", "zh": "cmn", "zh-cn": "cmn", "zh-tw": "cmn"},
    **{"cmn-cn": "cmn", "cmn-tw": "cmn", "zh-hk": "yue", "yue-cn": "yue", "yue-hk": "yue", "no-no": "nb"},
    **dict.fromkeys(("en", "en-ca", "en-ph"), "en-us"),
    **dict.fromkeys(("es-mx", "es-us", "es-ar", "es-co", "es-cl", "es-pe", "es-ve"), "es-419"),
}
"""Tags whose espeak-ng name is not the tag in lower case, nor its first part."""
_VARIANTS = {"f": ("f2", "f3", "f4", "f5", "f1"), "m": ("m3", "m1", "m7", "m2", "m4")}
_GOOGLE = re.compile(r"Google\.([A-Za-z]{2,3}-[A-Za-z]{2})-([A-Za-z0-9]+)(?:-([A-Za-z]+))?")
_MALE_LETTERS = "BDIJ"
"""Google's letters that name male voices in most languages."""

DEFAULT_LANGUAGE = "en-US"


def espeak_names(voice: str, language: str) -> list[str]:
    """espeak-ng's names for it, the best first. A voice that has a language of its own speaks that one."""
    own, sex = _own(voice)
    tag = (own or language or DEFAULT_LANGUAGE).lower()
    variants = _VARIANTS[sex]
    known = voice.lower() in ("", "man", "woman", "alice")
    variant = variants[0 if known else zlib.crc32(voice.split("-")[0].encode()) % len(variants)]
    if google := _GOOGLE.fullmatch(voice):
        variant = variants[zlib.crc32((google[3] or google[2]).encode()) % len(variants)]
    tags = dict.fromkeys(
        (_SPOKEN.get(tag, tag), _SPOKEN.get(tag.split("-")[0], tag.split("-")[0]))
        if tag not in _SPOKEN
        else (_SPOKEN[tag],)
    )
    return [f"{name}+{variant}" for name in tags]


def _own(voice: str) -> tuple[str, str]:
    """The language of a voice (empty: any) and its sex."""
    if voice.startswith("Polly."):
        return _NAMED.get(voice.removeprefix("Polly.").split("-")[0], ("", "f"))
    if google := _GOOGLE.fullmatch(voice):
        return google[1], "m" if google[3] and google[3][0].upper() in _MALE_LETTERS else "f"
    return "", "f" if voice.lower() in ("woman", "alice") else "m"
