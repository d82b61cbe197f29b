"""`callrouter run media`: a real process, started, killed and stopped like the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import requests
from media_world import ACCOUNT, RECORDING, answer, tone

from callrouter.voice.media.g711 import encode
from foundation.webserver.service import service_token
from tests.support.deployment import Deployment
from tests.support.origin import Origin


def test_a_recording_and_the_cache_survive_a_kill(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    headers = {"Authorization": f"Bearer {service_token(deployment.keys, 'media', 'test')}"}
    base = f"{deployment.media_url}/v1/Accounts/{ACCOUNT}"
    try:
        deployment.start("media")
        sound = encode(8_000 * np.sin(np.arange(8_000)))
        put = requests.put(f"{base}/recordings/{RECORDING}", data=sound, headers=headers, timeout=20)
        assert put.json() == {"seconds": 1, "silent": False}
        with Origin({"/a.wav": answer(tone(), "Cache-Control: max-age=600")}) as origin:
            asked = {"url": origin.url("/a.wav")}
            first = requests.get(f"{base}/files", asked, headers=headers, timeout=20)
        spoken = requests.get(f"{base}/speech", {"text": "hello"}, headers=headers, timeout=20)
        assert (first.status_code, spoken.status_code) == (200, 200)
        deployment.kill("media")
        deployment.start("media")
        again = requests.get(f"{base}/files", asked, headers=headers, timeout=20)
        assert (again.headers["X-Cache"], again.content) == ("hit", first.content)
        assert (
            requests.get(f"{base}/speech", {"text": "hello"}, headers=headers, timeout=20).content
            == spoken.content
        )
        got = requests.get(f"{base}/recordings/{RECORDING}.wav", headers=headers, timeout=20)
        assert len(got.content) == 44 + 2 * len(sound)
        ready = requests.get(f"{deployment.media_url}/readyz", timeout=20)
        assert ready.json() == {"status": "ok", "faults": {}}
        deployment.stop("media")
    finally:
        deployment.close()
