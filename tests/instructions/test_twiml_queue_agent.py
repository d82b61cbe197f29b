"""<Dial><Queue> and <Queue>: the agent's side (twilio-surface 2.2, 2.4)."""

from __future__ import annotations

import pytest
from test_twiml_queue import CALLER, New

from instructions.commands import (
    Answer,
    CancelTimer,
    Fetch,
    Finish,
    FinishReason,
    SetTimer,
    StopRecording,
    StopTaking,
    TakeFromQueue,
)
from instructions.events import (
    Answered,
    DigitsReceived,
    HungUp,
    QueueBridged,
    QueueFound,
    QueueMissing,
    QueueParted,
    Replaced,
    TimerFired,
)

TAKE, TALK = "take-1-0", "talk-1-0"


def dial(noun: str = "<Queue>support</Queue>", attributes: str = "") -> str:
    return f'<Dial action="/done" {attributes}>{noun}</Dial><Reject/>'


def dialled(status: str, *, duration: int | None = None) -> Fetch:
    bridged = (("DialCallSid", CALLER), ("DialCallDuration", str(duration)), ("DialBridged", "true"))
    params = (("DialCallStatus", status), *((("DialBridged", "false"),) if duration is None else bridged))
    return Fetch(fetch="fetch-2", url="https://app.test/done", method="POST", params=params)


def take(url: str | None = None, method: str = "POST") -> TakeFromQueue:
    return TakeFromQueue(queue="support", url=url, method=method)


def test_an_agent_waits_for_the_timeout_of_the_dial(conversation: New) -> None:
    talk = conversation()
    assert talk.run(dial()) == (take(), SetTimer(timer=TAKE, seconds=30))
    assert talk.tell(TimerFired, timer=TAKE) == (StopTaking(), dialled("no-answer"))


def test_answer_on_bridge_cannot_hold_back_the_answer(conversation: New) -> None:
    talk = conversation()
    talk.start()
    assert talk.reply(dial(attributes='answerOnBridge="true"')) == (Answer(),)


def test_the_document_for_the_caller(conversation: New) -> None:
    talk = conversation()
    commands = talk.run(dial('<Queue url="hear" method="GET">support</Queue>'))
    assert commands[0] == take("https://app.test/hear", "GET")


def test_a_relative_one_of_an_inline_document(conversation: New) -> None:
    talk = conversation(url=None, twiml='<Response><Dial><Queue url="/x">support</Queue></Dial></Response>')
    talk.start()
    assert take() in talk.tell(Answered)
    assert talk.codes() == [15004]


@pytest.mark.parametrize(("noun", "codes"), [("<Queue/>", [14212]), (f"<Queue>{'q' * 65}</Queue>", [14213])])
def test_without_a_name_the_dial_fails(conversation: New, noun: str, codes: list[int]) -> None:
    talk = conversation()
    assert talk.run(dial(noun))[-1] == dialled("failed")
    assert talk.codes() == codes


@pytest.mark.parametrize("name", ["reservationSid", "postWorkActivitySid"])
def test_reservations_do_not_act(conversation: New, name: str) -> None:
    talk = conversation()
    sid = ("WR" if name == "reservationSid" else "WA") + "0" * 32
    talk.run(dial(f'<Queue {name}="{sid}">support</Queue>'))
    assert talk.codes() == [13750]


def test_a_queue_that_does_not_exist(conversation: New) -> None:
    talk = conversation()
    talk.run(dial())
    cancel, fault, end = talk.tell(QueueMissing)
    assert (cancel, end) == (CancelTimer(timer=TAKE), dialled("failed"))
    assert (fault.code, fault.line) == (20404, 1)


