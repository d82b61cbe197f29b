"""Fetches against a scripted origin over real sockets: Twilio surface 4.6, reliability M1 to M3, peers 3."""

import socket
import threading
import time
from collections.abc import Callable
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
)
from foundation.outbound.idle import IdleConnections
from tests.support.origin import CLOSE, DIE, HANG, RESET, Origin, Received, Script, drip, redirect, reply

HELLO = reply(body=b"<Response/>")
FORM = (("CallSid", "CA1"), ("From", "+15550001"), ("Digits", "1"), ("Digits", "2"), ("Empty", ""))


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


def test_what_left_on_a_kept_connection_was_sent_though_no_other_connection_comes_about(
    fetcher: Fetcher, serve: Serve
) -> None:
    """The server reads it and dies; nobody listens any more when it is sent again."""
    origin = serve(lambda request: HELLO if request.path == "/" else [DIE])
    fetcher.fetch(OutboundRequest(url=origin.url()))
    error = failure(fetcher, origin.url("/dies"))
    assert (error.code, error.sent) == (11202, True)
    assert origin.paths() == ["/", "/dies"]
    assert not failure(fetcher, origin.url("/dead")).sent


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
