"""What clients are told when the router is slow, wrong or away, and how events are delivered."""

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from presence_world import MASTER, SDP, FakeRouter, Tenant, World
from websockets.exceptions import InvalidStatus

from foundation.keys import Keys
from presence import router_link
from presence.router_link import HttpRouterLink, RouterAnswer, RouterUnreachable


@pytest.fixture
def router() -> Iterator[FakeRouter]:
    fake = FakeRouter()
    yield fake
    fake.close()


def deliver(url: str, **event: Any) -> RouterAnswer:
    link = HttpRouterLink(url, Keys([MASTER]))
    try:
        return asyncio.run(link.deliver({"event_id": "e", "account_sid": "AC", "type": "dtmf", **event}))
    finally:
        link.close()


def test_a_definite_answer_is_taken_at_once(router: FakeRouter) -> None:
    router.answers["dtmf"] = lambda event: (409, {"code": 31209, "message": "over"})
    answer = deliver(router.url)
    assert (answer.status, answer.code(1), answer.message, answer.ok) == (409, 31209, "over", False)
    assert len(router.events) == 1


def test_a_passing_failure_is_retried_with_the_same_event_id(router: FakeRouter) -> None:
    statuses = iter([500, 503, 200])
    router.answers["dtmf"] = lambda event: (next(statuses), {})
    assert deliver(router.url).ok
    assert [event["event_id"] for event in router.events] == ["e"] * 3


@pytest.mark.parametrize("status", [500, 302])
def test_i6_it_gives_up_in_time(router: FakeRouter, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setattr(router_link, "TOTAL", 0.6)
    router.answers["dtmf"] = lambda event: (status, {})
    began = time.monotonic()
    with pytest.raises(RouterUnreachable):
        deliver(router.url)
    assert time.monotonic() - began < 2


def test_i6_a_router_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router_link, "TOTAL", 0.4)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(RouterUnreachable):
            deliver(f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - began < 2


def test_i14_too_many_waiting_events_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router_link, "WAITING", 0)
    with pytest.raises(RouterUnreachable, match="too many"):
        deliver("http://127.0.0.1:9")


@pytest.fixture
def deaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tenant]:
    """A presence server whose router refuses connections."""
    monkeypatch.setattr(router_link, "TOTAL", 0.5)
    monkeypatch.setattr(router_link, "TOTALS", {})
    world = World(tmp_path, router_url="http://127.0.0.1:9", signal_origins=("https://app.example",)).start()
    yield world.tenant()
    world.close()


def test_the_client_is_told_when_the_router_is_away(deaf: Tenant) -> None:
    app = deaf.app("alice")
    app.send("invite", callsid="TJS1", sdp=SDP.format("abcd"), twilio={})
    assert app.expect("hangup")["error"]["code"] == 31003
    call_sid = deaf.ring("alice").call_sid
    token = app.expect("invite")["reconnect"]
    app.send("answer", callsid=call_sid, sdp=SDP.format("mine"))
    assert app.expect("hangup")["error"]["code"] == 31003
    app.send("invite", callsid=call_sid, sdp=SDP.format("mine"), reconnect=token, twilio={})
    assert app.expect("hangup")["error"]["code"] == 31209


def test_only_listed_origins_may_open_a_socket(deaf: Tenant) -> None:
    deaf.world.app(origin="https://app.example").listen(deaf.token("alice"))
    deaf.world.app().listen(deaf.token("alice"))  # no browser, no Origin
    for origin in ("https://evil.example", "null", "https://app.example.evil.example"):
        with pytest.raises(InvalidStatus) as refused:
            deaf.world.app(origin=origin)
        assert refused.value.response.status_code == 403
