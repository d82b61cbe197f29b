"""Named places where a test may let the process die, so that every gap between two steps can be tried.

Unarmed they cost a dictionary look-up. `FAILPOINT=name:3` in the environment kills the process with SIGKILL at
the third pass of that name; `FAILPOINT_LOG=file` writes each name as it is passed, so that the tests need no list
kept by hand (reliability-security 3.4, rule 2).
"""

import os
import signal
from collections import Counter

_NAME, _, _TIMES = os.environ.get("FAILPOINT", "").partition(":")
_LOG = os.environ.get("FAILPOINT_LOG", "")
_passed: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """A place with a name; see the module's docstring."""
    if not (_NAME or _LOG):
        return
    if _LOG:
        with open(_LOG, "a") as log:
            log.write(name + "\n")
    _passed[name] += 1
    if name == _NAME and _passed[name] == int(_TIMES or 1):
        os.kill(os.getpid(), signal.SIGKILL)
