"""Texts, spoken once and kept."""

from __future__ import annotations

import hashlib
import json

from callrouter.media.conversion import to_mulaw
from callrouter.media.files import PROFILE
from callrouter.media.flights import Flights
from callrouter.media.sheet import Sheet
from callrouter.media.shelf import Shelf
from callrouter.media.sound import Outcome, Sound, digest
from callrouter.media.speech import ssml
from callrouter.media.speech.engines import NO_ENGINE
from callrouter.media.speech.speaker import Speaker, SpeechFailed, Utterance
from foundation.webserver.errors import ApiError

LONGEST = 4096
LONGEST_POLLY = 3000
"""Characters, marks not counted (twilio-surface 2.5)."""
FOREVER = "private, max-age=31536000, immutable"


class Speech:
    """Sound by text."""

    def __init__(self, speaker: Speaker | None, shelf: Shelf) -> None:
        self._speaker = speaker
        self._shelf = shelf
        self._flights: Flights[Sound] = Flights("speech")

    def sound(self, account: str, utterance: Utterance) -> Sound:
        """ApiError: 13520 no text, 13521 too long, 13511 or 13512 the engine lacks it, 20503 the engine failed or
        there is none."""
        try:
            _check(utterance)
            if self._speaker is None:
                raise SpeechFailed(20503, NO_ENGINE)
            speaker, key = self._speaker, _key(utterance, self._speaker.version)
            return self._kept(account, key) or self._flights.run(
                account, key, lambda: self._spoken(account, key, utterance, speaker)
            )
        except SpeechFailed as failure:
            raise ApiError(503 if failure.code == 20503 else 422, failure.code, failure.message) from failure

    def _kept(self, account: str, key: str) -> Sound | None:
        kept = self._shelf.get(account, key)
        return _sound(key, kept, Outcome.HIT) if kept else None

    def _spoken(self, account: str, key: str, utterance: Utterance, speaker: Speaker) -> Sound:
        if kept := self._kept(account, key):
            return kept
        audio = speaker.say(utterance)
        body = to_mulaw(audio.body, audio.content_type)
        sheet = Sheet(facts={"etag": digest(body)}, body=body)
        self._shelf.put(account, key, sheet)
        return _sound(key, sheet, Outcome.MISS)


def _check(utterance: Utterance) -> None:
    words = ssml.words(utterance.text) if utterance.markup else utterance.text
    if not words.strip():
        raise SpeechFailed(13520, "There is no text to say.")
    longest = LONGEST_POLLY if utterance.voice.startswith("Polly.") else LONGEST
    if len(words) > longest:
        raise SpeechFailed(
            13521, f"The text has {len(words)} characters; this voice says {longest} at a time."
        )


def _key(utterance: Utterance, version: str) -> str:
    """Everything that the sound depends on (MD-2)."""
    parts = (utterance.text, utterance.markup, utterance.voice, utterance.language, PROFILE, version)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _sound(key: str, sheet: Sheet, outcome: Outcome) -> Sound:
    return Sound(key=key, body=sheet.body, etag=sheet.facts["etag"], cache_control=FOREVER, outcome=outcome)
