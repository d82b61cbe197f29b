"""Fetches against a scripted origin over real sockets: Twilio surface 4.6, reliability M1 to M3, peers 3."""

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from foundation.outbound import (
    Fault,
    Fetcher,
    OutboundError,
    OutboundRequest,
    OutboundResponse,
    Overloaded,
    Refused,
)
from foundation.outbound.idle import IdleConnections
from tests.support.origin import CLOSE, HANG, RESET, Origin, Received, Script, drip, endless, redirect, reply

HELLO = reply(body=b"<Response/>")
FORM = (("CallSid", "CA1"), ("From", "+15550001"), ("Digits", "1"), ("Digits", "2"), ("Empty", ""))


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    fetcher = Fetcher(allow=["127.0.0.0/8", "localhost"])
    yield fetcher
    fetcher.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Origin]]:
    """Starts origins that are closed at the end."""
    origins: list[Origin] = []

    def start(answers: object = HELLO, **kwargs: object) -> Origin:
        same_for_all = isinstance(answers, list)
        origins.append(Origin((lambda _: answers) if same_for_all else answers, **kwargs))  # type: ignore[arg-type]
        return origins[-1]

    yield start
    for origin in origins:
        origin.close()


def failure(fetcher: Fetcher, url: str, **fields: object) -> OutboundError:
    with pytest.raises(OutboundError) as caught:
        fetcher.fetch(OutboundRequest(url=url, **fields))  # type: ignore[arg-type]
    return caught.value


Serve = Callable[..., Origin]


def test_post_sends_a_form_with_twilios_headers_and_a_valid_signature(fetcher: Fetcher, serve: Serve) -> None:
    origin = serve()
    url = origin.url("/voice?shop=1%2b")
    answer = fetcher.fetch(OutboundRequest(url=url + "#rc=2", params=FORM, auth_token="12345"))
    assert (answer.ok, answer.status, answer.body, answer.url) == (True, 200, b"<Response/>", url)
    assert answer.header("content-type") == "text/xml"
    [got] = origin.received
    assert got.target == "/voice?shop=1%2b"
    assert got.headers["user-agent"] == "TwilioProxy/1.1"
    assert got.headers["content-type"] == "application/x-www-form-urlencoded; charset=utf-8"
    assert got.headers["accept-encoding"] == "identity"
    assert len(got.headers["i-twilio-idempotency-token"]) == 36
    form = MultiDict(parse_qsl(got.body.decode(), keep_blank_values=True))
    assert list(form.items(multi=True)) == list(FORM)
    signature = got.headers["x-twilio-signature"]
    assert RequestValidator("12345").validate(f"http://{got.headers['host']}{got.target}", form, signature)
    assert len(answer.attempts) == 1


def test_get_appends_the_parameters_to_the_query_and_signs_the_url(fetcher: Fetcher, serve: Serve) -> None:
    origin = serve()
    fetcher.fetch(OutboundRequest(url=origin.url("/v?a=1"), method="GET", params=FORM, auth_token="12345"))
    [got] = origin.received
    assert parse_qs(urlsplit(got.target).query, keep_blank_values=True)["Digits"] == ["1", "2"]
    assert got.target.startswith("/v?a=1&CallSid=CA1&")
    assert got.body == b""
    url = f"http://{got.headers['host']}{got.target}"
    assert RequestValidator("12345").validate(url, {}, got.headers["x-twilio-signature"])


def test_json_is_signed_by_its_hash_in_the_query(fetcher: Fetcher, serve: Serve) -> None:
    origin = serve()
    fetcher.fetch(OutboundRequest(url=origin.url("/events"), body=b'{"a": 1}', auth_token="12345"))
    [got] = origin.received
    assert got.headers["content-type"] == "application/json"
    url = f"http://{got.headers['host']}{got.target}"
    assert RequestValidator("12345").validate(url, '{"a": 1}', got.headers["x-twilio-signature"])


def test_keep_alive_uses_one_connection(fetcher: Fetcher, serve: Serve) -> None:
    origin = serve()
    for _ in range(5):
        fetcher.fetch(OutboundRequest(url=origin.url()))
    assert origin.connections == 1


