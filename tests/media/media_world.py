"""A media service on a socket, with a clock of ours, and sound files made here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import requests

from callrouter.media.server import MediaServer
from foundation.keys import Keys
from foundation.settings import Settings
from foundation.webserver.service import service_token
from tests.foundation.webserver_world import Served
from tests.support.origin import Step

ACCOUNT = "AC" + "a" * 32
OTHER = "AC" + "b" * 32
RECORDING = "RE" + "c" * 32
KEYS = Keys(["a master key that only the tests know about"])
SECONDS = 30


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(kw_only=True)
class Media:
    """The service as the router and the nodes see it."""

    url: str
    time: Time
    folder: Path
    session: requests.Session = field(default_factory=requests.Session)

    def ask(self, method: str, path: str, account: str = ACCOUNT, **options: Any) -> requests.Response:
        headers = {
            "Authorization": f"Bearer {service_token(KEYS, 'media', 'test')}",
            **options.pop("headers", {}),
        }
        url = path if path.startswith("http") else f"{self.url}/v1/Accounts/{account}/{path}"
        return requests.request(method, url, headers=headers, timeout=SECONDS, **options)

    def file(self, url: str, account: str = ACCOUNT, **options: Any) -> requests.Response:
        return self.ask("GET", "files", account, params={"url": url}, **options)

    def speech(self, text: str, account: str = ACCOUNT, **parameters: str) -> requests.Response:
        return self.ask("GET", "speech", account, params={"text": text, **parameters})

    def metric(self, name: str, **labels: str) -> float:
        """A sample from /metrics; 0 when there is none yet."""
        said = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        wanted = f"{name}{{{said}}}"
        lines = requests.get(f"{self.url}/metrics", timeout=SECONDS).text.splitlines()
        return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(wanted)), 0.0)


@contextmanager
def media(folder: Path, **settings: Any) -> Iterator[Media]:
    """A service that may reach 127.0.0.1."""
    values: dict[str, Any] = {"outbound_allow": ("127.0.0.0/8",), "speech_engine": "none", **settings}
    time = Time()
    server = MediaServer(Settings(data_dir=folder, **values), KEYS, time)
    try:
        with Served(server) as served:
            yield Media(url=served.url, time=time, folder=folder)
    finally:
        server.close()


def code(response: requests.Response) -> tuple[int, int]:
    """Status and code of an error; its body has exactly Twilio's four keys."""
    body = response.json()
    assert set(body) == {"code", "message", "more_info", "status"}, body
    assert body["status"] == response.status_code
    return response.status_code, body["code"]


def answer(
    body: bytes, *lines: str, type: str = "audio/wav", status: int = 200, length: int | None = None
) -> list[Step]:
    """An origin's complete answer."""
    size = len(body) if length is None else length
    head = [f"HTTP/1.1 {status} Scripted", f"Content-Type: {type}", f"Content-Length: {size}", *lines]
    return ["\r\n".join([*head, "", ""]).encode() + body]


def tone(
    format: str = "wav",
    codec: str = "pcm_s16le",
    *,
    rate: int = 8_000,
    seconds: float = 0.5,
    hz: float = 440.0,
    channels: int = 1,
    level: int = 10_000,
) -> bytes:
    """A sound file with one tone on all channels, made by PyAV."""
    layout = "stereo" if channels == 2 else "mono"
    wave = (level * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(np.repeat(wave, channels)[None, :], format="s16", layout=layout)
    frame.sample_rate = rate
    file = io.BytesIO()
    with av.open(file, "w", format=format) as container:
        stream = cast("av.AudioStream", container.add_stream(codec, rate=rate))
        stream.layout = layout
        resampler = av.AudioResampler(
            format=stream.format.name, layout=layout, rate=rate, frame_size=stream.frame_size or None
        )
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return file.getvalue()
