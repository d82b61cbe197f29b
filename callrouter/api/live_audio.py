"""What the API asks of the audio of live calls."""

from typing import Literal, Protocol

from instructions.commands import Record, StartStream


class LiveAudio(Protocol):
    """Each method blocks until the change is stored. ApiError 400/21220 when the call is not in progress."""

    def start_recording(self, account_sid: str, call_sid: str, wanted: Record) -> str:
        """Records the call from now on: the recording's SID. ApiError 400/16108 when it is recorded already."""

    def steer_recording(
        self,
        account_sid: str,
        call_sid: str,
        sid: str,
        to: Literal["paused", "in-progress", "stopped"],
        *,
        skip: bool,
    ) -> bool:
        """Pauses it (`skip`: the pause is left out, else it is silence), goes on, or ends it; False: it is over."""

    def current_recording(self, account_sid: str, call_sid: str) -> str | None:
        """The SID of the recording of this call that goes on, if one does."""

    def start_stream(self, account_sid: str, call_sid: str, wanted: StartStream) -> str:
        """Streams the call from now on: the stream's SID. Its row is missing if the call was quicker to end."""

    def stop_stream(self, account_sid: str, call_sid: str, sid: str) -> None:
        """Ends it, if it is live."""