def test_a_connection_closed_between_two_requests_is_replaced_with_the_same_token(
    fetcher: Fetcher, serve: Serve
) -> None:
    """The second request meets a server that reads it and closes without a byte: it is sent again, once."""

    def script(request: Received) -> Script:
        return HELLO if request.connection > 1 or len(origin.received) == 1 else [CLOSE]

    origin = serve(script)
    fetcher.fetch(OutboundRequest(url=origin.url()))
    answer = fetcher.fetch(OutboundRequest(url=origin.url("#rc=0")))
    assert answer.ok
    first, second, third = origin.received
    assert [first.connection, second.connection, third.connection] == [1, 1, 2]
    tokens = [request.headers["i-twilio-idempotency-token"] for request in (first, second, third)]
    assert tokens[0] != tokens[1] == tokens[2]


def test_a_fresh_connection_closed_without_an_answer_is_not_sent_again(
    fetcher: Fetcher, serve: Serve
) -> None:
    origin = serve([CLOSE])
    assert failure(fetcher, origin.url()).code == 11206
    assert len(origin.received) == 1


def test_a_cut_head_on_a_kept_connection_is_not_sent_again(fetcher: Fetcher, serve: Serve) -> None:
    """The server had begun to answer, so it has run the request."""
    origin = serve(lambda request: HELLO if request.path == "/" else [b"HTTP/1.1 200", RESET])
    fetcher.fetch(OutboundRequest(url=origin.url()))
    assert failure(fetcher, origin.url("/cut#rc=0")).code == 11206
    assert origin.paths() == ["/", "/cut"]


