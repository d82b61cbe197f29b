"""What all recordings of a call have in common."""

from __future__ import annotations

from typing import Protocol, cast

from instructions.commands import Command, RecordingCallback
from instructions.elements import Element, unresolved
from instructions.outcomes import Call

LONGEST = 14_400
"""Seconds: four hours, the longest call unless more was asked for."""


class Recorded(Protocol):
    """An element with the attributes of a recording's callback."""

    @property
    def recording_status_callback(self) -> str | None: ...
    @property
    def recording_status_callback_method(self) -> str: ...
    @property
    def recording_status_callback_event(self) -> tuple[str, ...]: ...


def recording_callback(element: Recorded, call: Call, notices: list[Command]) -> RecordingCallback | None:
    """Who is told of the recording; `notices` receives why nobody can be."""
    reference = element.recording_status_callback
    if not reference:
        return None
    url = call.resolve(reference)
    if url is None:
        notices.append(unresolved(cast(Element, element), "recordingStatusCallback", reference, call))
        return None
    return RecordingCallback(
        url=url,
        method=element.recording_status_callback_method,
        events=element.recording_status_callback_event,
    )
