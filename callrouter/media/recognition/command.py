"""A recognition engine that is a local program: a WAV file comes on its standard input, it writes what it heard."""

from __future__ import annotations

import os
import re
import shlex

from callrouter.media import program, wav
from callrouter.media.program import ProgramFailed
from callrouter.media.recognition import answer
from callrouter.media.recognition.recogniser import (
    ENGINE_FAILED,
    LANGUAGE,
    Heard,
    Question,
    RecognitionFailed,
)

_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,34}")


class CommandRecogniser:
    """`line` is split as a shell would, without a shell. `{language}` and `{hints}` (with commas between them) in it
    are replaced. It answers in JSON or in plain words."""

    def __init__(self, line: str) -> None:
        self._line = shlex.split(line)
        self.at_once = os.cpu_count() or 1

    def hear(self, question: Question, seconds: float) -> Heard:
        if not _TAG.fullmatch(question.language):
            raise RecognitionFailed(LANGUAGE, f"{question.language[:40]!r} is not a language tag.")
        # A hint must not pass for an option of the program, nor end an argument.
        hints = ",".join(question.hints).replace("\0", "")
        values = {
            "{language}": question.language,
            "{hints}": f" {hints}" if hints.startswith("-") else hints,
        }
        argument = re.compile("|".join(map(re.escape, values)))
        arguments = [argument.sub(lambda found: values[found[0]], part) for part in self._line]
        sound = wav.of_mulaw(question.mulaw)
        try:
            said = program.output(arguments, sound, seconds=seconds, most=answer.MOST_BYTES)
        except ProgramFailed as failure:
            raise RecognitionFailed(
                ENGINE_FAILED, f"The recognition command {failure}. The fault is the command's."
            ) from failure
        return answer.heard(said, plain=True)

    def close(self) -> None:
        pass
