"""<Conference>: held and announced to by REST, its end, and what its documents may run (twilio-surface 2.4, 5.10)."""

from __future__ import annotations

from typing import Any

import pytest
from test_twiml_conference import CF, LEAVE, LIMIT, MUSIC, New, aside, dial, done, waiting

from instructions.commands import (
    Answer,
    CancelTimer,
    Fault,
    Finish,
    FinishReason,
    LeaveConference,
    SetTimer,
    StopAside,
    StopSounds,
    Warn,
)
from instructions.events import (
    AsideEnded,
    ConferenceAnnounced,
    ConferenceHeld,
    ConferenceJoined,
    ConferenceLeft,
    ConferenceResumed,
    ConferenceStarted,
    DigitsReceived,
    HungUp,
    Replaced,
    SoundEnded,
    TimerFired,
)
from instructions.outcomes import Role

# -- hold and announcements (REST)


def test_on_hold_with_music_until_resumed(conversation: New) -> None:
    talk = waiting(conversation, started=True)
    assert talk.tell(ConferenceHeld, url=None, method="POST") == (MUSIC,)
    assert talk.tell(ConferenceResumed) == (StopSounds(),)
    assert talk.tell(ConferenceResumed) == ()


def test_on_hold_with_a_document_that_runs_again(conversation: New) -> None:
    talk = waiting(conversation, started=True)
    hold = "https://app.test/hold"
    assert talk.tell(ConferenceHeld, url=hold, method="GET") == (aside(0, hold, "GET"),)
    assert talk.tell(AsideEnded, after=5, aside="aside-1-0-0", reason=FinishReason.END_OF_DOCUMENT) == (
        aside(1, hold, "GET"),
    )
    assert talk.tell(ConferenceResumed) == (StopAside(),)


def test_who_is_held_while_waiting_waits_on(conversation: New) -> None:
    talk = waiting(conversation)
    hold = "https://app.test/hold"
    assert talk.tell(ConferenceHeld, url=hold, method="POST") == (StopAside(), aside(1, hold))
    assert talk.tell(ConferenceResumed) == (StopAside(), aside(2))


def test_who_is_held_while_it_starts_hears_it_when_resumed(conversation: New) -> None:
    talk = waiting(conversation)
    talk.tell(ConferenceHeld, url=None, method="POST")
    assert talk.tell(ConferenceStarted) == ()
    assert talk.tell(ConferenceResumed) == (StopSounds(),)


def test_an_announcement_runs_once(conversation: New) -> None:
    talk = waiting(conversation, started=True)
    words = "https://app.test/words"
    assert talk.tell(ConferenceAnnounced, url=words, method="GET") == (aside(0, words, "GET"),)
    assert talk.tell(AsideEnded, aside="aside-1-0-0", reason=FinishReason.END_OF_DOCUMENT) == ()


@pytest.mark.parametrize("reason", [FinishReason.END_OF_DOCUMENT, FinishReason.APPLICATION_ERROR])
def test_after_an_announcement_the_wait_goes_on(conversation: New, reason: FinishReason) -> None:
    """Also when the announcement is broken."""
    talk = waiting(conversation)
    words = "https://app.test/words"
    assert talk.tell(ConferenceAnnounced, url=words, method="POST") == (StopAside(), aside(1, words))
    assert talk.tell(AsideEnded, aside="aside-1-0-1", reason=reason) == (aside(2),)


def test_the_next_announcement_interrupts_even_from_the_same_url(conversation: New) -> None:
    """What an application says there may have changed."""
    talk = waiting(conversation, started=True)
    words = "https://app.test/words"
    talk.tell(ConferenceAnnounced, url=words, method="POST")
    assert talk.tell(ConferenceAnnounced, url=words, method="POST") == (StopAside(), aside(1, words))
    assert talk.tell(AsideEnded, aside="aside-1-0-0", reason=FinishReason.END_OF_DOCUMENT) == ()
    assert talk.tell(AsideEnded, aside="aside-1-0-1", reason=FinishReason.END_OF_DOCUMENT) == ()


def test_an_announcement_from_the_url_that_is_heard_anyway(conversation: New) -> None:
    talk = waiting(conversation, started=True)
    page = "https://app.test/page"
    talk.tell(ConferenceHeld, url=page, method="POST")
    assert talk.tell(ConferenceAnnounced, url=page, method="POST") == (StopAside(), aside(1, page))
    assert talk.tell(AsideEnded, aside="aside-1-0-1", reason=FinishReason.END_OF_DOCUMENT) == (
        aside(2, page),
    )


