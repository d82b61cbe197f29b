"""A speech engine that is a local program: it gets the words and writes a WAV file to its standard output."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import signal
import subprocess
import threading
from contextlib import suppress

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
        given = {
            "{text}": words.replace("\0", ""),
            "{voice}": utterance.voice,
            "{language}": utterance.language or DEFAULT_LANGUAGE,
        }
        argument = re.compile("|".join(map(re.escape, given)))
        arguments = [argument.sub(lambda found: given[found[0]], part) for part in self._line]
        body = _output(arguments, b"" if any("{text}" in part for part in self._line) else words.encode())
        return Audio(body=body, content_type="audio/wav")

    def close(self) -> None:
        pass


def _output(arguments: list[str], text: bytes) -> bytes:
    try:
        process = subprocess.Popen(  # noqa: S603
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise SpeechFailed(20503, f"The speech command cannot be started: {error}") from error
    watch = threading.Timer(SECONDS, _end, [process])
    watch.start()
    try:
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            feeding = threading.Thread(target=_feed, args=(process, text), daemon=True)
            feeding.start()
            body = process.stdout.read(MOST_BYTES + 1)
            if len(body) > MOST_BYTES:
                _end(process)
            feeding.join(SECONDS)
    finally:
        watch.cancel()
    if process.returncode or not body:
        raise SpeechFailed(
            20503,
            f"The speech command ended with status {process.returncode} and {len(body)} bytes of sound.",
        )
    return body


def _end(process: subprocess.Popen[bytes]) -> None:
    """With everything that it started, which would hold our pipe open."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _feed(process: subprocess.Popen[bytes], text: bytes) -> None:
    assert process.stdin is not None
    with suppress(OSError, ValueError):  # a program that does not read its input has that right
        process.stdin.write(text)
        process.stdin.close()
