"""Reading an answer's body: whole, once, and never more of it than agreed."""

from __future__ import annotations

import zlib

from urllib3.response import HTTPResponse

from .errors import OriginFault

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def read_body(response: HTTPResponse, max_bytes: int) -> bytes:
    """The body without its content coding. Raises OriginFault: 11750 when it is larger than `max_bytes`
    before or after inflating, 11206 for a coding that we did not ask for and do not know. A cut body raises
    urllib3's error."""
    if (response.length_remaining or 0) > max_bytes:
        raise _too_large(max_bytes)
    data = bytearray()
    # One read can return less than it was asked for without an error (M3): only an empty one is the end.
    while piece := response.read(max_bytes + 1 - len(data)):
        data += piece
        if len(data) > max_bytes:
            raise _too_large(max_bytes)
    return _decoded(bytes(data), response.headers.get("Content-Encoding", ""), max_bytes)


def _decoded(data: bytes, coding: str, max_bytes: int) -> bytes:
    coding = coding.strip().lower()
    if coding in ("", "identity") or not data:
        return data
    if coding not in _WINDOWS:
        raise OriginFault(
            11206, f"The answer has the content coding {coding[:40]!r}, which was not asked for"
        )
    inflater = zlib.decompressobj(_WINDOWS[coding])
    try:
        inflated = inflater.decompress(data, max_bytes + 1)
    except zlib.error:
        raise OriginFault(11206, f"The answer's {coding} content coding is broken") from None
    if len(inflated) > max_bytes:
        raise _too_large(max_bytes)
    if not inflater.eof:
        raise OriginFault(11206, f"The answer's {coding} content coding is cut short")
    return inflated


def _too_large(max_bytes: int) -> OriginFault:
    return OriginFault(11750, f"The answer's body is larger than {max_bytes} bytes")
