"""<Enqueue>, <Leave>, <Dial><Queue> and <Queue>, row by row (twilio-surface 2.2, 2.4, 2.8, 2.10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from instructions.commands import (
    Answer,
    ConnectQueued,
    Fault,
    Fetch,
    Finish,
    FinishReason,
    JoinQueue,
    LeaveQueue,
    Music,
    Play,
    RunAside,
    SetTimer,
    StopAside,
    StopSounds,
    Warn,
)
from instructions.events import (
    Answered,
    AsideEnded,
    DigitsReceived,
    DocumentFetched,
    HungUp,
    QueueBridged,
    QueueJoined,
    QueueParted,
    QueueRefused,
    QueueTaken,
    Replaced,
    TimerFired,
)
from instructions.outcomes import Role

New = Callable[..., Any]

QU = "QU" + "0" * 32
AGENT = "CA" + "a" * 32
CALLER = "CA" + "c" * 32
VERBS_OF_A_QUEUE = ["Play", "Say", "Pause", "Hangup", "Redirect", "Leave", "Gather"]
MUSIC = Play(sound_id="sound-1-0-0", sound=Music(), loop=0)


def enqueue(attributes: str = 'waitUrl="/wait"', name: str = "support") -> str:
    return f'<Enqueue action="/done" {attributes}>{name}</Enqueue><Reject/>'


def done(result: str, *, queue: str | None = QU, waited: int = 0) -> Fetch:
    sid = (("QueueSid", queue),) if queue else ()
    params = (("QueueResult", result), *sid, ("QueueTime", str(waited)))
    return Fetch(fetch="fetch-2", url="https://app.test/done", method="POST", params=params)


def aside(number: int, method: str = "POST") -> RunAside:
    url = "https://app.test/wait"
    return RunAside(aside=f"aside-1-0-{number}", url=url, method=method, role="queued", queue=True)


def queued(new: New, attributes: str = 'waitUrl="/wait"') -> Any:
    """A caller who waits."""
    talk = new()
    talk.run(enqueue(attributes))
    talk.tell(QueueJoined, queue_sid=QU)
    return talk


# -- Enqueue: joining


def test_the_call_is_answered_and_joins(conversation: New) -> None:
    talk = conversation()
    talk.start()
    assert talk.reply(enqueue('maxQueueSize="7"')) == (Answer(),)
    assert talk.tell(Answered) == (JoinQueue(queue="support", max_size=7),)


@pytest.mark.parametrize(("name", "codes"), [("", [14204]), ("   ", [14204]), ("q" * 65, [14205])])
def test_without_a_name_it_is_skipped(conversation: New, name: str, codes: list[int]) -> None:
    talk = conversation()
    assert talk.run(enqueue(name=name))[-1] == Finish(reason=FinishReason.HANGUP)
    assert talk.codes() == codes


@pytest.mark.parametrize(("name", "joins"), [("support", True), ("", False)])
def test_workflows_do_not_act(conversation: New, name: str, joins: bool) -> None:
    """TaskRouter's part: one warning for the attribute and one for the task."""
    talk = conversation()
    commands = talk.run(f'<Enqueue workflowSid="WW{"0" * 32}">{name}<Task>{{}}</Task></Enqueue>')
    assert talk.codes() == [13750, 13750]
    assert any(isinstance(command, JoinQueue) for command in commands) is joins


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ('method="PUT"', 14201),
        ('waitUrl="ftp://a.test/"', 14202),
        ('waitUrlMethod="PUT"', 14206),
        ('maxQueueSize="5001"', 12200),
        ('workflowSid="x"', 14220),
    ],
)
def test_a_bad_value_is_noted_and_the_default_used(conversation: New, attributes: str, code: int) -> None:
    talk = conversation()
    assert talk.run(enqueue(attributes))[-1] == JoinQueue(queue="support", max_size=None)
    assert talk.codes() == [code]


@pytest.mark.parametrize("action", ["", 'action="/done"'])
def test_a_full_queue(conversation: New, action: str) -> None:
    """14207 is a warning: `action`, or else the next verb, says what to do."""
    talk = conversation()
    talk.run(f"<Enqueue {action}>support</Enqueue><Hangup/>")
    end = talk.tell(QueueRefused, queue_sid=QU)[-1]
    assert end == (done("queue-full") if action else Finish(reason=FinishReason.HANGUP))
    assert (talk.codes(), type(talk.commands[-2])) == ([14207], Warn)


def test_a_queue_that_cannot_be_joined(conversation: New) -> None:
    talk = conversation()
    talk.run(enqueue())
    assert talk.tell(QueueRefused, queue_sid=None)[-1] == done("system-error", queue=None)
    assert (talk.codes(), type(talk.commands[-2])) == ([12400], Fault)


# -- Enqueue: the wait


