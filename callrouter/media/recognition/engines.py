"""From the setting CALLROUTER_RECOGNITION_ENGINE to a recogniser."""

from __future__ import annotations

from callrouter.media.recognition import sphinx
from callrouter.media.recognition.command import CommandRecogniser
from callrouter.media.recognition.recogniser import Recogniser
from callrouter.media.recognition.service import ServiceRecogniser
from callrouter.media.recognition.sphinx import SphinxRecogniser
from callrouter.media.recognition.stream import StreamRecogniser

NO_ENGINE = (
    "No recognition engine is here: `pip install callrouter[stt]`, or set CALLROUTER_RECOGNITION_ENGINE. "
    "The operator can mend this."
)


def recogniser(setting: str) -> Recogniser | None:
    """None: nothing can be recognised here."""
    kind, _, line = setting.partition(":")
    if kind == "command":
        return CommandRecogniser(line)
    if kind in ("http", "https"):
        return ServiceRecogniser(setting)
    if kind in ("ws", "wss"):
        return StreamRecogniser(setting)
    if kind == "none" or not sphinx.installed():
        return None
    return SphinxRecogniser()
