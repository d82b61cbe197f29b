"""A session whose document is replaced: by a REST update, or by software that reads it differently."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from session_world import END, ERROR, FALLBACK, New

from instructions.commands import Answer, CancelLeg, CancelTimer, Fault, Fetch, StartLeg
from instructions.events import (
    Answered,
    HungUp,
    LegAnswered,
    LegEnded,
    LegStatus,
    Replaced,
    SoundEnded,
    TimerFired,
)
from instructions.interpreter import APOLOGY


def test_replaced_leaves_the_dial_and_runs_the_new_document(conversation: New) -> None:
    """Checklist 42; the action of the Dial that was left is not requested."""
    talk = conversation(fallback_url=FALLBACK)
    talk.run('<Dial action="/done"><Client>ann</Client><Client>bob</Client></Dial>')
    new = "https://app.test/new"
    assert talk.tell(Replaced, url=new, method="GET", twiml=None) == (
        CancelTimer(timer="ring-1-0-0"),
        CancelLeg(leg="leg-1-0-0"),
        CancelLeg(leg="leg-1-0-1"),
        Fetch(fetch="fetch-2", url=new, method="GET"),
    )
    assert talk.tell(LegAnswered, leg="leg-1-0-0") == ()
    talk.fail()
    assert talk.last(Fetch).url == FALLBACK


def test_replaced_by_an_inline_document_while_fetching(conversation: New) -> None:
    talk = conversation()
    talk.start()
    new = {"url": None, "method": "POST", "twiml": "<Response><Dial>+15550111</Dial></Response>"}
    assert talk.tell(Replaced, **new, fallback_url=FALLBACK) == (Answer(),)
    assert talk.state.origin.fallback_url == FALLBACK
    assert talk.reply("<Reject/>") == ()
    assert talk.tell(Answered)[0].leg == "leg-2-0-0"


def test_replaced_before_the_start_is_the_start(conversation: New) -> None:
    talk = conversation()
    assert talk.tell(Replaced, url=None, method="POST", twiml="<Response/>") == (END,)


def test_replaced_by_nothing_changes_nothing(conversation: New) -> None:
    talk = conversation()
    talk.run("<Pause/>")
    assert talk.tell(Replaced, url=None, method="POST", twiml=None) == ()


def test_leg_names_are_new_in_every_document(conversation: New) -> None:
    talk = conversation()
    talk.run("<Dial>+15550111</Dial><Dial>+15550112</Dial><Redirect/>")
    talk.tell(LegEnded, leg="leg-1-0-0", status=LegStatus.BUSY)
    talk.tell(LegEnded, leg="leg-1-1-0", status=LegStatus.BUSY)
    talk.reply("<Dial>+15550111</Dial>")
    names = [command.leg for command in talk.commands if isinstance(command, StartLeg)]
    assert names == ["leg-1-0-0", "leg-1-1-0", "leg-2-0-0"]


# -- upgrades


@pytest.mark.parametrize(
    "change",
    [{"verb": "Gather"}, {"cursor": 7}, {"document": b"<Response><Dial>"}],
    ids=["verb", "cursor", "document"],
)
@pytest.mark.parametrize("event", ["answered", "ended", "hung up"])
def test_a_document_that_reads_differently_after_an_upgrade_ends_the_call(
    conversation: New, change: dict[str, Any], event: str
) -> None:
    """style 6: nobody guesses; what rings is cancelled."""
    talk = conversation()
    talk.start()
    talk.reply("<Dial>+15550111</Dial>")
    if event != "answered":
        talk.tell(Answered)
    (frame,) = talk.state.frames
    talk.state = replace(talk.state, frames=(replace(frame, **change),))
    match event:
        case "answered":
            commands = talk.tell(Answered)
        case "ended":
            commands = talk.tell(LegEnded, leg="leg-1-0-0", status=LegStatus.BUSY)
        case _:
            commands = talk.tell(HungUp)
    assert (CancelLeg(leg="leg-1-0-0") in commands) is (event != "answered")
    assert [command.code for command in commands if isinstance(command, Fault)] == [12400]
    if event != "hung up":
        assert commands[-1].sound == APOLOGY
        commands = talk.tell(SoundEnded, sound_id=commands[-1].sound_id)
    assert commands[-1] == ERROR


def test_a_verb_ignores_another_verbs_memory(conversation: New) -> None:
    talk = conversation()
    talk.run("<Pause/>")
    (frame,) = talk.state.frames
    for verb in ("Dial", "Say", "Gather", "Record", "Connect", "Echo"):
        other = replace(frame, document=f"<Response><{verb}/></Response>".encode(), verb=verb)
        talk.state = replace(talk.state, frames=(other,))
        assert talk.tell(TimerFired, timer="pause-1-0") == ()
