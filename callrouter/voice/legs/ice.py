"""ICE-lite (RFC 8445 section 2.5): we only answer checks, and learn the browser's address from them.

One agent per leg. Pure: a parsed STUN message, a source and a time in; a response and a verdict out.
"""

from __future__ import annotations

import secrets
import struct
from collections import OrderedDict
from dataclasses import dataclass

from aioice import stun

Source = tuple[str, int]

_MAX_TRANSACTIONS = 128


def parse_check(data: bytes) -> stun.Message | None:
    """A binding request, or None for any other datagram, well-formed or not."""
    if len(data) < 20 or data[4:8] != b"\x21\x12\xa4\x42" or data[:2] != b"\x00\x01":
        return None
    try:
        message = stun.parse_message(data)
    except (ValueError, struct.error, IndexError):
        return None
    username = message.attributes.get("USERNAME")
    return message if isinstance(username, str) and ":" in username else None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`valid`: the check proved knowledge of our password; `far_ufrag` is who says so."""

    response: bytes | None = None
    valid: bool = False
    nominated: bool = False
    far_ufrag: str = ""


class IceAgent:
    """Our credentials, and when the browser last proved to know them."""

    def __init__(self) -> None:
        self.remote_ufrag: str | None = None
        self.consented_at: float | None = None
        self.restart()

    def restart(self) -> None:
        """New credentials; what was sent under the old ones proves nothing any more."""
        self.ufrag = secrets.token_hex(4)
        self._pwd = secrets.token_hex(16)
        self._seen: OrderedDict[bytes, Source] = OrderedDict()

    @property
    def pwd(self) -> str:
        return self._pwd

    def check(self, message: stun.Message, source: Source, now: float) -> Verdict:
        """Judge one binding request whose USERNAME begins with our ufrag (RFC 8445 section 7.3)."""
        ours, _, theirs = message.attributes["USERNAME"].partition(":")
        expected = self.remote_ufrag
        if ours != self.ufrag or (expected is not None and theirs != expected):
            return Verdict(response=self._error(message, 401, "Unauthorized"))
        if not message.check_message_integrity(self._pwd.encode()):
            return Verdict(response=self._error(message, 401, "Unauthorized"))
        if "ICE-CONTROLLED" in message.attributes:  # a lite agent is never the controlling one
            return Verdict(response=self._error(message, 487, "Role Conflict", signed=True))
        # A check that was seen from elsewhere is a replay: it must not move the audio to the replayer.
        if self._seen.setdefault(message.transaction_id, source) != source:
            return Verdict()
        if len(self._seen) > _MAX_TRANSACTIONS:
            self._seen.popitem(last=False)
        self.consented_at = now
        answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, message.transaction_id)
        answer.attributes["XOR-MAPPED-ADDRESS"] = source[:2]
        answer.add_message_integrity(self._pwd.encode())
        return Verdict(
            response=bytes(answer),
            valid=True,
            nominated="USE-CANDIDATE" in message.attributes,
            far_ufrag=theirs,
        )

    def _error(self, message: stun.Message, code: int, text: str, *, signed: bool = False) -> bytes:
        answer = stun.Message(stun.Method.BINDING, stun.Class.ERROR, message.transaction_id)
        answer.attributes["ERROR-CODE"] = (code, text)
        if signed:
            answer.add_message_integrity(self._pwd.encode())
        else:
            answer.add_fingerprint()
        return bytes(answer)
