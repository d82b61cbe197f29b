"""M5: tricks with the framing of requests. Whatever comes first, the request hidden behind it never runs."""

import json
from collections.abc import Iterator

import pytest

from foundation.webserver import protocol, serve
from tests.foundation.webserver_world import Served, Views

HIDDEN = b"GET /echo/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked"


def post(*lines: bytes, body: bytes) -> bytes:
    return b"\r\n".join([b"POST /echo/first HTTP/1.1", b"Host: x", *lines, b"", body])


ENDS_CHUNKS = b"0\r\n\r\n" + HIDDEN
AS_BODY = len(ENDS_CHUNKS)

TRICKS = {
    "CL and TE": post(b"Content-Length: %d" % AS_BODY, CHUNKED, body=ENDS_CHUNKS),
    "TE and CL": post(CHUNKED, b"Content-Length: %d" % AS_BODY, body=ENDS_CHUNKS),
    "two lengths": post(b"Content-Length: %d" % len(HIDDEN), b"Content-Length: 0", body=HIDDEN),
    "two lengths in one": post(b"Content-Length: %d, 0" % len(HIDDEN), body=HIDDEN),
    "length with sign": post(b"Content-Length: +0", body=HIDDEN),
    "negative length": post(b"Content-Length: -1", body=HIDDEN),
    "length in hex": post(b"Content-Length: 0x0", body=HIDDEN),
    "length with underscore": post(b"Content-Length: 0_0", body=HIDDEN),
    "length too big": post(b"Content-Length: 18446744073709551616", body=HIDDEN),
    "blank before colon": post(b"Content-Length : 0", body=HIDDEN),
    "blank before TE's colon": post(b"Transfer-Encoding : chunked", body=ENDS_CHUNKS),
    "folded header": post(b"A: b", b" Content-Length: 0", body=HIDDEN),
    "folded TE": post(b"Transfer-Encoding:", b" chunked", b"Content-Length: %d" % AS_BODY, body=ENDS_CHUNKS),
    "unknown coding": post(b"Transfer-Encoding: xchunked", body=ENDS_CHUNKS),
    "chunked is not last": post(b"Transfer-Encoding: chunked, identity", body=ENDS_CHUNKS),
    "vertical tab": post(b"Transfer-Encoding: \x0bchunked", body=ENDS_CHUNKS),
    "NUL in a header": post(b"A: \x00b", b"Content-Length: 0", body=HIDDEN),
    "CR in a header": post(b"A: b\rContent-Length: 0", body=HIDDEN),
    "chunk size with sign": post(CHUNKED, body=b"+0\r\n\r\n" + HIDDEN),
    "chunk size in words": post(CHUNKED, body=b"zero\r\n\r\n" + HIDDEN),
    "chunk size negative": post(CHUNKED, body=b"-1\r\n\r\n" + HIDDEN),
    "chunk size 0x": post(CHUNKED, body=b"0x0\r\n\r\n" + HIDDEN),
    "chunk size too big": post(CHUNKED, body=b"10000000000000000\r\n\r\n" + HIDDEN),
    "chunk without end": post(CHUNKED, body=b"3\r\nabcXX\r\n" + ENDS_CHUNKS),
    "bare LF after a chunk": post(CHUNKED, body=b"3\r\nabc\n" + ENDS_CHUNKS),
    "last chunk with bare CR": post(CHUNKED, body=b"0\r\r\n" + HIDDEN),
    "HTTP/0.9": b"GET /echo/first\r\n" + HIDDEN,
    "unknown version": b"GET /echo/first HTTP/9.9\r\nHost: x\r\n\r\n" + HIDDEN,
    "after close": b"GET /echo/first HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + HIDDEN,
    "an upgrade": post(
        b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: %d" % len(HIDDEN), body=HIDDEN
    ),
    "a body too large": post(b"Content-Length: 9000", body=b"x" * 9000 + HIDDEN),
}


@pytest.fixture
def views() -> Views:
    return Views()


@pytest.fixture
def server(views: Views, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Closes a quiet connection soon, so that a test can read to the end."""
    monkeypatch.setattr(serve, "KEEP_ALIVE_SECONDS", 0.5)
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
    bridge = views.bridge(body_limit=1000, body_seconds=0.5)
    with Served(bridge) as served:
        yield served
    bridge.close()


@pytest.mark.parametrize("trick", TRICKS)
def test_m5_no_second_request_runs(trick: str, server: Served, views: Views) -> None:
    answer = server.exchange(TRICKS[trick])
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert b"HTTP/1.1 5" not in answer
    assert views.calls in ([], ["/echo/first"])


def test_requests_in_a_row_are_all_served_in_order(server: Served, views: Views) -> None:
    """The opposite of a trick, so that the test above can fail: pipelining is legal."""
    whole = post(CHUNKED, body=b"3\r\nabc\r\n0\r\n\r\n") + post(b"Content-Length: 2", body=b"ab") + HIDDEN
    answer = server.exchange(whole.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert views.calls == ["/echo/first", "/echo/first", "/echo/hidden"]


def test_trailers_never_pass_for_headers(server: Served) -> None:
    trailers = b"0\r\nAuthorization: Bearer forged\r\nX-Twilio-Signature: forged\r\n\r\n"
    answer = server.exchange(post(CHUNKED, b"Connection: close", body=b"3\r\nabc\r\n" + trailers))
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert body["length"] == 3
    assert not any("forged" in value for value in body["headers"].values())


@pytest.mark.parametrize("host", [b"", b"Host: a\r\nHost: b\r\n", b"Host: a/b\r\n", b"Host: \r\n"])
def test_odd_hosts_break_nothing(host: bytes, server: Served) -> None:
    answer = server.exchange(b"GET /echo HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n")
    assert answer.split(b" ")[1] in (b"200", b"400")