# -- the end


@pytest.mark.parametrize("why", ["ended", "kicked"])
def test_the_conference_ends_it(conversation: New, why: str) -> None:
    """`answered` is what Twilio calls a conference dial; there is no child call to name."""
    talk = waiting(conversation, started=True)
    assert talk.tell(ConferenceLeft, why=why) == (CancelTimer(timer=LIMIT), done("answered"))


def test_the_end_stops_the_wait(conversation: New) -> None:
    talk = waiting(conversation)
    assert talk.tell(ConferenceLeft, why="ended") == (
        StopAside(),
        CancelTimer(timer=LIMIT),
        done("answered"),
    )


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"why": "full"}, 16020),
        ({"why": "full", "code": 16020, "reason": "2 of 2"}, 16020),
        ({"why": "failed"}, 12400),
        ({"why": "failed", "code": 16023, "reason": "the label is taken"}, 16023),
    ],
)
def test_who_is_not_let_in_fails(conversation: New, facts: dict[str, Any], code: int) -> None:
    talk = conversation()
    talk.run(dial())
    assert talk.tell(ConferenceLeft, **facts)[-1] == done("failed")
    assert talk.codes() == [code]
    assert facts.get("reason", "") in talk.last(Fault).message


def test_without_an_action_the_next_verb_runs(conversation: New) -> None:
    talk = conversation()
    talk.run("<Dial><Conference>room</Conference></Dial><Hangup/>")
    assert talk.tell(ConferenceLeft, why="kicked")[-1] == Finish(reason=FinishReason.HANGUP)


def test_hangup_on_star(conversation: New) -> None:
    talk = conversation()
    talk.run(dial(attributes='hangupOnStar="true"'))
    talk.tell(ConferenceJoined, conference_sid=CF, started=True)
    assert talk.tell(DigitsReceived, leg="", digits="12") == ()
    assert talk.tell(DigitsReceived, leg="", digits="*") == (*LEAVE, done("answered"))


def test_the_star_means_nothing_otherwise(conversation: New) -> None:
    assert waiting(conversation).tell(DigitsReceived, leg="", digits="*") == ()


def test_time_limit(conversation: New) -> None:
    talk = conversation()
    commands = talk.run(dial(attributes='timeLimit="60"'))
    assert commands[-1] == SetTimer(timer=LIMIT, seconds=60)
    talk.tell(ConferenceJoined, conference_sid=CF, started=False)
    assert talk.tell(TimerFired, timer=LIMIT) == (StopSounds(), LeaveConference(), done("answered"))


@pytest.mark.parametrize(("joined", "status"), [(True, "answered"), (False, "canceled")])
def test_the_caller_hangs_up(conversation: New, joined: bool, status: str) -> None:
    """The action is still told; its answer has no effect."""
    talk = conversation()
    talk.run(dial())
    if joined:
        talk.tell(ConferenceJoined, conference_sid=CF, started=True)
    assert talk.tell(HungUp) == (*LEAVE, done(status), Finish(reason=FinishReason.CALLER_HUNG_UP))


def test_a_rest_update_leaves(conversation: New) -> None:
    talk = waiting(conversation)
    commands = talk.tell(Replaced, url="https://app.test/other", method="POST", twiml=None)
    assert commands[:-1] == (StopAside(), *LEAVE)


# -- what its documents may run


@pytest.mark.parametrize("verb", ["Gather", "Hangup", "Dial", "Record", "Leave", "Enqueue", "Reject", "Stop"])
def test_another_verb_than_play_say_pause_and_redirect_ends_an_aside(conversation: New, verb: str) -> None:
    talk = conversation(role=Role.CONFERENCE, answered=True)
    fault, finish = talk.run(f"\n<{verb}/>")
    assert isinstance(fault, Fault)
    assert (fault.code, fault.line) == (13238, 2)
    assert finish == Finish(reason=FinishReason.APPLICATION_ERROR)


def test_an_aside_plays_and_ends(conversation: New) -> None:
    talk = conversation(role=Role.CONFERENCE, answered=True)
    (play,) = talk.run("<Play>/a.mp3</Play>")
    assert talk.tell(SoundEnded, sound_id=play.sound_id) == (Finish(reason=FinishReason.END_OF_DOCUMENT),)
    assert not any(isinstance(command, Answer | Warn) for command in talk.commands)