def test_the_wait_document_with_the_queues_parameters(conversation: New) -> None:
    talk = conversation()
    talk.run(enqueue('waitUrl="wait" waitUrlMethod="GET"'))
    assert talk.tell(QueueJoined, queue_sid=QU) == (aside(0, "GET"),)


@pytest.mark.parametrize(("attributes", "commands"), [("", (MUSIC,)), ('waitUrl=""', ())])
def test_hold_music_or_silence_without_one(conversation: New, attributes: str, commands: Any) -> None:
    talk = conversation()
    talk.run(enqueue(attributes))
    assert talk.tell(QueueJoined, queue_sid=QU) == commands


def test_a_relative_wait_url_of_an_inline_document(conversation: New) -> None:
    """15004: there is nothing to start from; the music plays."""
    talk = conversation(url=None, twiml='<Response><Enqueue waitUrl="/x">q</Enqueue></Response>')
    talk.start()
    talk.tell(Answered)
    assert talk.codes() == [15004]
    assert talk.tell(QueueJoined, queue_sid=QU) == (MUSIC,)


def test_the_wait_document_runs_again_but_not_twice_in_a_second(conversation: New) -> None:
    talk = queued(conversation)
    ended = FinishReason.END_OF_DOCUMENT
    assert talk.tell(AsideEnded, after=1, aside="aside-1-0-0", reason=ended) == (aside(1),)
    again = SetTimer(timer="again-1-0-2", seconds=1)
    assert talk.tell(AsideEnded, after=0.5, aside="aside-1-0-1", reason=ended) == (again,)
    assert talk.tell(TimerFired, after=1, timer=again.timer) == (aside(2),)
    assert talk.tell(AsideEnded, aside="aside-1-0-1", reason=ended) == ()


@pytest.mark.parametrize(
    ("reason", "result"),
    [(FinishReason.LEFT_QUEUE, "leave"), (FinishReason.APPLICATION_ERROR, "error")],
)
def test_the_wait_document_ends_the_wait(conversation: New, reason: FinishReason, result: str) -> None:
    talk = queued(conversation)
    assert talk.tell(AsideEnded, after=61.9, aside="aside-1-0-0", reason=reason) == (
        LeaveQueue(),
        done(result, waited=61),
    )


def test_the_wait_document_hangs_up(conversation: New) -> None:
    talk = queued(conversation)
    assert talk.tell(AsideEnded, aside="aside-1-0-0", reason=FinishReason.HANGUP) == (
        LeaveQueue(),
        Finish(reason=FinishReason.HANGUP),
    )


def test_the_caller_hangs_up(conversation: New) -> None:
    """The action is still told; its answer has no effect."""
    talk = queued(conversation)
    assert talk.tell(HungUp, after=5) == (
        StopAside(),
        LeaveQueue(),
        done("hangup", waited=5),
        Finish(reason=FinishReason.CALLER_HUNG_UP),
    )


def test_who_hangs_up_before_being_told_leaves_too(conversation: New) -> None:
    talk = conversation()
    talk.run(enqueue())
    assert talk.tell(HungUp, after=5)[:2] == (LeaveQueue(), done("hangup", queue=None))


def test_keys_of_a_waiting_caller_are_the_asides(conversation: New) -> None:
    assert queued(conversation).tell(DigitsReceived, leg="", digits="*1") == ()


@pytest.mark.parametrize(("bridged", "result"), [(False, "redirected"), (True, "redirected-from-bridged")])
def test_a_rest_update_leaves_and_is_told(conversation: New, bridged: bool, result: str) -> None:
    """The answer of the action means nothing: the call runs another document already."""
    talk = queued(conversation, 'waitUrl=""')
    if bridged:
        talk.tell(QueueBridged, call_sid=AGENT)
    commands = talk.tell(Replaced, url="https://app.test/other", method="POST", twiml=None)
    other = Fetch(fetch="fetch-3", url="https://app.test/other", method="POST")
    assert commands == (LeaveQueue(), done(result), other)
    url, body = "https://app.test/done", b"<Response><Hangup/></Response>"
    assert talk.tell(DocumentFetched, fetch="fetch-2", url=url, body=body, content_type="text/xml") == ()
    assert talk.reply("<Reject/>") == (Finish(reason=FinishReason.HANGUP),)


def test_without_an_action_nobody_is_told(conversation: New) -> None:
    talk = conversation()
    talk.run("<Enqueue>support</Enqueue>")
    assert talk.tell(Replaced, url=None, method="POST", twiml="<Response/>")[0] == LeaveQueue()


# -- Enqueue: the agent


def test_an_agent_takes_the_caller(conversation: New) -> None:
    """`bridged` is told after the bridge, with the time before it."""
    talk = queued(conversation)
    assert talk.tell(QueueTaken, after=9, url=None, method="POST", by=AGENT) == (StopAside(), ConnectQueued())
    assert talk.tell(QueueBridged, after=1, call_sid=AGENT) == ()
    assert talk.tell(QueueParted, after=300) == (done("bridged", waited=10),)


