"""<Dial> without an action, with answerOnBridge, and what it rings (twilio-surface 2.2; PR-50, PR-54)."""

from __future__ import annotations

import pytest
from test_twiml_dial import END, RING, TALK, A, B, New, client, dial, done

from instructions.commands import (
    Answer,
    Bridge,
    CancelTimer,
    ClientTarget,
    Fault,
    Fetch,
    Finish,
    FinishReason,
    NumberTarget,
    StartLeg,
    StatusCallback,
    Warn,
)
from instructions.events import (
    Answered,
    LegAnswered,
    LegEnded,
    LegStatus,
    TimerFired,
)


def test_without_an_action_the_next_verb_runs(conversation: New) -> None:
    """Checklist 19."""
    talk = conversation()
    talk.run("<Dial>+15550111</Dial><Redirect>/next</Redirect>")
    talk.tell(LegEnded, leg=A, status=LegStatus.BUSY)
    assert talk.last(Fetch).url == "https://app.test/next"


def test_without_an_action_and_a_next_verb_the_document_ends(conversation: New) -> None:
    talk = conversation()
    talk.run("<Dial>+15550111</Dial>")
    assert talk.tell(LegEnded, leg=A, status=LegStatus.BUSY) == (CancelTimer(timer=RING), END)


ON_BRIDGE = 'answerOnBridge="true"'


def test_answer_on_bridge_answers_just_before_the_bridge(conversation: New) -> None:
    """Checklist 22."""
    talk = conversation()
    talk.start()
    assert talk.reply(dial(attributes=ON_BRIDGE))[0] == client("ann")
    assert talk.tell(LegAnswered, leg=A)[2:4] == (Answer(), Bridge(leg=A))
    assert talk.tell(Answered) == ()
    talk.tell(LegEnded, leg=A, status=LegStatus.COMPLETED)
    assert Answer() not in talk.reply("<Hangup/>")


def test_answer_on_bridge_never_answers_when_nobody_does(conversation: New) -> None:
    talk = conversation()
    talk.run(dial(attributes=ON_BRIDGE))
    talk.tell(TimerFired, timer=RING)
    assert Answer() not in talk.commands
    assert talk.reply("<Reject/>")[-1] == Finish(reason=FinishReason.REJECTED)


def test_answer_on_bridge_waits_for_the_answer_before_the_next_verb(conversation: New) -> None:
    """The leg ended between Answer and Answered: the next verb waits, and Answer is not sent twice."""
    talk = conversation()
    talk.run(f"<Dial {ON_BRIDGE}>+15550111</Dial><Hangup/>")
    talk.tell(LegAnswered, leg=A)
    assert talk.tell(LegEnded, leg=A, status=LegStatus.COMPLETED) == (CancelTimer(timer=TALK),)
    assert talk.tell(Answered) == (Finish(reason=FinishReason.HANGUP),)


def test_what_is_rung_is_what_the_nouns_say(conversation: New) -> None:
    talk = conversation()
    commands = talk.run(
        """<Dial callerId="+15550199" timeout="20">
          +1 555 0122
          <Number sendDigits="ww12#" statusCallback="cb?x=1" statusCallbackMethod="GET"
                  statusCallbackEvent="initiated answered">+1-555-0123</Number>
          <Client><Identity>ann</Identity><Parameter name="k" value="v"/></Client>
        </Dial>"""
    )
    shared = {"caller_id": "+15550199", "timeout": 25}
    events = StatusCallback(url="https://app.test/cb?x=1", method="GET", events=("initiated", "answered"))
    assert commands[:3] == (
        StartLeg(leg=A, noun=NumberTarget(number="+15550122"), status_callback=None, **shared),
        StartLeg(
            leg=B,
            noun=NumberTarget(number="+15550123", send_digits="ww12#"),
            status_callback=events,
            **shared,
        ),
        StartLeg(
            leg="leg-1-0-2",
            noun=ClientTarget(identity="ann", parameters=(("k", "v"),)),
            status_callback=None,
            **shared,
        ),
    )


