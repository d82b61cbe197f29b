"""A speech engine that is a local program: it gets the words and writes a WAV file to its standard output."""

from __future__ import annotations

import hashlib
import re
import shlex

from callrouter.media import program
from callrouter.media.program import ProgramFailed
from callrouter.media.speech import ssml
from callrouter.media.speech.speaker import MOST_BYTES, SECONDS, Audio, SpeechFailed, Utterance
from callrouter.media.speech.voices import DEFAULT_LANGUAGE

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class CommandSpeaker:
    """`line` is split as a shell would, without a shell. `{text}`, `{voice}` and `{language}` in it are replaced;
    without `{text}` the words come on standard input."""

    def __init__(self, line: str) -> None:
        self._line = shlex.split(line)
        self.version = f"command {hashlib.sha256(line.encode()).hexdigest()[:16]}"

    def say(self, utterance: Utterance) -> Audio:
        words = ssml.words(utterance.text) if utterance.markup else utterance.text
        for code, value in ((13511, utterance.voice), (13512, utterance.language)):
            if value and not _NAME.fullmatch(value):
                raise SpeechFailed(code, f"{value[:64]!r} is not a name that an engine could know.")
        # A text must not pass for an option of the program, nor end an argument.
        words = f" {words}" if words.startswith("-") else words
        values = {
            "{text}": words.replace("\0", ""),
            "{voice}": utterance.voice,
            "{language}": utterance.language or DEFAULT_LANGUAGE,
        }
        argument = re.compile("|".join(map(re.escape, values)))
        arguments = [argument.sub(lambda found: values[found[0]], part) for part in self._line]
        given = b"" if any("{text}" in part for part in self._line) else words.encode()
        try:
            body = program.output(arguments, given, seconds=SECONDS, most=MOST_BYTES)
        except ProgramFailed as failure:
            raise SpeechFailed(20503, f"The speech command {failure}.") from failure
        return Audio(body=body, content_type="audio/wav")

    def close(self) -> None:
        pass
