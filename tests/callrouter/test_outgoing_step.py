"""A call that REST placed, step by step (callrouter.calls.steps.departing), and under any history."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from step_history import ALL, History

from callrouter.calls import happenings as h
from callrouter.calls.outgoing import Placement, outgoing_call
from callrouter.calls.session import OWN
from callrouter.calls.status import Cause, Status
from instructions.commands import StatusCallback

PHONE, CLIENT = "+14155550177", "client:alice"
DOCUMENT = "<Response><Pause length='60'/></Response>"


class Outgoing(History):
    """Not begun yet; `wait`: seconds in the queue."""

    def __init__(self, to: str = PHONE, *, wait: float = 0, **wanted: object) -> None:
        super().__init__()
        placement = Placement(
            account_sid="AC1",
            call_sid="CA0",
            from_="+14155550100",
            to=to,
            url="https://app.test/voice",
            callback=StatusCallback(url="https://app.test/status", method="POST", events=ALL),
        )
        placement = replace(placement, **wanted)  # type: ignore[arg-type]
        self.session = outgoing_call(placement, 1_001.0 + wait)

    @property
    def timers(self) -> dict[str, float]:
        """Those that are set, by when they fall due."""
        due: dict[str, float | None] = {}
        for step in self.steps:
            due |= step.timers
        return {name: at for name, at in due.items() if at is not None}


def dialling(to: str = PHONE, **wanted: object) -> Outgoing:
    history = Outgoing(to, **wanted)
    history.tell(h.Began)
    return history


def ringing(to: str = PHONE, **wanted: object) -> Outgoing:
    history = dialling(to, **wanted)
    history.tell(h.Rang, leg=OWN, endpoints=("one", "two") if to == CLIENT else ())
    return history


def talking(to: str = PHONE, **wanted: object) -> Outgoing:
    history = ringing(to, **wanted)
    history.tell(h.Took, leg=OWN, sdp="v=0", endpoint="one" if to == CLIENT else "")
    return history


def test_the_document_waits_for_the_answer_and_its_audio() -> None:
    history = talking()
    assert history.kinds()["accept"] == 1
    assert history.kinds()["fetch"] == 0
    history.tell(h.Up)
    fetched = next(entry.payload for entry in history.outbox if entry.kind == "fetch")
    assert fetched["parameters"]["CallStatus"] == "in-progress"
    assert fetched["parameters"]["Direction"] == "outbound-api"
    history.tell(h.Up)  # the executor's second time, after a crash
    assert history.kinds()["fetch"] == 1
    history.document(DOCUMENT)
    assert history.kinds()["answer"] == 0
    history.tell(h.Gone, leg=OWN, cause=Cause.NORMAL)
    assert history.callbacks(OWN) == ["initiated", "ringing", "in-progress", "completed"]


def test_a_call_that_was_taken_over_while_it_rang_has_its_audio_already() -> None:
    """The device that took it over has negotiated with the node: there is nothing to accept."""
    history = ringing(CLIENT)
    history.tell(h.Took, leg=OWN, sdp="", endpoint="three")
    assert (history.kinds()["accept"], history.kinds()["fetch"]) == (0, 1)


@pytest.mark.parametrize(("to", "kind"), [(PHONE, "start.carrier"), (CLIENT, "start.client")])
def test_a_call_waits_for_its_turn(to: str, kind: str) -> None:
    history = Outgoing(to, wait=10, parameters=(("colour", "green"),))
    history.tell(h.Began)
    assert not history.outbox
    assert history.timers == {"departure": 1_011.0}
    history.tell(h.TimerDue, timer="departure")
    started = [entry.payload for entry in history.outbox if entry.kind == kind]
    assert [(one["timeout"], one["parameters"]) for one in started] == [(65, [("colour", "green")])]
    history.tell(h.TimerDue, timer="departure")
    assert history.kinds()[kind] == 1


@pytest.mark.parametrize("status", [Status.CANCELED, Status.COMPLETED])
def test_a_call_that_ends_in_the_queue_tells_nobody(status: Status) -> None:
    """twilio-surface 4.3: it was never initiated."""
    history = Outgoing(wait=10)
    history.tell(h.Began)
    history.tell(h.EndRequested, leg=OWN, status=status)
    assert history.statuses() == {OWN: "canceled"}
    assert history.callbacks(OWN) == []
    history.tell(h.TimerDue, timer="departure")
    assert history.kinds()["start.carrier"] == 0


@pytest.mark.parametrize(("to", "told"), [(PHONE, "carrier"), (CLIENT, "client.cancel")])
@pytest.mark.parametrize("make", [dialling, ringing])
def test_it_rings_no_longer_than_its_timeout(make: type[Outgoing], to: str, told: str) -> None:
    history = make(to, timeout=20)
    assert history.timers["ring"] == 1_001 + 20 + 5
    history.tell(h.TimerDue, timer="ring")
    assert history.statuses() == {OWN: "no-answer"}
    assert history.kinds()[told] == 1
    history.tell(h.Up)
    assert history.kinds()["fetch"] == 0


def test_once_answered_it_rings_no_more_and_lasts_for_its_time_limit() -> None:
    history = talking(time_limit=30)
    assert history.timers == {"limit": 1_003 + 30}
    history.tell(h.TimerDue, timer="ring")
    assert history.statuses() == {OWN: "in-progress"}
    history.tell(h.TimerDue, timer="limit")
    assert history.statuses() == {OWN: "completed"}


def test_a_time_limit_that_is_changed_while_it_rings_counts_from_the_answer() -> None:
    history = ringing()
    change = {"status_callback": "https://app.test/b", "status_callback_method": "GET", "time_limit": 30}
    history.tell(h.Adjusted, leg=OWN, **change)
    history.tell(h.Took, leg=OWN, sdp="v=0")
    assert history.timers == {"limit": 1_004 + 30}
    assert history.callbacks(OWN) == ["initiated", "ringing", "in-progress"]


@pytest.mark.parametrize(
    ("cause", "ends"),
    [
        (Cause.BUSY, "busy"),
        (Cause.FAILED, "failed"),
        (Cause.NOT_ALLOWED, "failed"),
        (Cause.UNREACHABLE, "no-answer"),
    ],
)
@pytest.mark.parametrize("make", [dialling, ringing])
def test_far_end_does_not_take_it(make: type[Outgoing], cause: Cause, ends: str) -> None:
    history = make()
    history.tell(h.Gone, leg=OWN, cause=cause)
    assert history.callbacks(OWN)[-1] == ends
    assert history.kinds()["carrier"] == 0


def test_all_devices_decline() -> None:
    """PR-55."""
    history = ringing(CLIENT)
    history.tell(h.Declined, leg=OWN, endpoint="one")
    assert history.statuses() == {OWN: "ringing"}
    history.tell(h.Declined, leg=OWN, endpoint="two")
    assert history.statuses() == {OWN: "busy"}


def test_an_answer_after_the_end_is_hung_up() -> None:
    history = ringing()
    history.tell(h.EndRequested, leg=OWN, status=Status.CANCELED)
    history.tell(h.Took, leg=OWN, sdp="v=0")
    assert [e.payload["type"] for e in history.outbox if e.kind == "carrier"] == ["cancel", "cancel"]
    assert history.statuses() == {OWN: "canceled"}


DOCUMENTLESS = {
    "url": "https://app.test/other",
    "method": "POST",
    "twiml": None,
    "fallback_url": None,
    "fallback_method": "POST",
}


@pytest.mark.parametrize("make", [dialling, ringing])
def test_another_document_comes_after_the_answer_only(make: type[Outgoing]) -> None:
    history = make()
    history.tell(h.ReplaceRequested, leg=OWN, **DOCUMENTLESS)
    assert history.kinds()["fetch"] == 0


def test_another_document_before_the_audio_is_there_is_the_one_that_runs() -> None:
    history = talking()
    history.tell(h.ReplaceRequested, leg=OWN, **DOCUMENTLESS)
    history.tell(h.Up)
    assert [e.payload["url"] for e in history.outbox if e.kind == "fetch"] == ["https://app.test/other"]


def test_warnings_become_notifications_of_the_call() -> None:
    history = Outgoing(wait=5, warnings=((13750, "Record does not act yet: it was ignored"),))
    history.tell(h.Began)
    assert [(note.code, note.level, note.call_sid) for note in history.steps[0].notes] == [
        (13750, "1", "CA0")
    ]


HAPPENINGS = st.sampled_from(
    [
        (h.TimerDue, {"timer": "departure"}),
        (h.TimerDue, {"timer": "ring"}),
        (h.TimerDue, {"timer": "limit"}),
        (h.Rang, {"leg": OWN, "endpoints": ("one",)}),
        (h.Took, {"leg": OWN, "sdp": "v=0", "endpoint": "one"}),
        (h.Took, {"leg": OWN, "sdp": "", "endpoint": "two"}),
        (h.Up, {}),
        (h.Declined, {"leg": OWN, "endpoint": "one"}),
        (h.Gone, {"leg": OWN, "cause": Cause.NORMAL}),
        (h.EndRequested, {"leg": OWN, "status": Status.CANCELED}),
        (h.ReplaceRequested, {"leg": OWN, **DOCUMENTLESS}),
        (h.Pressed, {"leg": OWN, "digits": "1"}),
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    to=st.sampled_from([PHONE, CLIENT]), wait=st.sampled_from([0, 9]), after=st.lists(HAPPENINGS, max_size=12)
)
def test_no_history_makes_it_leave_twice_or_end_twice(
    to: str, wait: int, after: list[tuple[type[h.Happening], dict[str, object]]]
) -> None:
    """I4 and I7, by what History checks after every step; and something always ends it (I6)."""
    history = Outgoing(to, wait=wait)
    history.tell(h.Began)
    for kind, fields in after:
        history.tell(kind, **fields)
        own = history.session.own
        waits = {"queued": {"departure", "ring"}, "ringing": {"ring"}, "in-progress": {"limit"}}
        if own.live:
            assert waits[own.status.value] & history.timers.keys()
        if history.kinds()["fetch"]:
            assert own.answered
    kinds = history.kinds()
    assert kinds["start.carrier"] + kinds["start.client"] <= 1
    assert kinds["accept"] <= 1
