"""What every happening does in every state of a call (callrouter.calls.steps.step), by tables."""

from collections.abc import Callable

import pytest
from step_history import A, B, History

from callrouter.calls import happenings as h
from callrouter.calls.session import OWN
from callrouter.calls.status import Cause, Status, ending
from callrouter.calls.steps.step import step

Make = Callable[[], History]


def fetching() -> History:
    history = History()
    history.tell(h.Began)
    return history


def dialling() -> History:
    return History().begin()


def ringing() -> History:
    history = dialling()
    history.tell(h.Rang, leg=A, endpoints=("one", "two"))
    history.tell(h.Rang, leg=B)
    return history


def talking() -> History:
    history = ringing()
    history.tell(h.Took, leg=A, sdp="v=0", endpoint="one")
    return history


def over() -> History:
    history = talking()
    history.tell(h.Gone, leg="", cause=Cause.NORMAL)
    return history


STATES: dict[str, Make] = {
    "fetching": fetching,
    "dialling": dialling,
    "ringing": ringing,
    "talking": talking,
    "over": over,
}

ONE_END = {
    # state: what the caller's own end makes of every leg
    "fetching": {"": "canceled"},
    "dialling": {"": "completed", A: "canceled", B: "canceled"},
    "ringing": {"": "completed", A: "canceled", B: "canceled"},
    "talking": {"": "completed", A: "completed", B: "canceled"},
    "over": {"": "completed", A: "completed", B: "canceled"},
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("cause", [Cause.NORMAL, Cause.CANCELED])
def test_caller_hangs_up_in_every_state(state: str, cause: Cause) -> None:
    """PR-57, I4: everything ends, each leg once; the carrier is not told what it told us."""
    history = STATES[state]()
    history.tell(h.Gone, leg="", cause=cause)
    assert history.session.finished
    assert history.statuses() == ONE_END[state]
    assert history.kinds("")["carrier"] == 0


@pytest.mark.parametrize("state", STATES)
def test_rest_ends_the_call_in_every_state(state: str) -> None:
    """TS-9: here the far side must be told, once."""
    history = STATES[state]()
    history.tell(h.EndRequested, leg="", status=Status.COMPLETED)
    assert history.statuses() == ONE_END[state]
    assert history.kinds("")["carrier"] == (0 if state == "over" else 1)


@pytest.mark.parametrize("state", STATES)
def test_limit_timer_ends_the_call_in_every_state(state: str) -> None:
    """I6: no call lasts for ever."""
    history = STATES[state]()
    history.tell(h.TimerDue, timer="limit")
    assert history.session.finished


STRANGERS = [
    (h.Rang, {"leg": "leg-9"}),
    (h.Took, {"leg": "leg-9", "sdp": "v=0"}),
    (h.Declined, {"leg": "leg-9", "endpoint": "one"}),
    (h.Gone, {"leg": "leg-9", "cause": Cause.NORMAL}),
    (h.Pressed, {"leg": "leg-9", "digits": "1"}),
    (h.EndRequested, {"leg": "leg-9", "status": Status.COMPLETED}),
    (h.TimerDue, {"timer": "|nothing"}),
    (h.TimerDue, {"timer": "leg-9|ring"}),
    (h.DocumentMissing, {"program": "leg-9", "fetch": "x", "url": "u", "code": 11200, "reason": ""}),
    (h.DocumentMissing, {"program": "", "fetch": "old", "url": "u", "code": 11200, "reason": ""}),
]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("kind", "fields"), STRANGERS)
def test_what_is_about_nothing_here_changes_no_status(
    state: str, kind: type[h.Happening], fields: dict[str, object]
) -> None:
    history = STATES[state]()
    before = history.statuses()
    taken = history.tell(kind, **fields)
    assert taken.changes == ()
    assert taken.outbox == ()
    assert history.statuses() == before


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("answered", [False, True])
def test_every_cause_has_one_final_status(cause: Cause, answered: bool) -> None:
    history = talking() if answered else ringing()
    history.tell(h.Gone, leg=A, cause=cause)
    assert history.session.legs[A].status is ending(cause, answered)
    assert history.session.legs[A].status.final


def test_answer_cancels_the_others_and_bridges() -> None:
    """PR-51."""
    history = talking()
    assert history.statuses() == {"": "in-progress", A: "in-progress", B: "canceled"}
    assert history.kinds(A)["accept"] == history.kinds(A)["bridge"] == 1
    assert history.kinds(B)["carrier"] == 1
    assert history.callbacks(A) == ["initiated", "ringing", "in-progress"]
    assert history.callbacks(B) == ["initiated", "ringing", "canceled"]


def test_second_device_changes_nothing() -> None:
    """PR-52: the first one that was stored has won."""
    history = talking()
    taken = history.tell(h.Took, leg=A, sdp="v=0", endpoint="two")
    assert taken.changes == ()
    assert history.session.legs[A].endpoints == ("one",)


def test_answer_may_overtake_the_ring() -> None:
    history = dialling()
    history.tell(h.Took, leg=A, sdp="v=0", endpoint="one")
    history.tell(h.Rang, leg=A, endpoints=("one", "two"))
    assert history.callbacks(A) == ["initiated", "ringing", "in-progress"]
    assert history.session.legs[A].endpoints == ("one",)


