"""A speech engine behind HTTP: JSON goes there, a sound file comes back."""

from __future__ import annotations

import hashlib
import json

from callrouter.media.speech.speaker import MOST_BYTES, SECONDS, Audio, SpeechFailed, Utterance
from foundation.outbound import Fetcher, OutboundError, OutboundRequest, Overrides

ANYWHERE = ("0.0.0.0/0", "::/0")
"""The operator named it, so it may be on this machine."""


class ServiceSpeaker:
    """POSTs `{"text", "markup", "voice", "language"}` to `url`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._fetcher = Fetcher(allow=ANYWHERE, user_agent="callrouter")
        self.version = f"service {hashlib.sha256(url.encode()).hexdigest()[:16]}"

    def say(self, utterance: Utterance) -> Audio:
        asked = {
            "text": utterance.text,
            "markup": utterance.markup,
            "voice": utterance.voice,
            "language": utterance.language,
        }
        milliseconds = int(SECONDS * 1000)
        request = OutboundRequest(
            url=self._url,
            body=json.dumps(asked).encode(),
            max_bytes=MOST_BYTES,
            overrides=Overrides(read_ms=milliseconds, total_ms=milliseconds),
        )
        try:
            answer = self._fetcher.fetch(request)
        except OutboundError as error:
            raise SpeechFailed(20503, f"The speech service cannot be used: {error.reason}.") from error
        if not answer.ok:
            raise SpeechFailed(20503, f"The speech service answered with status {answer.status}.")
        return Audio(body=answer.body, content_type=answer.header("Content-Type"))

    def close(self) -> None:
        self._fetcher.close()
