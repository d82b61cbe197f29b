"""What tests of sessions share: the app of the session, and how sessions end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from instructions.commands import Finish, FinishReason

New = Callable[..., Any]
APP = "https://app.test/voice"
FALLBACK = "https://app.test/fallback"


def finish(reason: str) -> Finish:
    return Finish(reason=FinishReason(reason))


END, ERROR, GONE = finish("end_of_document"), finish("application_error"), finish("caller_hung_up")