def test_the_agents_document_is_heard_first(conversation: New) -> None:
    talk = queued(conversation, "")
    whisper = RunAside(
        aside="aside-1-0-1",
        url="https://b.test/hear",
        method="GET",
        role="dequeued",
        params=(("QueueSid", QU), ("QueueTime", "9"), ("DequeingCallSid", AGENT)),
    )
    assert talk.tell(QueueTaken, after=9, url="https://b.test/hear", method="GET", by=AGENT) == (
        StopSounds(),
        whisper,
    )
    ended = {"aside": "aside-1-0-1", "reason": FinishReason.END_OF_DOCUMENT}
    assert talk.tell(AsideEnded, **ended) == (ConnectQueued(),)


def test_a_broken_document_of_the_agent_does_not_keep_them_apart(conversation: New) -> None:
    talk = queued(conversation)
    talk.tell(QueueTaken, url="https://b.test/hear", method="POST", by=AGENT)
    ended = {"aside": "aside-1-0-1", "reason": FinishReason.APPLICATION_ERROR}
    assert talk.tell(AsideEnded, **ended) == (ConnectQueued(),)


@pytest.mark.parametrize(("url", "stop"), [(None, ()), ("https://b.test/hear", (StopAside(),))])
def test_when_the_agent_goes_first_the_wait_goes_on(conversation: New, url: str | None, stop: Any) -> None:
    talk = queued(conversation)
    talk.tell(QueueTaken, url=url, method="POST", by=AGENT)
    again = aside(2 if url else 1)
    assert talk.tell(QueueParted) == (*stop, again)
    assert talk.tell(QueueTaken, after=7, url=None, method="POST", by=AGENT) == (StopAside(), ConnectQueued())
    talk.tell(QueueBridged, call_sid=AGENT)
    assert talk.tell(QueueParted) == (done("bridged", waited=7),)


def test_taken_before_the_caller_is_told_to_be_in(conversation: New) -> None:
    """An agent waited already: the two are told in whichever order."""
    talk = conversation()
    talk.run(enqueue())
    assert talk.tell(QueueTaken, url=None, method="POST", by=AGENT) == (ConnectQueued(),)
    assert talk.tell(QueueJoined, after=1, queue_sid=QU) == ()
    talk.tell(QueueBridged, after=1, call_sid=AGENT)
    assert talk.tell(QueueParted, after=1) == (done("bridged", waited=2),)


def test_the_caller_hangs_up_on_the_agent(conversation: New) -> None:
    talk = queued(conversation)
    talk.tell(QueueTaken, url=None, method="POST", by=AGENT)
    talk.tell(QueueBridged, call_sid=AGENT)
    assert talk.tell(HungUp, after=5)[:2] == (LeaveQueue(), done("bridged"))


# -- Leave, and what a queue's documents may run


def test_leave_ends_the_wait_document(conversation: New) -> None:
    talk = conversation(role=Role.QUEUED, answered=True)
    assert talk.run("<Leave/><Reject/>") == (Finish(reason=FinishReason.LEFT_QUEUE),)


def test_elsewhere_leave_means_nothing(conversation: New) -> None:
    talk = conversation()
    assert talk.run('<Leave/><Reject reason="busy"/>')[-1] == Finish(reason=FinishReason.REJECTED)
    assert talk.codes() == []


@pytest.mark.parametrize(
    ("role", "permitted"),
    [
        (Role.QUEUED, VERBS_OF_A_QUEUE),
        (Role.DEQUEUED, ["Play", "Say", "Pause", "Redirect"]),
    ],
)
@pytest.mark.parametrize(
    "verb",
    [*VERBS_OF_A_QUEUE, "Dial", "Enqueue", "Record", "Reject", "Queue", "Connect", "Echo"],
)
def test_another_verb_is_skipped(conversation: New, role: Role, permitted: list[str], verb: str) -> None:
    talk = conversation(role=role, answered=True)
    commands = talk.run(f"<{verb}/><Pause/>")
    skipped = [
        command for command in commands if isinstance(command, Warn) and "may not stand" in command.message
    ]
    assert [warning.code for warning in skipped] == ([] if verb in permitted else [12200])
    assert not skipped or isinstance(commands[-1], SetTimer), "the next verb runs"


@pytest.mark.parametrize("verb", ["Dial", "Enqueue", "Queue"])
def test_a_whisper_document_may_not_put_its_callee_elsewhere(conversation: New, verb: str) -> None:
    talk = conversation(role=Role.SCREENING, answered=True)
    assert talk.run(f"<{verb}>x</{verb}>")[-1] == Finish(reason=FinishReason.SCREENING_DECLINED)
    assert talk.codes()[-1] == 13201
