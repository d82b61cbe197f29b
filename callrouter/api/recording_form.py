"""How a call is to be recorded, as forms have it."""

from typing import Literal, cast

from werkzeug.datastructures import MultiDict

from callrouter.api import params
from callrouter.api.params import parameter
from instructions.commands import Record, RecordingCallback
from instructions.verbs.recorded import LONGEST

EVENTS = ("in-progress", "completed", "absent")
RECORDING = (
    parameter("RecordingStatusCallback", "url", params.url(21609)),
    parameter("RecordingStatusCallbackMethod", "method", params.method(21609)),
    parameter("RecordingChannels", "channels", params.choice(("mono", "dual"))),
    parameter("RecordingTrack", "track", params.choice(("inbound", "outbound", "both"))),
    parameter("Trim", "trim", params.choice(("trim-silence", "do-not-trim"))),
)


def recording(form: MultiDict[str, str], source: str, *, trim: str) -> Record:
    """What the form asks for, of a call as a whole; `trim` unless it says another."""
    given = params.given(RECORDING, form)
    events = params.listed("RecordingStatusCallbackEvent", EVENTS, form, 21626) or ("completed",)
    method, url = given.get("method", "POST"), given.get("url")
    track = given.get("track", "both")
    return Record(
        recording="",
        silence=0,
        max_length=LONGEST,
        beep=False,
        trim=given.get("trim", trim) == "trim-silence",
        callback=RecordingCallback(url=url, method=method, events=events) if url else None,
        track=cast(Literal["inbound", "outbound", "both"], track),
        channels=2 if given.get("channels") == "dual" and track == "both" else 1,
        source=source,
    )
