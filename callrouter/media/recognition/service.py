"""A recognition engine behind HTTP: a WAV file goes there, JSON comes back."""

from __future__ import annotations

from urllib.parse import urlencode

from callrouter.media import wav
from callrouter.media.recognition import answer
from callrouter.media.recognition.recogniser import Heard, Question, service_failed
from callrouter.media.speech.service import ANYWHERE
from foundation.outbound import Fetcher, OutboundError, OutboundRequest, Overrides

AT_ONCE = 32
HINTS_LENGTH = 4_000
"""Characters of hints that go into the URL; the later ones are left out."""


class ServiceRecogniser:
    """POSTs the WAV to `url`, with `language` and `hints` in its query."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._fetcher = Fetcher(allow=ANYWHERE, user_agent="callrouter")
        self.at_once = AT_ONCE

    def hear(self, question: Question, seconds: float) -> Heard:
        hints = ",".join(question.hints)
        if len(hints) > HINTS_LENGTH:
            hints = hints[: HINTS_LENGTH + 1].rpartition(",")[0]
        asked = urlencode({"language": question.language, "hints": hints})
        milliseconds = max(int(seconds * 1000), 1)
        request = OutboundRequest(
            url=f"{self._url}{'&' if '?' in self._url else '?'}{asked}",
            body=wav.of_mulaw(question.mulaw),
            content_type="audio/wav",
            max_bytes=answer.MOST_BYTES,
            overrides=Overrides(read_ms=milliseconds, total_ms=milliseconds),
        )
        try:
            answered = self._fetcher.fetch(request)
        except OutboundError as error:
            raise service_failed(f"cannot be used: {error.reason}") from error
        if not answered.ok:
            raise service_failed(f"answered with status {answered.status}")
        return answer.heard(answered.body)

    def close(self) -> None:
        self._fetcher.close()