def test_refused(fetcher: Fetcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = failure(fetcher, f"http://user:secret@127.0.0.1:{port}/x#top")
    assert (error.code, error.fault, error.url) == (11202, Fault.ORIGIN, f"http://127.0.0.1:{port}/x")
    assert [attempt.error_code for attempt in error.attempts] == [11202, 11202]  # one retry by default
    assert "secret" not in str(error)


def test_connect_timeout(fetcher: Fetcher) -> None:
    """A listener with a full backlog answers no SYN."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fill = [socket.socket() for _ in range(4)]
        for one in fill:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        error = failure(fetcher, f"http://127.0.0.1:{listener.getsockname()[1]}/#ct=100&rc=2")
        for one in fill:
            one.close()
    assert error.code == 11201
    assert len(error.attempts) == 3


WAITS: dict[str, Callable[[], Script]] = {
    "hang": lambda: [HANG],
    "head without end": lambda: [b"HTTP/1.1 200 OK\r\nX-", HANG],
    "dripped head": lambda: drip(HELLO[0], 0.05),  # type: ignore[arg-type]
    "hang in the body": lambda: [*reply(body=b"<Resp", length=11), HANG],
    "dripped body": lambda: [reply(length=9_000)[0], *list(drip(b"x" * 100, 0.05))],
    "dripped chunks": lambda: [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        *[b"1\r\nx\r\n", 0.05] * 100,
    ],
    "endless 100s": lambda: [b"HTTP/1.1 100 Continue\r\n\r\n", 0.02] * 200,
}


@pytest.mark.parametrize("name", WAITS)
@pytest.mark.parametrize(("limit", "code"), [("tt=250", 11203), ("rt=250", 11200)])
def test_m2_no_trick_outlives_the_deadline(
    fetcher: Fetcher, serve: Serve, name: str, limit: str, code: int
) -> None:
    origin = serve(lambda _: WAITS[name]())
    began = time.monotonic()
    error = failure(fetcher, origin.url(f"/#{limit}"))
    assert (error.code, error.fault) == (code, Fault.ORIGIN)
    assert time.monotonic() - began < 1.5
    assert len(error.attempts) == 1


def test_the_total_time_spans_redirects(fetcher: Fetcher, serve: Serve) -> None:
    origin = serve(lambda _: [0.1, *redirect("/again")])
    assert failure(fetcher, origin.url("/#tt=350")).code == 11203
    assert 2 <= len(origin.received) <= 4


def test_time_in_our_queue_counts_and_is_our_fault(fetcher: Fetcher, serve: Serve) -> None:
    origin = serve()
    with pytest.raises(OutboundError) as caught:
        fetcher.fetch(OutboundRequest(url=origin.url("/")), started=time.monotonic() - 16)
    assert (caught.value.code, caught.value.fault) == (11203, Fault.PLATFORM)


BROKEN: dict[str, tuple[int, Script]] = {
    "short body": (11206, [*reply(body=b"<Resp", length=1000), CLOSE]),
    "short chunks": (11206, [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<Re", CLOSE]),
    "chunks without end": (
        11206,
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", CLOSE],
    ),
    "bad chunk size": (11206, [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n", CLOSE]),
    "no http": (11206, [b"SSH-2.0-OpenSSH_9.0\r\n\r\n", CLOSE]),
    "cut head": (11206, [b"HTTP/1.1 200 OK\r\nContent-", CLOSE]),
    "head cut between lines": (11206, [b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n", CLOSE]),
    "two lengths": (11206, [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", CLOSE]),
    "early hints": (11206, [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", *HELLO]),
    "reset": (11206, [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", RESET]),
    "one long header": (11206, [b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", CLOSE]),
    "many headers": (11206, [b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n", CLOSE]),
    "1 MB": (11750, reply(body=b"x" * 1_000_000)),
    "1 MB in chunks": (
        11750,
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n" + b"x" * 1_048_575],
    ),
    "without end": (11750, endless(b"HTTP/1.1 200 OK\r\n\r\n")),
    "gzip bomb": (11750, reply(200, gzip.compress(b"0" * 10_000_000), "Content-Encoding: gzip")),
    "brotli": (11206, reply(200, b"xx", "Content-Encoding: br")),
    "two codings": (11206, reply(200, b"xx", "Content-Encoding: gzip, gzip")),
    "no gzip": (11206, reply(200, b"xx", "Content-Encoding: gzip")),
    "cut gzip": (11206, reply(200, gzip.compress(b"0" * 1000)[:-9], "Content-Encoding: gzip")),
}


@pytest.mark.parametrize("name", BROKEN)
def test_m3_broken_answers_are_errors_and_their_connections_are_not_used_again(
    fetcher: Fetcher, serve: Serve, name: str
) -> None:
    code, script = BROKEN[name]
    origin = serve({"/bad": script, "/good": HELLO})
    error = failure(fetcher, origin.url("/bad#tt=2000"))
    assert (error.code, error.fault) == (code, Fault.ORIGIN)
    assert fetcher.fetch(OutboundRequest(url=origin.url("/good"))).body == b"<Response/>"


def test_a_body_may_be_as_large_as_allowed_and_no_larger(fetcher: Fetcher, serve: Serve) -> None:
    origin = serve(reply(body=b"x" * 64_000))
    assert len(fetcher.fetch(OutboundRequest(url=origin.url())).body) == 64_000
    assert failure(fetcher, origin.url(), max_bytes=63_999).code == 11750


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_a_gzipped_body_is_inflated_even_unasked(fetcher: Fetcher, serve: Serve, coding: str) -> None:
    body = gzip.compress(b"<Response/>") if coding == "gzip" else b"<Response/>"
    origin = serve(reply(200, body, f"Content-Encoding: {coding}"))
    assert fetcher.fetch(OutboundRequest(url=origin.url())).body == b"<Response/>"


def test_a_body_that_ends_with_the_connection_is_complete(fetcher: Fetcher, serve: Serve) -> None:
    origin = serve([b"HTTP/1.0 200 OK\r\n\r\n<Response/>", CLOSE])
    assert fetcher.fetch(OutboundRequest(url=origin.url())).body == b"<Response/>"


@pytest.mark.parametrize("status", [204, 400, 404, 500, 503])
def test_any_status_is_an_answer_and_html_too(fetcher: Fetcher, serve: Serve, status: int) -> None:
    body = b"" if status == 204 else b"<html>oops</html>"
    origin = serve(reply(status, body))
    answer = fetcher.fetch(OutboundRequest(url=origin.url()))
    assert (answer.status, answer.body, answer.ok) == (status, body, status == 204)
    assert len(origin.received) == 1


@pytest.mark.parametrize(
    ("fragment", "script", "tries"),
    [
        ("rc=2&rp=5xx", reply(503), 3),
        ("rc=2&rp=4xx", reply(503), 1),
        ("rc=5&rp=4xx", reply(404), 6),
        ("rc=0&rp=5xx", reply(500), 1),
        ("rc=2&rp=all", reply(500), 3),
    ],
)
def test_peers_row_1_retries_by_status(
    fetcher: Fetcher, serve: Serve, fragment: str, script: Script, tries: int
) -> None:
    origin = serve(script)
    answer = fetcher.fetch(OutboundRequest(url=origin.url(f"/#{fragment}")))
    assert not answer.ok
    assert len(origin.received) == len(answer.attempts) == tries
    assert len({request.headers["i-twilio-idempotency-token"] for request in origin.received}) == 1


def test_retry_on_read_timeout_then_success(fetcher: Fetcher, serve: Serve) -> None:
    origin = serve(lambda _: [HANG] if len(origin.received) == 1 else HELLO)
    answer = fetcher.fetch(OutboundRequest(url=origin.url("/#rt=150&rp=rt"), idempotency_token="T1"))
    assert [(a.status, a.error_code) for a in answer.attempts] == [(None, 11200), (200, None)]
    assert [r.headers["i-twilio-idempotency-token"] for r in origin.received] == ["T1", "T1"]


@pytest.mark.parametrize(
    ("status", "method", "has_form"),
    [(301, "GET", False), (302, "GET", False), (303, "GET", False), (307, "POST", True), (308, "POST", True)],
)
def test_redirects_and_their_signatures(
    fetcher: Fetcher, serve: Serve, status: int, method: str, has_form: bool
) -> None:
    origin = serve({"/a": redirect("../b?x=1#rc=9", status), "/b": HELLO})
    params = (("CallSid", "CA1"), ("To", "+1"))
    answer = fetcher.fetch(OutboundRequest(url=origin.url("/a"), params=params, auth_token="12345"))
    got = origin.received[1]
    assert (got.method, got.target, bool(got.body)) == (method, "/b?x=1", has_form)
    assert answer.url == origin.url("/b?x=1")
    signed = dict(params) if has_form else {}
    assert RequestValidator("12345").validate(origin.url("/b?x=1"), signed, got.headers["x-twilio-signature"])


def test_ten_redirects_pass_and_eleven_are_11215(fetcher: Fetcher, serve: Serve) -> None:
    def script(request: Received) -> Script:
        left = int(request.path[1:])
        return redirect(f"/{left - 1}") if left else HELLO

    origin = serve(script)
    assert fetcher.fetch(OutboundRequest(url=origin.url("/10"))).ok
    assert failure(fetcher, origin.url("/11")).code == 11215
    assert failure(fetcher, serve(redirect("/same")).url()).code == 11215


@pytest.mark.parametrize("head", [b"Content-Length: 999999999999\r\n", b"", b"Content-Encoding: gzip\r\n"])
def test_m1_the_body_of_a_redirect_is_never_read(fetcher: Fetcher, serve: Serve, head: bytes) -> None:
    start = b"HTTP/1.1 302 Found\r\nLocation: /b\r\n" + head + b"\r\n"
    origin = serve({"/a": lambda _: endless(start), "/b": HELLO})
    began = time.monotonic()
    assert fetcher.fetch(OutboundRequest(url=origin.url("/a#tt=3000"))).ok
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "location",
    [
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "ftp://x/",
        "http://[::1]/",
        "//127.0.0.1\\@x/",
        "http://x:25/",
    ],
)
def test_every_hop_passes_the_guard(serve: Serve, location: str) -> None:
    origin = serve(redirect(location))
    fetcher = Fetcher(allow=["127.0.0.1"])
    error = failure(fetcher, origin.url())
    assert isinstance(error, Refused)
    assert len(error.attempts) == 1
    fetcher.close()


def test_nothing_private_goes_to_another_origin(fetcher: Fetcher, serve: Serve) -> None:
    other = serve()
    origin = serve(redirect(other.url("/other"), 307))
    stored = fetcher.fetch(OutboundRequest(url=serve(reply(200, b"", "Set-Cookie: a=1")).url())).cookies
    fetcher.fetch(
        OutboundRequest(url=origin.url(), params=FORM, headers={"Authorization": "Bearer x"}, cookies=stored)
    )
    assert origin.received[0].headers["authorization"] == "Bearer x"
    assert origin.received[0].headers["cookie"] == "a=1"
    assert not {"authorization", "cookie"} & set(other.received[0].headers)


def test_a_redirect_is_an_answer_when_they_are_not_followed(fetcher: Fetcher, serve: Serve) -> None:
    answer = fetcher.fetch(OutboundRequest(url=serve(redirect("/x")).url(), follow_redirects=False))
    assert (answer.status, answer.header("LOCATION")) == (302, "/x")


def test_cookies_live_outside_as_plain_values(fetcher: Fetcher, serve: Serve) -> None:
    origin = serve(reply(200, b"", "Set-Cookie: s=1; Path=/; HttpOnly", "Set-Cookie: t=2; Path=/deep"))
    first = fetcher.fetch(OutboundRequest(url=origin.url("/deep/x")))
    assert [(cookie["name"], cookie["value"]) for cookie in first.cookies] == [("s", "1"), ("t", "2")]
    fetcher.fetch(OutboundRequest(url=origin.url("/deep/y"), cookies=first.cookies))
    fetcher.fetch(OutboundRequest(url=origin.url("/z"), cookies=first.cookies))
    fetcher.fetch(OutboundRequest(url=origin.url("/deep/y")))
    sent = [request.headers.get("cookie") for request in origin.received]
    assert [sorted((text or "").split("; ")) for text in sent] == [[""], ["s=1", "t=2"], ["s=1"], [""]]


def test_a_cookie_of_a_host_does_not_reach_its_subdomains(serve: Serve) -> None:
    origin = serve(reply(200, b"", "Set-Cookie: s=1"))
    fetcher = Fetcher(allow=["app.test", "sub.app.test"], lookup=lambda _: ["127.0.0.1"])
    stored = fetcher.fetch(OutboundRequest(url=origin.url("/", "app.test"))).cookies
    fetcher.fetch(OutboundRequest(url=origin.url("/", "sub.app.test"), cookies=stored))
    assert "cookie" not in origin.received[1].headers
    fetcher.close()


def test_too_many_and_too_long_cookies_are_dropped(fetcher: Fetcher, serve: Serve) -> None:
    lines = [f"Set-Cookie: c{number}=x" for number in range(80)]
    origin = serve(reply(200, b"", *lines, "Set-Cookie: big=" + "x" * 5000))
    assert len(fetcher.fetch(OutboundRequest(url=origin.url())).cookies) == 50


def guarded_by(challenge: str) -> Callable[[Received], Script]:
    return lambda request: (
        HELLO if "authorization" in request.headers else reply(401, b"no", f"WWW-Authenticate: {challenge}")
    )


@pytest.mark.parametrize(
    ("challenge", "begins"),
    [
        ('Basic realm="x"', "Basic dXNlcjpwOnc="),
        ('Negotiate, Basic realm="x"', "Basic dXNlcjpwOnc="),
        (
            'Digest realm="r", nonce="n", qop="auth", algorithm=MD5',
            'Digest username="user", realm="r", nonce="n"',
        ),
    ],
)
def test_credentials_are_sent_only_when_asked_for(
    fetcher: Fetcher, serve: Serve, challenge: str, begins: str
) -> None:
    origin = serve(guarded_by(challenge))
    url = origin.url("/x").replace("://", "://user:p%3Aw@")
    answer = fetcher.fetch(OutboundRequest(url=url, params=(("A", "1"),), auth_token="12345"))
    assert answer.ok
    first, second = origin.received
    assert "authorization" not in first.headers
    assert second.headers["authorization"].startswith(begins)
    assert RequestValidator("12345").validate(
        origin.url("/x"), {"A": "1"}, second.headers["x-twilio-signature"]
    )
    assert "p%3Aw" not in repr(answer)


@pytest.mark.parametrize(
    "challenge", ["Bearer", "Digest nonsense", 'Digest realm="r", nonce="n", algorithm=MD9']
)
def test_a_challenge_that_we_cannot_answer_leaves_the_401(
    fetcher: Fetcher, serve: Serve, challenge: str
) -> None:
    origin = serve(guarded_by(challenge))
    assert fetcher.fetch(OutboundRequest(url=origin.url().replace("://", "://u:p@"))).status == 401
    assert len(origin.received) == 1


def test_wrong_credentials_are_tried_once(fetcher: Fetcher, serve: Serve) -> None:
    origin = serve(reply(401, b"no", 'WWW-Authenticate: Basic realm="x"'))
    assert fetcher.fetch(OutboundRequest(url=origin.url().replace("://", "://u:p@"))).status == 401
    assert len(origin.received) == 2


def test_the_connection_goes_to_the_checked_address_with_the_names_host_header(serve: Serve) -> None:
    origin = serve()
    asked: list[str] = []

    def lookup(host: str) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    fetcher = Fetcher(allow=["127.0.0.1"], lookup=lookup)
    for _ in range(2):
        fetcher.fetch(OutboundRequest(url=origin.url("/", "App.test")))
    assert asked == ["app.test"]  # the kept connection is to a checked address: no second question
    assert origin.received[0].headers["host"] == f"App.test:{origin.port}"
    fetcher.close()


@pytest.mark.parametrize("answers", [["127.0.0.1", "10.0.0.1"], ["10.0.0.1"], ["127.0.0.1", "fe80::1%eth0"]])
def test_one_forbidden_address_among_the_answers_refuses_the_name(serve: Serve, answers: list[str]) -> None:
    origin = serve()
    fetcher = Fetcher(allow=["127.0.0.1"], lookup=lambda _: answers)
    error = failure(fetcher, origin.url("/", "app.test"))
    assert (error.code, error.fault, origin.connections) == (11205, Fault.CUSTOMER, 0)
    fetcher.close()


def test_the_second_address_is_tried_when_the_first_refuses(serve: Serve) -> None:
    origin = serve()
    fetcher = Fetcher(allow=["127.0.0.0/8"], lookup=lambda _: ["127.0.0.9", "127.0.0.1"])
    assert fetcher.fetch(OutboundRequest(url=origin.url("/", "app.test"))).ok
    fetcher.close()


def test_an_unknown_host_is_11210() -> None:
    def lookup(host: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    fetcher = Fetcher(lookup=lookup)
    error = failure(fetcher, "http://nowhere.test/")
    assert (error.code, error.fault) == (11210, Fault.CUSTOMER)
    assert len(error.attempts) == 1
    fetcher.close()


def test_f34_a_hanging_resolver_is_bounded_by_the_deadline() -> None:
    release = threading.Event()

    def lookup(host: str) -> list[str]:
        release.wait(30)
        return []

    fetcher = Fetcher(lookup=lookup)
    began = time.monotonic()
    assert failure(fetcher, "http://slow.test/#tt=200").code == 11203
    assert failure(fetcher, "http://slow.test/#ct=100&rc=0").code == 11201
    assert time.monotonic() - began < 2
    release.set()
    fetcher.close()


def test_closing_cuts_running_fetches_and_refuses_later_ones(fetcher: Fetcher, serve: Serve) -> None:
    began = threading.Event()

    def script(_: Received) -> Script:
        began.set()
        return [HANG]

    origin = serve(script)
    errors: list[OutboundError] = []
    thread = threading.Thread(target=lambda: errors.append(failure(fetcher, origin.url("/#rc=0"))))
    thread.start()
    assert began.wait(5)
    fetcher.close()
    thread.join(5)
    assert [type(error) for error in errors] == [Overloaded]
    assert isinstance(failure(fetcher, origin.url()), Overloaded)


def test_many_threads_share_one_fetcher_without_mixing_answers(fetcher: Fetcher, serve: Serve) -> None:
    origin = serve(lambda request: reply(body=request.body))
    answers: dict[int, OutboundResponse] = {}

    def work(base: int) -> None:
        for number in range(base, base + 20):
            answers[number] = fetcher.fetch(OutboundRequest(url=origin.url(), body=str(number).encode()))

    threads = [threading.Thread(target=work, args=(base,)) for base in range(0, 160, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert {number: int(answer.body) for number, answer in answers.items()} == {n: n for n in range(160)}
    assert origin.connections <= 8


class _Kept:
    """Stands in for a connection."""

    is_connected = True
    closed = False

    def close(self) -> None:
        self.closed = True


def test_idle_connections_are_bounded_in_number_per_origin_and_age() -> None:
    now = [0.0]
    idle = IdleConnections(limit=3, per_origin=2, seconds=10, now=lambda: now[0])
    kept = [_Kept() for _ in range(5)]
    for origin, connection in zip("aaabc", kept, strict=True):
        idle.keep(origin, connection)  # type: ignore[arg-type]
    assert [connection.closed for connection in kept] == [True, True, False, False, False]
    assert idle.take("b") is kept[3]
    assert idle.take("b") is None
    now[0] = 11
    assert idle.take("a") is None
    assert kept[2].closed
    idle.close()
    assert kept[4].closed
