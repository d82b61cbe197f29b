"""A recognition engine behind a WebSocket, in the words that vosk-server understands.

    -> {"config": {"sample_rate": 8000, "language": "en-US", "phrase_list": ["sales"]}}
    -> binary: linear samples of 16 bits, little-endian          <- {"partial": "…"} or {"text": "…"}, as it likes
    -> {"eof" : 1}                                                <- {"text": "…", "confidence": 0.9}

Each `text` is a piece of what was said. After the last one the engine closes.
"""

from __future__ import annotations

import json
import time

from websockets.exceptions import ConnectionClosedOK, WebSocketException
from websockets.sync.client import ClientConnection, connect

from callrouter.media.conversion import RATE
from callrouter.media.recognition import answer
from callrouter.media.recognition.recogniser import Heard, Question, service_failed
from callrouter.voice.media.g711 import decode

AT_ONCE = 32
CONNECT_SECONDS = 3.0
CLOSE_SECONDS = 0.5
CHUNK = 8_000
"""Samples in one message. An engine may answer each of them; its answers wait in the socket meanwhile."""
MOST_MESSAGES = 1_000
END = '{"eof" : 1}'
"""vosk-server compares it letter by letter."""


class StreamRecogniser:
    """A connection for each question."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.at_once = AT_ONCE

    def hear(self, question: Question, seconds: float) -> Heard:
        ends = time.monotonic() + seconds
        try:
            with _connection(self._url, min(seconds, CONNECT_SECONDS)) as socket:
                _tell(socket, question, ends)
                pieces = _pieces(socket, ends)
                return answer.joined([(piece, len(piece.text)) for piece in pieces])
        except TimeoutError as error:
            raise service_failed(f"did not answer within {seconds:.3g} s") from error
        except (OSError, WebSocketException) as error:
            raise service_failed(f"cannot be used: {type(error).__name__}") from error

    def close(self) -> None:
        pass


def _connection(url: str, seconds: float) -> ClientConnection:
    return connect(
        url,
        open_timeout=seconds,
        close_timeout=CLOSE_SECONDS,
        max_size=answer.MOST_BYTES,
        compression=None,
        proxy=None,
        ping_interval=None,
    )


def _tell(socket: ClientConnection, question: Question, ends: float) -> None:
    config = {"sample_rate": RATE, "language": question.language, "phrase_list": list(question.hints)}
    # A peer that does not read would hold a blocking send up for ever.
    socket.socket.settimeout(max(ends - time.monotonic(), 0.001))
    socket.send(json.dumps({"config": config}))
    for at in range(0, len(question.mulaw), CHUNK):
        socket.send(decode(question.mulaw[at : at + CHUNK]).astype("<i2").tobytes())
    socket.send(END)


def _pieces(socket: ClientConnection, ends: float) -> list[Heard]:
    """All that was heard, when the engine has closed."""
    pieces = []
    for _ in range(MOST_MESSAGES):
        try:
            message = socket.recv(timeout=max(ends - time.monotonic(), 0))
        except ConnectionClosedOK:
            break
        if isinstance(message, bytes) or '"partial"' not in message:
            pieces.append(answer.heard(message))
    else:
        raise service_failed(f"sent more than {MOST_MESSAGES} messages")
    if not pieces:
        raise service_failed("closed without an answer")
    return pieces
