"""Keys that a client presses reach whom it talks to: they come by signalling, beside the audio."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callrouter.calls import happenings as h
from callrouter.calls.session import OWN, CallSession, Leg
from callrouter.calls.status import Status
from callrouter.calls.steps.step import step

PHONE = Leg(
    name=OWN,
    call_sid="CA1",
    direction="inbound",
    from_="+1",
    to="+2",
    status=Status.IN_PROGRESS,
    answered_at=1.0,
)
CLIENT = Leg(
    name="1", call_sid="CA2", direction="outbound-dial", from_="+1", to="client:alice", identity="alice",
    status=Status.IN_PROGRESS, answered_at=2.0, bridged=True,
)  # fmt: skip


def pressed(own: Leg, dialled: Leg, by: str) -> list[tuple[str, str]]:
    """The legs that are sent keys, with the keys."""
    session = CallSession(account_sid="AC1", legs={OWN: own, dialled.name: dialled}, programs={})
    then = step(session, h.Pressed(at=3.0, leg=by, digits="12#"), lambda: "CA3")
    return [
        (entry.payload["call_sid"], entry.payload["digits"]) for entry in then.outbox if entry.kind == "press"
    ]


@pytest.mark.parametrize(
    ("own", "dialled", "by", "sent"),
    [
        (PHONE, CLIENT, "1", [("CA1", "12#")]),
        (replace(PHONE, identity="bob"), replace(CLIENT, identity=""), OWN, [("CA2", "12#")]),
        (replace(PHONE, identity="bob"), CLIENT, OWN, [("CA2", "12#")]),
        (PHONE, CLIENT, OWN, []),  # a phone's keys are in its audio, which the voice node passes on
        (PHONE, replace(CLIENT, bridged=False), "1", []),
        (replace(PHONE, identity="bob"), replace(CLIENT, status=Status.COMPLETED), OWN, []),
    ],
)
def test_keys_go_to_the_leg_that_hears(own: Leg, dialled: Leg, by: str, sent: list[tuple[str, str]]) -> None:
    assert pressed(own, dialled, by) == sent
