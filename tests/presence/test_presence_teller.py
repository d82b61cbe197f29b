"""Ends are told until the router has them (reliability-security I6)."""

from __future__ import annotations

import asyncio

import pytest

from foundation.clock import utc_now
from presence.router_link import Event, RouterAnswer, RouterUnreachable
from presence.signalling import teller
from presence.signalling.teller import Teller


class AwayRouter:
    """A router that is away for so many tries."""

    def __init__(self, tries: int) -> None:
        self.tries = tries
        self.events: list[Event] = []

    async def deliver(self, event: Event) -> RouterAnswer:
        self.events.append(event)
        if len(self.events) <= self.tries:
            raise RouterUnreachable("away")
        return RouterAnswer(status=200, body={})


def insist(router: AwayRouter) -> None:
    one = Teller(router, utc_now, iter(["event-1", "event-2"]).__next__)
    asyncio.run(one.insist("hangup", "AC1", "alice", "device", call_sid="CA1"))


@pytest.mark.parametrize("tries", [0, 1, 3])
def test_an_end_is_told_again_as_the_same_event(tries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teller, "PAUSE", 0.0)
    router = AwayRouter(tries)
    insist(router)
    assert len(router.events) == tries + 1
    assert {event["event_id"] for event in router.events} == {"event-1"}
    assert router.events[0]["type"] == "hangup"
    assert router.events[0]["call_sid"] == "CA1"


def test_insistence_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teller, "PAUSE", 0.01)
    monkeypatch.setattr(teller, "INSISTENCE", 0.05)
    router = AwayRouter(1_000_000)
    insist(router)
    assert 1 < len(router.events) < 1000