def test_an_agent_and_a_caller_talk(conversation: New) -> None:
    """`answered` is what Twilio calls it."""
    talk = conversation()
    talk.run(dial(attributes='timeLimit="600"'))
    assert talk.tell(QueueParted) == ()
    assert talk.tell(QueueBridged, call_sid=CALLER) == (
        CancelTimer(timer=TAKE),
        SetTimer(timer=TALK, seconds=600),
    )
    assert talk.tell(QueueMissing) == ()
    assert talk.tell(QueueParted, after=61.5) == (CancelTimer(timer=TALK), dialled("answered", duration=61))


def test_the_wait_has_no_bound_while_the_caller_hears_the_agents_document(conversation: New) -> None:
    """It begins anew when that caller is gone before they were connected."""
    talk = conversation()
    talk.run(dial('<Queue url="/connecting">support</Queue>', attributes='timeout="20"'))
    assert talk.tell(QueueFound) == (CancelTimer(timer=TAKE),)
    assert talk.tell(QueueFound) == ()
    assert talk.tell(QueueParted) == (SetTimer(timer=f"{TAKE}-1", seconds=20),)
    assert talk.tell(TimerFired, after=20, timer=f"{TAKE}-1") == (StopTaking(), dialled("no-answer"))


def test_the_talk_is_recorded_as_the_dial_says(conversation: New) -> None:
    """From the bridge to the end, whoever ends it; the action is told of it."""
    talk = conversation()
    talk.run(dial(attributes='record="record-from-answer-dual" timeLimit="600"'))
    record = talk.tell(QueueBridged, call_sid=CALLER)[-1]
    assert (record.source, record.track, record.channels) == ("DialVerb", "both", 2)
    _cancel, stop, end = talk.tell(QueueParted, after=61.5)
    assert stop == StopRecording(recording=record.recording)
    assert end.recording == record.recording


def test_time_limit(conversation: New) -> None:
    talk = conversation()
    talk.run(dial())
    talk.tell(QueueBridged, call_sid=CALLER)
    assert talk.tell(TimerFired, timer=TAKE) == ()
    assert talk.tell(TimerFired, after=9, timer=TALK) == (StopTaking(), dialled("answered", duration=9))


@pytest.mark.parametrize("bridged", [True, False])
@pytest.mark.parametrize("how", ["star", "hangup"])
def test_the_agent_ends_it(conversation: New, how: str, bridged: bool) -> None:
    talk = conversation()
    talk.run(dial(attributes='hangupOnStar="true"'))
    if bridged:
        talk.tell(QueueBridged, call_sid=CALLER)
    commands = talk.tell(DigitsReceived, leg="", digits="*") if how == "star" else talk.tell(HungUp)
    assert commands[:3] == (
        CancelTimer(timer=TALK if bridged else TAKE),
        StopTaking(),
        dialled("answered", duration=0) if bridged else dialled("canceled"),
    )


def test_the_star_means_nothing_otherwise(conversation: New) -> None:
    talk = conversation()
    talk.run(dial())
    assert talk.tell(DigitsReceived, leg="", digits="*") == ()


def test_a_rest_update_of_an_agent_leaves(conversation: New) -> None:
    talk = conversation()
    talk.run(dial())
    commands = talk.tell(Replaced, url="https://app.test/other", method="POST", twiml=None)
    assert commands[:-1] == (CancelTimer(timer=TAKE), StopTaking())


def test_queue_as_a_verb_is_the_same(conversation: New) -> None:
    talk = conversation()
    assert talk.run('<Queue url="hear">support</Queue><Hangup/>') == (
        take("https://app.test/hear"),
        SetTimer(timer=TAKE, seconds=30),
    )
    talk.tell(QueueBridged, call_sid=CALLER)
    assert talk.tell(QueueParted) == (CancelTimer(timer=TALK), Finish(reason=FinishReason.HANGUP))


def test_queue_as_a_verb_without_a_name_is_skipped(conversation: New) -> None:
    talk = conversation()
    assert talk.run("<Queue/><Hangup/>")[-1] == Finish(reason=FinishReason.HANGUP)
    assert talk.codes() == [14212]