def test_answer_after_the_end_is_hung_up() -> None:
    """F27: the leg stays as it ended, the far side is told."""
    history = ringing()
    history.tell(h.Gone, leg=B, cause=Cause.BUSY)
    before = history.kinds(B)["carrier"]
    history.tell(h.Took, leg=B, sdp="v=0")
    assert history.session.legs[B].status is Status.BUSY
    assert history.kinds(B)["carrier"] == before + 1


@pytest.mark.parametrize(
    ("declines", "status"),
    [
        ([("one", False), ("two", False)], "busy"),
        ([("one", False), ("two", True)], "no-answer"),
        ([("one", True), ("two", False)], "no-answer"),
        ([("one", False), ("one", False)], "ringing"),
        ([("one", True)], "ringing"),
        ([("three", False), ("two", False)], "ringing"),
    ],
)
@pytest.mark.parametrize("early", [False, True], ids=["after it rang", "before we know who rings"])
def test_devices_decline_or_vanish(declines: list[tuple[str, bool]], status: str, early: bool) -> None:
    """PR-55: busy when all of them declined; F18: one that vanished makes it no-answer."""
    history = dialling()
    rang = {"leg": A, "endpoints": ("one", "two")}
    if not early:
        history.tell(h.Rang, **rang)
    for endpoint, vanished in declines:
        history.tell(h.Declined, leg=A, endpoint=endpoint, vanished=vanished)
    if early:
        history.tell(h.Rang, **rang)
    assert history.session.legs[A].status.value == status


def test_ring_time_ends_both_legs_as_no_answer() -> None:
    history = ringing()
    timer = next(
        name for step in history.steps for name, due in step.timers.items() if "ring-" in name and due
    )
    history.tell(h.TimerDue, timer=timer)
    assert history.statuses() == {"": "in-progress", A: "no-answer", B: "no-answer"}
    assert history.kinds(A)["client.cancel"] == 1
    done = [entry.payload["parameters"] for entry in history.outbox if entry.kind == "fetch"][-1]
    assert done["DialCallStatus"] == "no-answer"


@pytest.mark.parametrize("state", ["dialling", "ringing", "talking"])
def test_new_document_leaves_the_dial(state: str) -> None:
    """TS-9, TS-11."""
    history = STATES[state]()
    history.tell(
        h.ReplaceRequested,
        leg="",
        url=None,
        method="POST",
        twiml="<Response><Hangup/></Response>",
        fallback_url=None,
        fallback_method="POST",
    )
    assert history.session.finished
    assert history.statuses() == ONE_END[state]


def test_callee_with_a_document_of_its_own_dials_its_own_legs() -> None:
    """Each program counts its legs from the start; their names in the session stay apart."""
    history = talking()
    history.tell(
        h.ReplaceRequested,
        leg=A,
        url=None,
        method="POST",
        twiml="<Response><Dial><Client>bob</Client></Dial></Response>",
        fallback_url=None,
        fallback_method="POST",
    )
    inner = f"1.{A}"
    assert history.session.legs[inner].dialled_by == A
    history.tell(h.Gone, leg="", cause=Cause.NORMAL)
    assert not history.session.finished
    history.tell(h.Took, leg=inner, sdp="v=0", endpoint="three")
    bridge = [entry.payload for entry in history.outbox if entry.kind == "bridge"][-1]
    assert bridge["legs"] == [history.session.legs[A].call_sid, history.session.legs[inner].call_sid]
    history.tell(h.Gone, leg=A, cause=Cause.NORMAL)
    assert history.session.finished
    assert history.statuses() == {"": "completed", A: "completed", B: "canceled", inner: "completed"}


def test_unknown_document_ends_the_call_as_failed() -> None:
    """I9: there is no fallback here; the notification has the code."""
    history = fetching()
    asked = history.outbox[0].payload
    taken = history.tell(
        h.DocumentMissing, program="", fetch=asked["fetch"], url=asked["url"], code=11200, reason="500"
    )
    assert history.statuses() == {"": "failed"}
    assert [note.code for note in taken.notes] == [11200]
    assert history.kinds("")["carrier"] == 1


def test_callers_client_is_told_by_its_socket() -> None:
    history = History(identity="bob").begin()
    history.tell(h.EndRequested, leg="", status=Status.COMPLETED)
    assert history.kinds("")["client.hangup"] == 1
    assert history.kinds("")["carrier"] == 0


def test_adjusted_time_limit_counts_from_the_answer() -> None:
    history = talking()
    answered_at = history.session.own.answered_at
    taken = history.tell(h.Adjusted, leg="", status_callback=None, status_callback_method=None, time_limit=60)
    assert answered_at is not None
    assert taken.timers == {"limit": answered_at + 60}


@pytest.mark.parametrize(("late", "ended"), [(0.5, 0.0), (60.0, -60.0)])
def test_a_call_does_not_end_before_what_it_heard_of_sooner(late: float, ended: float) -> None:
    """Happenings wait in line: one that was noted earlier may come later. A clock that was set is another thing."""
    history = History().begin("<Response><Pause length='9'/></Response>")
    before = history.session.at
    gone = h.Gone(at=before - late, leg=OWN, cause=Cause.NORMAL)
    over = step(history.session, gone, lambda: "CA9")
    assert over.session.finished
    assert over.at == over.session.at == before + ended
