"""What an app says through a stream: its audio played by the leg in order, its marks returned when they are reached."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from .media.packet import SAMPLE_RATE, SAMPLES
from .media.tones import SILENT_FRAME
from .media.voices import Frame, Job

_ROOM = 120 * SAMPLE_RATE  # bytes
_MAX_MARKS = 1000
_HEAD_START = 2  # frames that an app which speaks in real time may be late


class PlayerFull(Exception):
    """There is no room for more: what was to be played, or marked, is not."""


class Player:
    """Takes audio far ahead of its time: two minutes of it, then `PlayerFull`; what is there goes on.

    It speaks as one of the leg's jobs, of kind `stream`, as long as there is audio. If something else ends
    that job it forgets its audio, as after `clear`.
    """

    def __init__(self, begin: Callable[[Job], bool], reached: Callable[[str], None]) -> None:
        self._begin = begin
        self._reached = reached
        self._audio = bytearray()
        self._marks: deque[tuple[int, str]] = deque()  # place, name
        self._taken = self._played = 0  # bytes: places count from the first that ever came
        self._speaking = False

    def play(self, audio: bytes) -> None:
        """Audio of any length, after what is there."""
        if len(self._audio) + len(audio) > _ROOM:
            raise PlayerFull(f"more than {_ROOM // SAMPLE_RATE} s of audio wait to be played")
        self._audio += audio
        self._taken += len(audio)
        if self._audio and not self._speaking:
            self._speaking = True
            if not self._begin(Job(id="", kind="stream", frames=self._frames(), ended=self._ended)):
                self._ended("stopped")
                raise PlayerFull("too many other jobs wait on this leg")

    def mark(self, name: str) -> None:
        """Return the name when all audio before is played: at once if there is none."""
        if len(self._marks) >= _MAX_MARKS:
            raise PlayerFull(f"more than {_MAX_MARKS} marks wait to be reached")
        self._marks.append((self._taken, name))
        if not self._speaking:
            self._return()

    def clear(self) -> None:
        """Forget the audio that is not played yet; every mark is reached now."""
        self._audio.clear()
        self._played = self._taken
        self._return()

    def _frames(self) -> Iterator[Frame]:
        for _ in range(_HEAD_START):
            if len(self._audio) > _HEAD_START * SAMPLES:
                break
            yield Frame(payload=SILENT_FRAME)
        while self._audio:
            payload = bytes(self._audio[:SAMPLES])
            del self._audio[:SAMPLES]
            end = self._taken - len(self._audio)
            yield Frame(payload=payload.ljust(SAMPLES, SILENT_FRAME[:1]))
            self._played = max(self._played, end)
            self._return()

    def _return(self) -> None:
        while self._marks and self._marks[0][0] <= self._played:
            self._reached(self._marks.popleft()[1])

    def _ended(self, reason: str) -> None:
        self._speaking = False
        self.clear()
