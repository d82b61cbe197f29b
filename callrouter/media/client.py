"""The media service as the router's REST asks it: recordings to hand out or delete. Sounds have URLs of their own."""

from collections.abc import Mapping
from dataclasses import dataclass

import requests

from foundation.keys import Keys
from foundation.webserver.service import ServiceToken

CONNECT, READ = 1.0, 30.0
"""Seconds; a long recording is converted to MP3 while its listener waits."""
PASSED_ON = ("Content-Type", "Content-Range", "Accept-Ranges", "ETag", "Last-Modified", "Cache-Control")


class MediaUnavailable(Exception):
    """The media service did not answer."""


@dataclass(frozen=True, kw_only=True)
class MediaAnswer:
    status: int
    headers: dict[str, str]
    body: bytes


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
        try:
            response = self._session.request(
                method,
                f"{self._base}/{account_sid}/recordings/{name}",
                headers={**(headers or {}), **self._token.header},
                timeout=(CONNECT, READ),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise MediaUnavailable(f"the media service did not answer: {type(error).__name__}") from error
        passed = {name: response.headers[name] for name in PASSED_ON if name in response.headers}
        return MediaAnswer(status=response.status_code, headers=passed, body=response.content)
