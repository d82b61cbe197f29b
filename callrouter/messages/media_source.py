"""Getting one of a message's media from where it is said to be, into the media service."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from callrouter.media.client import MediaClient, MediaRefused, MediaUnavailable
from callrouter.media.kinds import MOST_BYTES, TOO_LARGE
from foundation.outbound.errors import Fault, OutboundError
from foundation.outbound.message import OutboundRequest
from foundation.outbound.pool import FetchPool

OTHERS_BYTES = 500_000
"""What a message that goes out may carry of anything but these images (twilio-surface 8)."""
IMAGES = ("image/jpeg", "image/png", "image/gif")
RETRIEVAL_FAILED, NAME_NOT_RESOLVED, BODY_TOO_LARGE, PLATFORM_FAULT = 11200, 11210, 11750, 12400
OWN = re.compile(r"/2010-04-01/Accounts/(AC[0-9a-f]{32})/Messages/[MS]M[0-9a-f]{32}/Media/(ME[0-9a-f]{32})")


@dataclass(frozen=True, kw_only=True)
class Had:
    content_type: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Missed:
    """`code` is Twilio's; `passing`: another try may have it."""

    code: int
    reason: str
    passing: bool = False


class MediaSource:
    def __init__(self, media: MediaClient, *, apps: FetchPool, gateways: FetchPool, base_url: str) -> None:
        """`apps` fetches under the guard against strangers' URLs, `gateways` anywhere; `base_url` is ours."""
        self._media, self._apps, self._gateways, self._base_url = media, apps, gateways, base_url

    async def get(self, message: Any, piece: Any, home: str, left: int) -> Had | Missed:
        """`left`: bytes that it may have. `home`: a carrier's own host, which may be on a private network."""
        own = OWN.fullmatch(piece.url.removeprefix(self._base_url))
        if own and own[1] == message.account_sid:
            got = await asyncio.to_thread(self._ours, message.account_sid, own[2])
        else:
            pool, trusted = (self._gateways, True) if home == host(piece.url) != "" else (self._apps, False)
            got = await self._theirs(pool, piece, max(left, 1), follow=not trusted)
        if isinstance(got, Missed):
            return got
        body, declared = got
        if len(body) > max(left, 0):
            return _too_large(MOST_BYTES)
        try:
            kind = await asyncio.to_thread(
                self._media.keep_attachment, message.account_sid, piece.sid, body, declared
            )
        except MediaUnavailable as error:
            return Missed(code=PLATFORM_FAULT, reason=f"{error}: a fault of this installation", passing=True)
        except MediaRefused as refusal:
            return Missed(code=refusal.code, reason=refusal.reason.rstrip("."))
        if message.direction != "inbound" and kind not in IMAGES and len(body) > OTHERS_BYTES:
            return _too_large(OTHERS_BYTES)
        return Had(content_type=kind, size=len(body))

    async def _theirs(
        self, pool: FetchPool, piece: Any, left: int, *, follow: bool
    ) -> tuple[bytes, str] | Missed:
        request = OutboundRequest(
            url=piece.url,
            method="GET",
            max_bytes=left,
            follow_redirects=follow,
            idempotency_token=piece.sid,
        )
        try:
            response = await pool.fetch(piece.account_sid, request)
        except OutboundError as error:
            if error.code == BODY_TOO_LARGE:
                return _too_large(MOST_BYTES)
            passing = error.fault is not Fault.CUSTOMER or error.code == NAME_NOT_RESOLVED
            return Missed(code=error.code, reason=error.reason, passing=passing)
        if not response.ok:
            reason = f"its server answered {response.status}"
            passing = response.status >= 500 or response.status == 429
            return Missed(code=RETRIEVAL_FAILED, reason=reason, passing=passing)
        return response.body, response.header("Content-Type")

    def _ours(self, account_sid: str, sid: str) -> tuple[bytes, str] | Missed:
        """Media of this account that are here already."""
        try:
            answer = self._media.attachment("GET", account_sid, sid)
        except MediaUnavailable as error:
            return Missed(code=PLATFORM_FAULT, reason=f"{error}: a fault of this installation", passing=True)
        if answer.status != 200:
            return Missed(code=RETRIEVAL_FAILED, reason=f"there are no media {sid}")
        return answer.body, answer.headers.get("Content-Type", "")


def host(url: str) -> str:
    """Empty when it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _too_large(most: int) -> Missed:
    return Missed(code=TOO_LARGE, reason=f"they are larger than the {most} bytes that a message may carry")
