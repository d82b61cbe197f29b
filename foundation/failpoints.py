"""Named places where a test may let the process die, so that every gap between two steps can be tried.

Unarmed they cost a dictionary look-up. `FAILPOINT=name:3` in the environment kills the process with SIGKILL at
the third pass of that name; `FAILPOINT=@file` reads it from a file, so that a process that runs can be armed (what
follows a second colon tells two arms of the same point apart); `FAILPOINT_LOG=file` writes each name as it is passed,
so that the tests need no list kept by hand (reliability-security 3.4, rule 2).
"""

import os
import signal
from collections import Counter

_ARMED = os.environ.get("FAILPOINT", "")
_LOG = os.environ.get("FAILPOINT_LOG", "")
_passed: Counter[tuple[str, str]] = Counter()


def failpoint(name: str) -> None:
    """A place with a name; see the module's docstring."""
    if not (_ARMED or _LOG):
        return
    if _LOG:
        with open(_LOG, "a") as log:
            log.write(name + "\n")
    armed = _written() if _ARMED.startswith("@") else _ARMED
    _passed[armed, name] += 1
    point, turn, *_ = f"{armed}:1".split(":")
    if name == point and _passed[armed, name] == int(turn):
        os.kill(os.getpid(), signal.SIGKILL)


def _written() -> str:
    try:
        with open(_ARMED[1:]) as file:
            return file.read()
    except FileNotFoundError:
        return ""