@pytest.mark.parametrize("number", [10, 11])
def test_up_to_ten_nouns(conversation: New, number: int) -> None:
    """PR-54: of eleven none is rung, and the Dial has failed: nobody must guess which ten were meant."""
    talk = conversation()
    half = "<Client>ann</Client>" * 5
    talk.run(dial(half + "<Number>+15550111</Number>" * (number - 5)))
    rung = [command for command in talk.commands if isinstance(command, StartLeg)]
    if number == 10:
        assert len(rung) == 10
    else:
        assert rung == []
        assert talk.last(Fault).code == 13215
        assert talk.last(Fetch) == done("failed", None)


@pytest.mark.parametrize(
    ("nouns", "code"),
    [
        ("", None),
        ("<Number/>", 13223),
        ("<Number>bob</Number>", 13223),
        ("<Client/>", 12200),
        ("<Client>a b</Client>", 12200),
        ("<Queue/>", 14212),
        ("<Sip/>", 13243),
        ("<Sip>bob</Sip>", 13243),
        ("<Application/>", 12200),
        ("<WhatsApp>+15550111</WhatsApp>", 13750),
        ("<Say>Hi</Say>", 13215),
    ],
)
def test_a_dial_that_can_ring_nobody_fails_at_once(conversation: New, nouns: str, code: int | None) -> None:
    talk = conversation()
    assert talk.run(dial(nouns))[-1] == done("failed", None)
    assert ({code} if code else set()) <= set(talk.codes())


def test_a_noun_that_does_not_act_is_skipped_with_a_warning(conversation: New) -> None:
    talk = conversation()
    warned, start, _ = talk.run(dial("<WhatsApp>+15550111</WhatsApp><Client>bob</Client>"))
    assert (warned.code, warned.line) == (13750, 1)
    assert start == client("bob", B)


def test_attributes_that_do_not_act_are_warned_about(conversation: New) -> None:
    talk = conversation()
    talk.run(
        dial(
            '<Number byoc="BY' + "0" * 32 + '">+15550111</Number>',
            'callReason="a parcel" trim="do-not-trim"',
        )
    )
    texts = [command.message for command in talk.commands if isinstance(command, Warn)]
    assert [text.partition(" does")[0] for text in texts] == ["<Dial callReason>", "<Number byoc>"]


@pytest.mark.parametrize(
    ("caller", "caller_id", "rung"),
    [
        ("+15550100", None, True),
        ("anonymous", None, True),
        ("client:zoe", None, False),
        ("client:zoe", "+15550199", True),
        ("+15550100", "client:zoe", False),
        ("sip:zoe@b.test", None, False),
    ],
)
def test_a_number_is_dialled_with_a_number_as_caller_id(
    conversation: New, caller: str, caller_id: str | None, rung: bool
) -> None:
    """13214, checklist 39: a client that dials a number must say which number it shows."""
    talk = conversation(caller=caller)
    talk.run(dial("<Number>+15550111</Number>", f'callerId="{caller_id}"' if caller_id else ""))
    if rung:
        assert talk.last(StartLeg).caller_id == caller_id
    else:
        assert talk.codes() == [13214]
        assert talk.last(Fetch) == done("failed", None)


def test_a_client_may_dial_a_client_as_itself(conversation: New) -> None:
    talk = conversation(caller="client:zoe")
    talk.run(dial())
    assert talk.last(StartLeg) == client("bob", B)


def test_dial_in_a_whisper_document_declines(conversation: New) -> None:
    """13201: a screened callee may not dial."""
    talk = conversation(role="screening", answered=True)
    fault, finish = talk.run(dial())
    assert fault.code == 13201
    assert finish == Finish(reason=FinishReason.SCREENING_DECLINED)


def test_relative_urls_in_an_inline_document(conversation: New) -> None:
    """15004: a noun with a screening that cannot be had is not put through unscreened; a callback is only
    left out.
    """
    talk = conversation(
        twiml="<Response><Dial>"
        '<Client url="hear">ann</Client><Client statusCallback="cb">bob</Client>'
        "</Dial></Response>"
    )
    talk.start()
    commands = talk.tell(Answered)
    assert [command.code for command in commands if isinstance(command, Fault)] == [15004, 15004]
    assert [command.leg for command in commands if isinstance(command, StartLeg)] == [B]
