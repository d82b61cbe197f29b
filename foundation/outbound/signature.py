"""Signatures of requests: Twilio's X-Twilio-Signature and the carrier protocol's `v1` body signature.

Twilio's is HMAC-SHA1, which we give because its libraries check it; it covers no time and so allows replay.
The `v1` signature covers a timestamp and the raw body. All comparisons are in constant time and on bytes
(M9).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence

Params = Iterable[tuple[str, str]]
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


class SignatureRefused(Exception):
    """The sender did not prove who it is; `reason` says what was missing, for the log and the sender."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def twilio_signature(auth_token: str, url: str, params: Params = ()) -> str:
    """X-Twilio-Signature of a request to `url` (as sent, without fragment and credentials).

    `params` are the form's parameters: names in byte order, repeated values once each and sorted, name and
    value joined without separators. GET and JSON requests sign the URL only.
    """
    pairs = sorted(set(params))  # by code point, which is the byte order of UTF-8
    text = url + "".join(name + value for name, value in pairs)
    return b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def verify_twilio_signature(auth_token: str, url: str, params: Params, signature: str) -> bool:
    expected = twilio_signature(auth_token, url, params)
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))


def body_sha256_query(body: bytes) -> str:
    """What is added to the URL's query, before it is signed, when the body is no form."""
    return "bodySHA256=" + hashlib.sha256(body).hexdigest()


def sign_body(secret: str, timestamp: int, body: bytes) -> str:
    """`v1=` and the hexadecimal HMAC-SHA256 over the Unix time in seconds, a full stop and the raw body."""
    return "v1=" + hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()


def verify_body(
    secrets: Sequence[str],
    timestamp_header: str | None,
    signature_header: str | None,
    body: bytes,
    now: float,
    window: int = 300,
) -> None:
    """Passes when one of the header's signatures (parted by spaces) fits one of the secrets (several while
    they rotate) and the timestamp is within `window` seconds of `now`. Raises SignatureRefused otherwise, and
    always when no secret is configured: a missing key fails closed."""
    usable = [secret for secret in secrets if secret]
    if not usable:
        raise SignatureRefused("no secret is configured for this sender")
    if not timestamp_header or not signature_header:
        raise SignatureRefused("the timestamp or the signature is missing")
    if not _TIMESTAMP.fullmatch(timestamp_header):
        raise SignatureRefused("the timestamp is not a whole number of seconds")
    if abs(now - int(timestamp_header)) > window:
        raise SignatureRefused(f"the timestamp is more than {window} seconds from our clock")
    given = [part.encode("utf-8", "replace") for part in signature_header.split(" ")[:8]]
    fits = False
    for secret in usable:
        expected = sign_body(secret, int(timestamp_header), body).encode()
        for signature in given:
            fits |= hmac.compare_digest(expected, signature)
    if not fits:
        raise SignatureRefused("no signature fits this body")
