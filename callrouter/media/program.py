"""A program of the operator's: it gets bytes on its standard input and writes its answer to standard output."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress


class ProgramFailed(Exception):
    """It cannot be started, took too long, or ended with a fault; the text says which."""


def output(arguments: Sequence[str], given: bytes, *, seconds: float, most: int) -> bytes:
    """What it wrote, `most` bytes and one at most. After `seconds` it is killed, with all that it started."""
    try:
        process = subprocess.Popen(  # noqa: S603
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise ProgramFailed(f"cannot be started: {error}") from error
    watch = threading.Timer(seconds, _end, [process])
    watch.start()
    try:
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            feeding = threading.Thread(target=_feed, args=(process, given), daemon=True)
            feeding.start()
            body = process.stdout.read(most + 1)
            if len(body) > most:
                _end(process)
            feeding.join(seconds)
    finally:
        watch.cancel()
    if process.returncode or not body:
        raise ProgramFailed(f"ended with status {process.returncode} and {len(body)} bytes")
    return body


def _end(process: subprocess.Popen[bytes]) -> None:
    """With everything that it started, which would hold our pipe open."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _feed(process: subprocess.Popen[bytes], given: bytes) -> None:
    assert process.stdin is not None
    with suppress(OSError, ValueError):  # a program that does not read its input has that right
        process.stdin.write(given)
        process.stdin.close()
