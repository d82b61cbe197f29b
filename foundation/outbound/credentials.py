"""Answers to a 401: the user name and password of the URL, by Basic or Digest (RFC 7617, RFC 7616)."""

from __future__ import annotations

import re
from base64 import b64encode

from requests.auth import HTTPDigestAuth
from requests.utils import parse_dict_header

from .guard import CheckedURL

_SCHEME = re.compile(r"(?:^|,)\s*(basic|digest)\b\s*", re.IGNORECASE)


def authorization(challenge: str, method: str, to: CheckedURL) -> str | None:
    """The Authorization header for a WWW-Authenticate header, or None if we cannot answer it."""
    if not to.username or not (scheme := _SCHEME.search(challenge)):
        return None
    if scheme[1].lower() == "basic":
        return "Basic " + b64encode(f"{to.username}:{to.password}".encode()).decode()
    digest = HTTPDigestAuth(to.username, to.password)
    digest.init_per_thread_state()
    digest._thread_local.chal = parse_dict_header(challenge[scheme.end() :])  # type: ignore[attr-defined, no-untyped-call]
    try:
        return digest.build_digest_header(method, to.url)  # type: ignore[no-any-return, no-untyped-call]
    except KeyError:  # a challenge without realm or nonce
        return None
