"""From the setting CALLROUTER_SPEECH_ENGINE to a speaker."""

from __future__ import annotations

from callrouter.media.speech import espeak
from callrouter.media.speech.command import CommandSpeaker
from callrouter.media.speech.espeak import EspeakSpeaker
from callrouter.media.speech.service import ServiceSpeaker
from callrouter.media.speech.speaker import Speaker

NO_ENGINE = "No speech engine is here: `pip install callrouter[tts]`, or set CALLROUTER_SPEECH_ENGINE."


def speaker(setting: str) -> Speaker | None:
    """None: nothing can be spoken here."""
    kind, _, line = setting.partition(":")
    if kind == "command":
        return CommandSpeaker(line)
    if kind in ("http", "https"):
        return ServiceSpeaker(setting)
    if kind == "none" or not espeak.installed():
        return None
    return EspeakSpeaker()
