from __future__ import annotations

from instructions.attributes import (
    FLAG,
    KEY,
    LANGUAGE,
    METHOD,
    THIS_DOCUMENT,
    URL,
    attribute,
    choice,
    count,
    either,
    seconds,
    text,
    words,
)
from instructions.elements import Verb
from instructions.verbs.pause import Pause
from instructions.verbs.play import Play
from instructions.verbs.say import Say


class Gather(Verb, nests=(Say, Play, Pause), nest_code=13320):
    """Collects key presses or speech, then asks `action` what to do next."""

    input: tuple[str, ...] = attribute(words("dtmf", "speech"), default=("dtmf",), code=13326)
    action: str = attribute(URL, default=THIS_DOCUMENT, code=11100)
    method: str = attribute(METHOD, default="POST", code=13312)
    timeout: int = attribute(seconds(), default=5, code=13313)
    speech_timeout: int | str | None = attribute(either(seconds(), choice("auto")), default=None, code=13327)
    max_speech_time: int = attribute(seconds(1, 60), default=60, code=13328)
    profanity_filter: bool = attribute(FLAG, default=True, code=13333)
    finish_on_key: str = attribute(KEY, default="#", code=13310)
    num_digits: int | None = attribute(count(), default=None, code=13314)
    partial_result_callback: str | None = attribute(URL, default=None, code=11100)
    partial_result_callback_method: str = attribute(METHOD, default="POST", code=13329)
    language: str = attribute(LANGUAGE, default="en-US", code=13331)
    hints: str | None = attribute(text(50_500), default=None, code=13330)
    barge_in: bool = attribute(FLAG, default=True, code=13332)
    debug: bool = attribute(FLAG, default=False)
    action_on_empty_result: bool = attribute(FLAG, default=False, code=13338)
    speech_model: str = attribute(text(128), default="default", code=13334)
    enhanced: bool = attribute(FLAG, default=False)
