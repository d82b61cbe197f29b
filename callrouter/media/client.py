"""The media service as the router asks it: recordings and the media of messages. Sounds have their own URLs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests

from foundation.keys import Keys
from foundation.webserver.service import ServiceToken

CONNECT, READ = 1.0, 30.0
"""Seconds; a long recording is converted to MP3 while its listener waits."""
TRANSCRIBING = 120.0
"""Seconds for the text of a recording of two minutes."""
NO_ANSWER = 20503
PASSED_ON = (
    *("Content-Type", "Content-Range", "Accept-Ranges", "ETag", "Last-Modified", "Cache-Control"),
    "X-Content-Type-Options",
)


class MediaUnavailable(Exception):
    """The media service did not answer."""


class MediaRefused(Exception):
    """The media service will not keep this; `code` is Twilio's."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass(frozen=True, kw_only=True)
class MediaAnswer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """What is said in a recording; without a `text`, `code` and `reason` tell why there is none."""

    status: int
    text: str | None = None
    code: int = 0
    reason: str = ""


class MediaClient:
    """Blocking calls; safe to use from many threads."""

    def __init__(self, base_url: str, keys: Keys) -> None:
        self._base = f"{base_url}/v1/Accounts"
        self._token = ServiceToken(keys, "media", "router")
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        self._session.close()

    def recording(
        self, method: str, account_sid: str, name: str, headers: Mapping[str, str] | None = None
    ) -> MediaAnswer:
        """GET, HEAD or DELETE of a recording: `name` is its sid, with .wav or .mp3 if wanted."""
        return _passed(self._ask(method, f"{account_sid}/recordings/{name}", READ, headers or {}))

    def attachment(
        self, method: str, account_sid: str, sid: str, headers: Mapping[str, str] | None = None
    ) -> MediaAnswer:
        """GET, HEAD or DELETE of a message's media (ME…)."""
        return _passed(self._ask(method, f"{account_sid}/attachments/{sid}", READ, headers or {}))

    def keep_attachment(self, account_sid: str, sid: str, body: bytes, content_type: str) -> str:
        """Stores a message's media: the type that they really are of. MediaRefused when they can't be kept."""
        headers = {"Content-Type": content_type or "application/octet-stream"}
        response = self._ask("PUT", f"{account_sid}/attachments/{sid}", READ, headers, body)
        answer = _json(response)
        if response.ok:
            return str(answer["content_type"])
        if response.status_code >= 500:
            raise MediaUnavailable(f"the media service answered {response.status_code}")
        raise MediaRefused(int(answer.get("code", NO_ANSWER)), str(answer.get("message", "")))

    def transcription(self, account_sid: str, sid: str) -> Transcript:
        """The text of a recording that is stored; English, as Twilio's."""
        path = f"{account_sid}/recordings/{sid}/transcription?language=en-US"
        response = self._ask("POST", path, TRANSCRIBING, {})
        try:
            body = response.json()
            if response.ok:
                return Transcript(status=response.status_code, text=str(body["text"]))
            code, reason = int(body["code"]), str(body["message"])
        except (ValueError, LookupError, TypeError):
            code, reason = NO_ANSWER, f"The media service answered {response.status_code} without a reason."
        return Transcript(status=response.status_code, code=code, reason=reason)

    def speech(self, account_sid: str, text: str) -> bytes | None:
        """What a voice says, G.711 mu-law at 8,000 Hz; None where nothing can speak."""
        query = urlencode({"text": text, "markup": 0, "voice": "", "language": "en-US"})
        response = self._ask("GET", f"{account_sid}/speech?{query}", READ, {})
        return response.content if response.ok else None

    def _ask(
        self, method: str, path: str, seconds: float, headers: Mapping[str, str], body: bytes | None = None
    ) -> requests.Response:
        try:
            return self._session.request(
                method,
                f"{self._base}/{path}",
                headers={**headers, **self._token.header},
                data=body,
                timeout=(CONNECT, seconds),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise MediaUnavailable(f"the media service did not answer: {type(error).__name__}") from error


def _passed(response: requests.Response) -> MediaAnswer:
    passed = {name: response.headers[name] for name in PASSED_ON if name in response.headers}
    return MediaAnswer(status=response.status_code, headers=passed, body=response.content)


def _json(response: requests.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise MediaUnavailable(f"the media service answered {response.status_code} without a reason")
    return body
