"""Redirects, cookies, credentials and addresses: what may go where (reliability 4.2, Twilio surface 1.4 and 4.6)."""

import socket
import time
from collections.abc import Callable

import pytest
from twilio.request_validator import RequestValidator

from foundation.outbound import (
    Fault,
    Fetcher,
    OutboundError,
    OutboundRequest,
    Refused,
)
from tests.support.origin import Origin, Received, Script, endless, redirect, reply

HELLO = reply(body=b"<Response/>")
FORM = (("CallSid", "CA1"), ("From", "+15550001"), ("Digits", "1"), ("Digits", "2"), ("Empty", ""))


def failure(fetcher: Fetcher, url: str, **fields: object) -> OutboundError:
    with pytest.raises(OutboundError) as caught:
        fetcher.fetch(OutboundRequest(url=url, **fields))  # type: ignore[arg-type]
    return caught.value


Serve = Callable[..., Origin]


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
