"""Sound files as a customer's app serves them."""

import io
import wave

import numpy as np

from tests.support.origin import Step


def tone(hz: float, seconds: float, rate: int = 16_000) -> bytes:
    """A WAV file, of another rate than the telephone's."""
    samples = (np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate) * 8000).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, rate, 0, "NONE", ""))
        writer.writeframes(samples.tobytes())
    return file.getvalue()


def served(body: bytes, media_type: str = "audio/wav") -> list[Step]:
    """A whole answer with this body."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return [head.encode() + body]
