"""<Dial>, row by row of its table (twilio-surface 2.2, 2.3; PR-50 to PR-60)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from instructions.commands import (
    Answer,
    Bridge,
    CancelLeg,
    CancelTimer,
    ClientTarget,
    Fetch,
    Finish,
    FinishReason,
    HangUp,
    ScreenLeg,
    SetTimer,
    StartLeg,
)
from instructions.events import (
    Answered,
    DigitsReceived,
    HungUp,
    LegAnswered,
    LegEnded,
    LegRinging,
    LegScreened,
    LegStatus,
    TimerFired,
)
from instructions.verbs.dial_table import TABLE, Cue, Do, Phase

A, B = "leg-1-0-0", "leg-1-0-1"
RING, RING_B, TALK = "ring-1-0-0", "ring-1-0-1", "talk-1-0"
TWO = "<Client>ann</Client><Client>bob</Client>"
END = Finish(reason=FinishReason.END_OF_DOCUMENT)

New = Callable[..., Any]


def dial(nouns: str = TWO, attributes: str = "") -> str:
    return f'<Dial action="/done" {attributes}>{nouns}</Dial><Reject/>'


def done(status: str, leg: str | None, *, duration: int | None = None, bridged: bool = False) -> Fetch:
    """The request of the action URL. The rest of the document is dead."""
    length = (("DialCallDuration", str(duration)),) if duration is not None else ()
    params = (("DialCallStatus", status), *length, ("DialBridged", "true" if bridged else "false"))
    return Fetch(fetch="fetch-2", url="https://app.test/done", method="POST", params=params, leg=leg)


def client(name: str, leg: str = A, **facts: Any) -> StartLeg:
    return StartLeg(
        **{
            "leg": leg,
            "noun": ClientTarget(identity=name),
            "caller_id": None,
            "timeout": 35,
            "status_callback": None,
        }
        | facts
    )


def test_the_call_is_answered_then_all_nouns_ring_at_once(conversation: New) -> None:
    talk = conversation()
    talk.start()
    assert talk.reply(dial()) == (Answer(),)
    assert talk.tell(Answered) == (client("ann"), client("bob", B), SetTimer(timer=RING, seconds=35))


def test_ringing_leg_ringing_changes_nothing(conversation: New) -> None:
    talk = conversation()
    talk.run(dial())
    assert talk.tell(LegRinging, leg=A) == ()


def test_ringing_leg_answered_bridges_and_cancels_the_others(conversation: New) -> None:
    """PR-51: the first accept wins."""
    talk = conversation()
    talk.run(dial(attributes='timeLimit="60"'))
    assert talk.tell(LegAnswered, leg=B) == (
        CancelTimer(timer=RING),
        CancelLeg(leg=A),
        Bridge(leg=B),
        SetTimer(timer=TALK, seconds=60),
    )
    assert talk.tell(LegAnswered, leg=A) == ()
    assert talk.tell(LegEnded, leg=A, status=LegStatus.CANCELED) == ()


WHISPER = '<Client url="hear" method="GET">ann</Client><Client>bob</Client>'


def whispering(conversation: New, nouns: str = WHISPER, attributes: str = "") -> Any:
    talk = conversation()
    talk.run(dial(nouns, attributes))
    talk.tell(LegAnswered, leg=A)
    return talk


def test_ringing_leg_answered_with_a_url_whispers(conversation: New) -> None:
    """PR-60."""
    talk = conversation()
    talk.run(dial(WHISPER))
    assert talk.tell(LegAnswered, leg=A) == (
        CancelTimer(timer=RING),
        CancelLeg(leg=B),
        ScreenLeg(leg=A, url="https://app.test/hear", method="GET"),
        SetTimer(timer="whisper-1-0-0", seconds=14_400),
    )


def test_whispering_accepted_bridges(conversation: New) -> None:
    talk = whispering(conversation)
    assert talk.tell(LegScreened, leg=A, accepted=True) == (
        CancelTimer(timer="whisper-1-0-0"),
        Bridge(leg=A),
        SetTimer(timer=TALK, seconds=14_400),
    )


def test_whispering_declined_is_no_answer(conversation: New) -> None:
    talk = whispering(conversation)
    stop = CancelTimer(timer="whisper-1-0-0")
    assert talk.tell(LegScreened, leg=A, accepted=False) == (stop, HangUp(leg=A), done("no-answer", A))


def test_whispering_leg_ended_is_no_answer(conversation: New) -> None:
    talk = whispering(conversation)
    stop = CancelTimer(timer="whisper-1-0-0")
    assert talk.tell(LegEnded, leg=A, status=LegStatus.COMPLETED) == (stop, done("no-answer", A))


def test_whispering_time_up_is_no_answer(conversation: New) -> None:
    """A whisper that never ends does not hold the caller for ever."""
    talk = whispering(conversation)
    assert talk.tell(TimerFired, timer="whisper-1-0-0") == (HangUp(leg=A), done("no-answer", A))


@pytest.mark.parametrize("ending", ["declined", "ended", "time up"])
def test_whispering_in_a_sequential_dial_goes_on_to_the_next(conversation: New, ending: str) -> None:
    talk = whispering(conversation, attributes='sequential="true"')
    ring_next = (client("bob", B), SetTimer(timer=RING_B, seconds=35))
    stop = CancelTimer(timer="whisper-1-0-0")
    match ending:
        case "declined":
            assert talk.tell(LegScreened, leg=A, accepted=False) == (stop, HangUp(leg=A), *ring_next)
        case "ended":
            assert talk.tell(LegEnded, leg=A, status=LegStatus.COMPLETED) == (stop, *ring_next)
        case _:
            assert talk.tell(TimerFired, timer="whisper-1-0-0") == (HangUp(leg=A), *ring_next)
    assert talk.tell(LegAnswered, leg=B)[1] == Bridge(leg=B)


def test_ringing_leg_ended_while_others_ring_on(conversation: New) -> None:
    """PR-58: an endpoint that fails fails its leg, not the call."""
    talk = conversation()
    talk.run(dial())
    assert talk.tell(LegEnded, leg=A, status=LegStatus.FAILED) == ()
    assert talk.tell(LegAnswered, leg=B)[1] == Bridge(leg=B)


def test_ringing_leg_ended_rings_the_next_of_a_sequential_dial(conversation: New) -> None:
    talk = conversation()
    talk.start()
    talk.reply(dial(attributes='sequential="true" timeout="10"'))
    assert talk.tell(Answered) == (client("ann", timeout=15), SetTimer(timer=RING, seconds=15))
    assert talk.tell(LegEnded, leg=A, status=LegStatus.BUSY) == (
        CancelTimer(timer=RING),
        client("bob", B, timeout=15),
        SetTimer(timer=RING_B, seconds=15),
    )


def test_ringing_time_up_rings_the_next_of_a_sequential_dial(conversation: New) -> None:
    talk = conversation()
    talk.run(dial(attributes='sequential="true"'))
    assert talk.tell(TimerFired, timer=RING) == (
        CancelLeg(leg=A),
        client("bob", B),
        SetTimer(timer=RING_B, seconds=35),
    )
    assert talk.tell(TimerFired, timer=RING) == ()
    assert talk.tell(TimerFired, timer=RING_B) == (CancelLeg(leg=B), done("no-answer", B))


def test_ringing_time_up_cancels_all(conversation: New) -> None:
    """PR-57."""
    talk = conversation()
    talk.run(dial())
    assert talk.tell(TimerFired, timer=RING) == (CancelLeg(leg=A), CancelLeg(leg=B), done("no-answer", B))


@pytest.mark.parametrize(
    ("ends", "status", "leg"),
    [
        (("busy", "busy"), "busy", B),
        (("busy", "no-answer"), "no-answer", B),
        (("no-answer", "busy"), "no-answer", A),
        (("failed", "busy"), "busy", B),
        (("failed", "no-answer"), "no-answer", B),
        (("canceled", "failed"), "failed", B),
        (("canceled", "canceled"), "canceled", B),
        (("completed", "failed"), "no-answer", A),
    ],
)
def test_ringing_last_leg_ended_reports_the_most_informative(
    conversation: New, ends: tuple[str, str], status: str, leg: str
) -> None:
    """PR-55: busy when all were busy, no-answer when one rang out, failed when nothing could be rung."""
    talk = conversation()
    talk.run(dial())
    talk.tell(LegEnded, leg=A, status=LegStatus(ends[0]))
    assert talk.tell(LegEnded, leg=B, status=LegStatus(ends[1])) == (
        CancelTimer(timer=RING),
        done(status, leg),
    )


def test_an_unregistered_client_is_no_answer_at_once(conversation: New) -> None:
    """PR-56, checklist 18: no dead ring time."""
    talk = conversation()
    talk.run(dial("<Client>ann</Client>"))
    ended = talk.tell(LegEnded, leg=A, status=LegStatus.NO_ANSWER)
    assert ended == (CancelTimer(timer=RING), done("no-answer", A))


def bridged(conversation: New, attributes: str = "") -> Any:
    talk = conversation()
    talk.run(dial(attributes=attributes))
    talk.tell(LegAnswered, leg=A)
    return talk


def test_bridged_leg_ended_completes(conversation: New) -> None:
    talk = bridged(conversation)
    assert talk.tell(LegEnded, after=61.9, leg=A, status=LegStatus.COMPLETED) == (
        CancelTimer(timer=TALK),
        done("completed", A, duration=61, bridged=True),
    )


def test_bridged_time_limit_hangs_up(conversation: New) -> None:
    talk = bridged(conversation, 'timeLimit="60"')
    assert talk.tell(TimerFired, after=60, timer=TALK) == (
        HangUp(leg=A),
        done("completed", A, duration=60, bridged=True),
    )


def test_a_clock_that_went_back_gives_no_negative_duration(conversation: New) -> None:
    talk = bridged(conversation)
    talk.tell(LegEnded, after=-5, leg=A, status=LegStatus.COMPLETED)
    assert ("DialCallDuration", "0") in talk.last(Fetch).params


STAR = 'hangupOnStar="true"'


def test_bridged_star_hangs_up(conversation: New) -> None:
    talk = bridged(conversation, STAR)
    assert talk.tell(DigitsReceived, leg=A, digits="*") == ()
    assert talk.tell(DigitsReceived, leg="", digits="12") == ()
    assert talk.tell(DigitsReceived, after=3, leg="", digits="*") == (
        CancelTimer(timer=TALK),
        HangUp(leg=A),
        done("completed", A, duration=3, bridged=True),
    )


def test_star_without_hangup_on_star_is_a_key(conversation: New) -> None:
    assert bridged(conversation).tell(DigitsReceived, leg="", digits="*") == ()


def test_ringing_star_cancels(conversation: New) -> None:
    talk = conversation()
    talk.run(dial(attributes=STAR))
    talk.tell(LegEnded, leg=A, status=LegStatus.BUSY)
    assert talk.tell(DigitsReceived, leg="", digits="*") == (
        CancelTimer(timer=RING),
        CancelLeg(leg=B),
        done("canceled", B),
    )


def test_whispering_star_cancels(conversation: New) -> None:
    talk = whispering(conversation, attributes=STAR)
    stop = CancelTimer(timer="whisper-1-0-0")
    assert talk.tell(DigitsReceived, leg="", digits="*") == (stop, HangUp(leg=A), done("canceled", A))


GONE = Finish(reason=FinishReason.CALLER_HUNG_UP)


def test_ringing_caller_hung_up_cancels_all(conversation: New) -> None:
    """PR-57; the action is still requested, and its answer has no effect."""
    talk = conversation()
    talk.run(dial())
    assert talk.tell(HungUp) == (
        CancelTimer(timer=RING),
        CancelLeg(leg=A),
        CancelLeg(leg=B),
        done("canceled", B),
        GONE,
    )
    assert talk.reply("<Reject/>") == ()


def test_whispering_caller_hung_up(conversation: New) -> None:
    talk = whispering(conversation)
    assert talk.tell(HungUp)[1:] == (HangUp(leg=A), done("canceled", A), GONE)


def test_bridged_caller_hung_up(conversation: New) -> None:
    """F21: accept and hang-up in the same instant have one outcome."""
    talk = bridged(conversation)
    assert talk.tell(HungUp, after=9) == (
        CancelTimer(timer=TALK),
        HangUp(leg=A),
        done("completed", A, duration=9, bridged=True),
        GONE,
    )
    assert talk.tell(LegAnswered, leg=B) == ()


def test_caller_hung_up_without_an_action_ends_only(conversation: New) -> None:
    talk = conversation()
    talk.run("<Dial>+15550111</Dial><Redirect>/next</Redirect>")
    assert talk.tell(HungUp) == (CancelTimer(timer=RING), CancelLeg(leg=A), GONE)


def test_every_row_is_reached_by_these_tests_cues() -> None:
    """The table has no state that cannot be left, no row into nowhere, and an exit for a caller who hangs
    up.
    """
    for phase in (Phase.RINGING, Phase.WHISPERING, Phase.BRIDGED):
        assert TABLE[phase, Cue.CALLER_HUNG_UP][0] is Phase.FINISHED
        assert TABLE[phase, Cue.TIME_UP][0] is Phase.FINISHED
    assert not [row for row in TABLE if row[0] is Phase.FINISHED]
    assert {cue for _, cue in TABLE} == set(Cue)
    assert {step for _, steps in TABLE.values() for step in steps} == set(Do)
