"""The way in, over real sockets: Flask behind the bridge and uvicorn."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest
import requests

from foundation.webserver import protocol, serve
from foundation.webserver.bridge import WsgiBridge
from foundation.webserver.serve import AddressTaken, Listener
from tests.foundation.webserver_world import SECONDS, Recorded, Served, Views, read_all

ERROR_KEYS = {"code", "message", "more_info", "status"}


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


def refused(answer: requests.Response, status: int, code: int) -> None:
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"], set(body)) == (status, status, code, ERROR_KEYS)


def test_a_form_arrives_whole(server: Served) -> None:
    answer = requests.post(
        f"{server.url}/echo", {"From": "+14155550100", "Body": "grüß"}, timeout=SECONDS
    ).json()
    assert answer["form"] == {"From": "+14155550100", "Body": "grüß"}


@pytest.mark.parametrize("size", [1000, 1001, 7000])
@pytest.mark.parametrize("chunked", [False, True])
def test_m4_a_body_is_taken_whole_or_refused(size: int, chunked: bool, server: Served, views: Views) -> None:
    body = b"x" * size
    data = iter([body[:500], body[500:]]) if chunked else body
    answer = requests.post(f"{server.url}/echo", data=data, timeout=SECONDS)
    if size <= 1000:
        assert answer.json()["length"] == size
    else:
        refused(answer, 413, 20413)
        assert views.calls == []


def test_i14_a_body_without_end_is_cut_off(server: Served, views: Views) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(head)
        assert _sends_until_refused(connection, b"400\r\n" + b"x" * 1024 + b"\r\n")
    assert views.calls == []


def _sends_until_refused(connection: socket.socket, piece: bytes) -> bool:
    try:
        for _ in range(10_000):
            connection.sendall(piece)
    except ConnectionError:
        return True
    return False


def test_i14_a_slow_body_is_given_up(server: Served, views: Views) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert set(json.loads(answer.partition(b"\r\n\r\n")[2])) == ERROR_KEYS
    assert views.calls == []


def test_a_body_that_breaks_off_never_reaches_a_view(server: Served, views: Views) -> None:
    server.exchange(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
    assert requests.get(f"{server.url}/echo", timeout=SECONDS).ok
    assert views.calls == ["/echo"]


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nA: ", b"\r\n", b"G"])
def test_i14_slow_headers_are_given_up(start: bytes, server: Served) -> None:
    assert server.exchange(start) == b""


def test_i14_slow_headers_of_a_second_request_are_given_up(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(b"HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /echo HTTP/1.1\r\nHo")
        assert read_all(connection) == b""


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nA: ", b"GET / HTTP/1.1\r\n"])
def test_i14_headers_without_end_are_refused(start: bytes, server: Served, views: Views) -> None:
    answer = server.exchange(
        start, *[b"a" * 1000 + (b"" if start != b"GET / HTTP/1.1\r\n" else b": 1\r\n")] * 2000
    )
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert views.calls == []


def test_one_connection_serves_many_requests(server: Served) -> None:
    client = HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    client.connect()
    first = client.sock
    for n in range(20):
        client.request("POST", f"/echo/{n}", body=b"x" * n)
        assert json.loads(client.getresponse().read())["length"] == n
        assert client.sock is first
    client.close()


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/echo/gr%C3%BC%C3%9F", "grüß"),
        ("/echo/a%2Fb%20c", "a/b c"),
        ("/echo/%2B1415", "+1415"),
        ("/echo/a+b;c=d", "a+b;c=d"),
        ("/echo/%25%32%35", "%25"),
    ],
)
def test_paths_are_decoded_once(target: str, name: str, server: Served) -> None:
    answer = server.exchange(f"GET {target}?q=%C3%BC+1 HTTP/1.0\r\n\r\n".encode())
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (body["name"], body["query"]) == (name, "q=%C3%BC+1")


@pytest.mark.parametrize(
    "target", [b"/echo/%FF%FE", b"/echo/%00", b"/echo/\xff", b"*", b"//", b"/%", b"http://x"]
)
def test_odd_targets_are_answered_and_break_nothing(target: bytes, server: Served) -> None:
    answer = server.exchange(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ")[1] in (b"200", b"400", b"404")
    assert requests.get(f"{server.url}/echo", timeout=SECONDS).ok


def test_duplicate_headers_are_joined_and_underscores_dropped(server: Served) -> None:
    head = b"X-Tag: one\r\nx-tag: two\r\nX_Tag: three\r\nX-Twilio_Signature: forged\r\nContent_Length: 9\r\n"
    answer = server.exchange(b"GET /echo HTTP/1.0\r\n" + head + b"\r\n")
    headers = json.loads(answer.partition(b"\r\n\r\n")[2])["headers"]
    assert headers["x-tag"] == "one,two"
    assert not any("forged" in value or "three" in value for value in headers.values())


def test_head_answers_without_a_body(server: Served) -> None:
    answer = server.exchange(b"HEAD /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"content-length: 5000000\r\n" in answer.lower()
    assert answer.endswith(b"\r\n\r\n")


def test_a_large_answer_arrives_whole(server: Served) -> None:
    assert len(requests.get(f"{server.url}/large", timeout=SECONDS).content) == 5_000_000


def test_expect_continue(server: Served) -> None:
    head = b"POST /echo HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(head)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert b'"length":3' in read_all(connection)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/bug", 500, 20500),
        ("GET", "/refused", 429, 20429),
        ("GET", "/nowhere", 404, 20404),
        ("DELETE", "/echo", 405, 20004),
    ],
)
def test_every_error_has_the_four_keys(
    method: str, path: str, status: int, code: int, server: Served
) -> None:
    answer = requests.request(method, server.url + path, timeout=SECONDS)
    refused(answer, status, code)
    assert "secret" not in answer.text
    assert answer.headers.get("Retry-After") == ("7" if status == 429 else None)


def test_a_broken_application_is_answered_too() -> None:
    def broken(_environ: object, _start_response: object) -> list[bytes]:
        raise RuntimeError("a secret of ours")

    bridge = WsgiBridge(broken)
    with Served(bridge) as server:
        answer = requests.get(server.url, timeout=SECONDS)
    bridge.close()
    refused(answer, 500, 20500)
    assert "secret" not in answer.text


def test_i14_too_many_waiting_requests_are_refused(views: Views) -> None:
    bridge = views.bridge(threads=1, waiting_limit=1)
    with Served(bridge) as server, ThreadPoolExecutor(1) as pool:
        first = pool.submit(requests.get, f"{server.url}/slow", timeout=SECONDS)
        assert views.entered.wait(SECONDS)
        second = requests.get(f"{server.url}/echo", timeout=SECONDS)
        refused(second, 503, 20503)
        assert second.headers["Retry-After"] == "1"
        views.release.set()
        assert first.result(SECONDS).text == "finished"
        assert requests.get(f"{server.url}/echo", timeout=SECONDS).ok
    bridge.close()


def test_f38_stopping_lets_open_requests_finish_and_takes_no_new_ones(views: Views) -> None:
    bridge = views.bridge()
    with Served(bridge) as server, ThreadPoolExecutor(1) as pool:
        first = pool.submit(requests.get, f"{server.url}/slow", timeout=SECONDS)
        assert views.entered.wait(SECONDS)
        server.stop()
        _wait_until_refused(server)
        views.release.set()
        assert first.result(SECONDS).text == "finished"
        server.join()
    bridge.close()


def _wait_until_refused(server: Served) -> None:
    for _ in range(1000):
        try:
            server.connect().close()
        except ConnectionRefusedError:
            return
        threading.Event().wait(0.01)
    raise AssertionError("the server still takes connections")


def test_an_address_in_use_is_named_and_nothing_stays_open(views: Views) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        bind = f"127.0.0.1:{holder.getsockname()[1]}"
        first = Recorded()
        server = Served(views.bridge(), first, Recorded(bind=bind))
        with pytest.raises(AddressTaken, match=f"cannot listen on {bind}: .*in use"), server:
            pass
        with socket.create_server(("127.0.0.1", first.ports[0])):
            pass  # the first listener was given back


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(AddressTaken, match=re.escape("cannot listen on 192.0.2.1:0: ")):
        Listener(bind="192.0.2.1:0").open()


def test_ipv6_is_served(views: Views) -> None:
    listener = Recorded(bind="[::1]:0")
    bridge = views.bridge()
    with Served(bridge, listener):
        assert requests.get(f"http://[::1]:{listener.ports[0]}/echo", timeout=SECONDS).ok
    bridge.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_to_stop(number: signal.Signals) -> None:
    async def stopped() -> None:
        stop = serve.stop_on_signals()
        os.kill(os.getpid(), number)
        async with asyncio.timeout(SECONDS):
            await stop.wait()

    asyncio.run(stopped())


def test_a_second_signal_ends_the_process_at_once() -> None:
    """Who can't wait for what is under way needs no SIGKILL."""
    program = (
        "import asyncio\n"
        "from foundation.webserver.serve import stop_on_signals\n"
        "async def main():\n"
        "    stop = stop_on_signals()\n"
        "    print('ready', flush=True)\n"
        "    await stop.wait()\n"
        "    print('draining', flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        for said in ("ready\n", "draining\n"):
            assert process.stdout.readline() == said
            process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == serve.EXIT_AT_ONCE


def test_sockets_that_are_open_already_are_served(views: Views) -> None:
    """An address can be taken before anything else is: nobody else has it then, though it is not served yet."""
    listener = Listener(bind="127.0.0.1:0")
    opened = listener.open()
    port = opened.getsockname()[1]
    with pytest.raises(AddressTaken):
        Listener(bind=f"127.0.0.1:{port}").open()

    async def story() -> None:
        stop = asyncio.Event()
        bridge = views.bridge()
        serving = asyncio.create_task(serve.serve(bridge, [listener], stop, [opened]))
        answer = await asyncio.to_thread(requests.get, f"http://127.0.0.1:{port}/echo", timeout=SECONDS)
        assert answer.ok
        stop.set()
        await serving
        bridge.close()

    asyncio.run(story())
