"""Any history at all: a status never goes backwards, every leg ends once, and the order of reports does not matter
(I4, I5, F23, F24). The invariants themselves are checked by `History` after every single step."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from step_history import A, B, History

from callrouter.calls import happenings as h
from callrouter.calls.status import Cause, Status

LEGS = st.sampled_from(["", A, B, "leg-9"])
DEVICES = st.sampled_from(["one", "two", ""])
TIMERS = ["limit", "|ring-1-0-0", "|talk-1-0", "|whisper-1-0-0", f"{A}|pause-1-0"]
DOCUMENTS = [
    "<Response/>",
    "<Response><Dial><Client>bob</Client></Dial><Reject/></Response>",
    "<Response><Pause/><Redirect>/again</Redirect></Response>",
    "<Response><Dial sequential='true'><Client url='/w'>bob</Client>+14155550188</Dial></Response>",
    "not TwiML",
]


def _happening(kind: type[h.Happening], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(kind), st.fixed_dictionaries(fields))


HAPPENINGS = st.one_of(
    _happening(h.Rang, leg=LEGS, endpoints=st.lists(DEVICES, max_size=2, unique=True).map(tuple)),
    _happening(h.Took, leg=LEGS, sdp=st.sampled_from(["v=0", ""]), endpoint=DEVICES),
    _happening(h.Declined, leg=LEGS, endpoint=DEVICES, vanished=st.booleans()),
    _happening(h.Gone, leg=LEGS, cause=st.sampled_from(Cause), far=st.booleans()),
    _happening(h.Pressed, leg=LEGS, digits=st.sampled_from(["1", "*"])),
    _happening(h.Said, leg=LEGS, content=st.just("hello")),
    _happening(h.Up),
    _happening(h.TimerDue, timer=st.sampled_from(TIMERS)),
    _happening(h.EndRequested, leg=LEGS, status=st.sampled_from([Status.COMPLETED, Status.CANCELED])),
    _happening(
        h.ReplaceRequested,
        leg=LEGS,
        url=st.sampled_from([None, "https://app.test/new"]),
        method=st.just("POST"),
        twiml=st.sampled_from(DOCUMENTS),
        fallback_url=st.none(),
        fallback_method=st.just("POST"),
    ),
    st.tuples(st.just("document"), st.sampled_from(DOCUMENTS)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(HAPPENINGS, max_size=14), st.booleans())
def test_any_history_keeps_the_rules_and_can_be_ended(happenings: list[Any], by_client: bool) -> None:
    """I4 to I6: whatever came before, the caller's end ends all, even legs that had left for a document of theirs."""
    history = History(identity="bob" if by_client else "").begin()
    for kind, content in happenings:
        if kind == "document":
            history.document(content)
        else:
            history.tell(kind, **content)
    for name in list(history.session.legs):
        history.tell(h.Gone, leg=name, cause=Cause.NORMAL)
    assert history.session.finished


PROGRESS: list[tuple[type[h.Happening], dict[str, Any]]] = [
    (h.Rang, {"leg": A, "endpoints": ("one", "two")}),
    (h.Declined, {"leg": A, "endpoint": "two"}),
    (h.Rang, {"leg": B}),
    (h.Took, {"leg": A, "sdp": "v=0", "endpoint": "one"}),
    (h.Took, {"leg": A, "sdp": "v=0", "endpoint": "one"}),
    (h.Pressed, {"leg": "", "digits": "1"}),
]


@pytest.mark.parametrize("gone", ["", A])
def test_order_of_reports_does_not_matter(gone: str) -> None:
    """F23, F24: all 720 orders of a call's reports, one of them doubled, end the same way."""
    ends = set()
    for order in itertools.permutations(PROGRESS):
        history = History().begin()
        for kind, fields in order:
            history.tell(kind, **fields)
        history.tell(h.Gone, leg=gone, cause=Cause.NORMAL)
        history.tell(h.Gone, leg="", cause=Cause.NORMAL)
        assert history.session.finished
        ends.add((tuple(sorted(history.statuses().items())), tuple(history.callbacks(A))))
    callbacks = ("initiated", "ringing", "in-progress", "completed")
    assert ends == {((("", "completed"), (A, "completed"), (B, "canceled")), callbacks)}


def test_end_that_overtakes_its_answer_still_ends_once() -> None:
    """F24, F27: with the hang-up anywhere in the order, nothing hangs and no status goes back."""
    reports = [*PROGRESS[:4], (h.Gone, {"leg": A, "cause": Cause.NORMAL})]
    for order in itertools.permutations(reports):
        history = History().begin()
        for kind, fields in order:
            history.tell(kind, **fields)
        assert history.session.legs[A].status.final
        history.tell(h.Gone, leg="", cause=Cause.NORMAL)
        assert history.session.finished
