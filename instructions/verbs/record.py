from __future__ import annotations

from instructions.attributes import (
    FLAG,
    KEYS,
    METHOD,
    THIS_DOCUMENT,
    URL,
    attribute,
    choice,
    seconds,
    text,
    words,
)
from instructions.elements import Verb


class Record(Verb):
    """Records the caller until silence, a key, or the longest length."""

    action: str = attribute(URL, default=THIS_DOCUMENT, code=11100)
    method: str = attribute(METHOD, default="POST", code=13610)
    timeout: int = attribute(seconds(0), default=5, code=13611)
    finish_on_key: str = attribute(KEYS, default="1234567890*#", code=13613)
    max_length: int = attribute(seconds(1, 14_400), default=3600, code=13612)
    play_beep: bool = attribute(FLAG, default=True, code=13616)
    trim: str = attribute(choice("trim-silence", "do-not-trim"), default="trim-silence", code=13699)
    recording_status_callback: str | None = attribute(URL, default=None, code=13256)
    recording_status_callback_method: str = attribute(METHOD, default="POST")
    recording_status_callback_event: tuple[str, ...] = attribute(
        words("in-progress", "completed", "absent"), default=("completed",), code=13621
    )
    transcribe: bool = attribute(FLAG, default=False, code=13614)
    transcribe_callback: str | None = attribute(URL, default=None, code=13257)
    recording_configuration_id: str | None = attribute(text(64), default=None)
