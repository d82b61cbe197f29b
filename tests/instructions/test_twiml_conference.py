"""<Dial><Conference>, row by row (twilio-surface 2.2, 2.4, 2.10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from instructions.commands import (
    Answer,
    CancelTimer,
    ConferenceCallback,
    Fault,
    Fetch,
    Finish,
    FinishReason,
    JoinConference,
    LeaveConference,
    Music,
    Play,
    RecordingCallback,
    RunAside,
    SetTimer,
    StopAside,
    StopSounds,
    Warn,
)
from instructions.events import (
    Answered,
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

New = Callable[..., Any]

LIMIT = "talk-1-0"
LEAVE = (CancelTimer(timer=LIMIT), LeaveConference())
MUSIC = Play(sound_id="sound-1-0-0", sound=Music(), loop=0)
CF = "CF" + "0" * 32


def dial(conference: str = "<Conference>room</Conference>", attributes: str = "") -> str:
    return f'<Dial action="/done" {attributes}>{conference}</Dial><Reject/>'


def conference(attributes: str) -> str:
    return dial(f"<Conference {attributes}>room</Conference>")


def join(**facts: Any) -> JoinConference:
    return JoinConference(
        **{
            "name": "room",
            "muted": False,
            "beep": "true",
            "start_on_enter": True,
            "end_on_exit": False,
            "max_participants": 250,
            "coach": None,
            "label": None,
            "record": False,
            "trim": True,
            "callback": None,
            "recording_callback": None,
        }
        | facts
    )


def aside(number: int, url: str = "https://app.test/wait", method: str = "POST") -> RunAside:
    return RunAside(aside=f"aside-1-0-{number}", url=url, method=method, role="conference")


def done(status: str) -> Fetch:
    params = (("DialCallStatus", status),)
    return Fetch(fetch="fetch-2", url="https://app.test/done", method="POST", params=params)


def waiting(new: New, attributes: str = 'waitUrl="/wait"', started: bool = False) -> Any:
    """A participant who is in."""
    talk = new()
    talk.run(conference(attributes))
    talk.tell(ConferenceJoined, conference_sid=CF, started=started)
    return talk


# -- joining


def test_the_call_is_answered_and_joins_with_twilios_defaults(conversation: New) -> None:
    talk = conversation()
    talk.start()
    assert talk.reply(dial()) == (Answer(),)
    assert talk.tell(Answered) == (join(), SetTimer(timer=LIMIT, seconds=14_400))


def test_answer_on_bridge_cannot_hold_back_the_answer(conversation: New) -> None:
    """Nobody hears an unanswered participant."""
    talk = conversation()
    talk.start()
    assert talk.reply(dial(attributes='answerOnBridge="true"')) == (Answer(),)


@pytest.mark.parametrize(
    ("attributes", "facts"),
    [
        ('muted="true"', {"muted": True}),
        ('beep="onExit"', {"beep": "onExit"}),
        ('startConferenceOnEnter="false"', {"start_on_enter": False}),
        ('endConferenceOnExit="true"', {"end_on_exit": True}),
        ('maxParticipants="2"', {"max_participants": 2}),
        (f'coach="CA{"a" * 32}"', {"coach": "CA" + "a" * 32}),
        ('participantLabel="boss"', {"label": "boss"}),
        ('record="record-from-start"', {"record": True}),
        ('record="true"', {"record": True}),
        ('record="false"', {"record": False}),
        ('trim="do-not-trim"', {"trim": False}),
        (
            'statusCallback="cb" statusCallbackMethod="GET" statusCallbackEvent="start join leave"',
            {
                "callback": ConferenceCallback(
                    url="https://app.test/cb", method="GET", events=("start", "join", "leave")
                )
            },
        ),
        (
            'recordingStatusCallback="/rec" recordingStatusCallbackMethod="GET" '
            'recordingStatusCallbackEvent="in-progress"',
            {
                "recording_callback": RecordingCallback(
                    url="https://app.test/rec", method="GET", events=("in-progress",)
                )
            },
        ),
    ],
)
def test_attributes(conversation: New, attributes: str, facts: dict[str, Any]) -> None:
    talk = conversation()
    assert talk.run(conference(attributes))[0] == join(**facts)
    assert talk.codes() == []


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ('muted="yes"', 13230),
        ('endConferenceOnExit="yes"', 13231),
        ('startConferenceOnEnter="yes"', 13232),
        ('waitUrl="ftp://a.test/"', 13233),
        ('waitMethod="PUT"', 13234),
        ('beep="loud"', 13235),
        ('trim="yes"', 13239),
        ('coach="bob"', 13240),
        ('participantLabel="a/b"', 16025),
        (f'participantLabel="CA{"a" * 32}"', 16025),
        (f'participantLabel="{"a" * 129}"', 16025),
        ('maxParticipants="251"', 12200),
        ('statusCallbackEvent="party"', 12200),
        ('recordingStatusCallbackEvent="party"', 13621),
    ],
)
def test_a_bad_value_is_noted_and_the_default_used(conversation: New, attributes: str, code: int) -> None:
    talk = conversation()
    assert join() in talk.run(conference(attributes))
    assert talk.codes() == [code]


@pytest.mark.parametrize(
    "attributes",
    [
        'region="ie1"',
        'jitterBufferSize="small"',
        'eventCallbackUrl="/old"',
        'recordingConfigurationId="x"',
    ],
)
def test_what_does_not_act_says_so(conversation: New, attributes: str) -> None:
    talk = conversation()
    talk.run(conference(attributes))
    assert talk.codes() == [13750]


def test_attributes_of_the_dial_without_effect_give_no_warning(conversation: New) -> None:
    talk = conversation()
    attributes = 'callerId="+15550111" timeout="9" sequential="true" record="true" ringTone="de"'
    assert talk.run(dial(attributes=attributes))[0] == join()
    assert talk.codes() == []


@pytest.mark.parametrize("attribute", ["waitUrl", "statusCallback", "recordingStatusCallback"])
def test_relative_urls_of_an_inline_document_are_faults(conversation: New, attribute: str) -> None:
    """15004: there is nothing to start from; the call goes on without."""
    talk = conversation(
        url=None, twiml=f'<Response><Dial><Conference {attribute}="/x">room</Conference></Dial></Response>'
    )
    talk.start()
    assert join() in talk.tell(Answered)
    assert talk.codes() == [15004]


@pytest.mark.parametrize(
    ("noun", "codes"),
    [("<Conference/>", [13237]), (f"<Conference>{'r' * 129}</Conference>", [13237])],
)
def test_without_a_name_the_dial_fails(conversation: New, noun: str, codes: list[int]) -> None:
    talk = conversation()
    assert talk.run(dial(noun))[-1] == done("failed")
    assert talk.codes() == codes


def test_beside_another_noun_it_is_ignored(conversation: New) -> None:
    """13000; the others ring."""
    talk = conversation()
    commands = talk.run(dial("<Conference>room</Conference><Client>ann</Client>"))
    assert talk.codes() == [13000]
    assert not any(isinstance(command, JoinConference) for command in commands)


# -- what a participant hears who waits


def test_hold_music_until_the_conference_starts(conversation: New) -> None:
    talk = conversation()
    talk.run(dial())
    assert talk.tell(ConferenceJoined, conference_sid=CF, started=False) == (MUSIC,)
    assert talk.tell(ConferenceStarted) == (StopSounds(),)
    assert talk.tell(ConferenceStarted) == ()


def test_wait_url_until_the_conference_starts(conversation: New) -> None:
    talk = conversation()
    talk.run(conference('waitUrl="wait" waitMethod="GET"'))
    assert talk.tell(ConferenceJoined, conference_sid=CF, started=False) == (aside(0, method="GET"),)
    assert talk.tell(ConferenceStarted) == (StopAside(),)


def test_an_empty_wait_url_is_silence(conversation: New) -> None:
    talk = conversation()
    talk.run(conference('waitUrl=""'))
    assert talk.tell(ConferenceJoined, conference_sid=CF, started=False) == ()
    assert talk.tell(ConferenceStarted) == ()


@pytest.mark.parametrize("first", [ConferenceStarted, ConferenceJoined])
def test_who_joins_a_started_conference_waits_for_nothing(conversation: New, first: Any) -> None:
    """Whichever is told first: that the own leg is in, or that another made the conference start."""
    talk = conversation()
    talk.run(dial())
    if first is ConferenceStarted:
        assert talk.tell(ConferenceStarted) == ()
    assert talk.tell(ConferenceJoined, conference_sid=CF, started=first is ConferenceJoined) == ()


def test_a_wait_document_that_ends_runs_again(conversation: New) -> None:
    talk = waiting(conversation)
    assert talk.tell(AsideEnded, after=1.0, aside="aside-1-0-0", reason=FinishReason.END_OF_DOCUMENT) == (
        aside(1),
    )


def test_but_not_twice_in_a_second(conversation: New) -> None:
    """An empty document must not turn into a flood of requests."""
    talk = waiting(conversation)
    again = SetTimer(timer="again-1-0-1", seconds=1)
    assert talk.tell(AsideEnded, after=0.9, aside="aside-1-0-0", reason=FinishReason.END_OF_DOCUMENT) == (
        again,
    )
    assert talk.tell(TimerFired, after=1.0, timer=again.timer) == (aside(1),)


def test_the_start_stops_that_timer(conversation: New) -> None:
    talk = waiting(conversation)
    talk.tell(AsideEnded, aside="aside-1-0-0", reason=FinishReason.END_OF_DOCUMENT)
    assert talk.tell(ConferenceStarted) == (CancelTimer(timer="again-1-0-1"),)


def test_instead_of_a_broken_wait_document_the_music_plays(conversation: New) -> None:
    talk = waiting(conversation)
    assert talk.tell(AsideEnded, aside="aside-1-0-0", reason=FinishReason.APPLICATION_ERROR) == (
        Play(sound_id="sound-1-0-1", sound=Music(), loop=0),
    )


def test_the_end_of_a_stopped_aside_means_nothing(conversation: New) -> None:
    talk = waiting(conversation)
    talk.tell(ConferenceStarted)
    assert talk.tell(AsideEnded, aside="aside-1-0-0", reason=FinishReason.APPLICATION_ERROR) == ()


def test_music_that_ends_plays_again(conversation: New) -> None:
    talk = waiting(conversation, "")
    again = Play(sound_id="sound-1-0-1", sound=Music(), loop=0)
    assert talk.tell(SoundEnded, after=60, sound_id=MUSIC.sound_id) == (again,)


def test_music_that_fails_is_noted_and_tried_again_in_a_minute(conversation: New) -> None:
    talk = waiting(conversation, "")
    commands = talk.tell(SoundEnded, sound_id=MUSIC.sound_id, failed=True, code=12400, reason="no answer")
    assert commands[1] == SetTimer(timer="again-1-0-1", seconds=60)
    assert talk.codes() == [12400]
    assert talk.tell(TimerFired, after=60, timer="again-1-0-1") == (
        Play(sound_id="sound-1-0-1", sound=Music(), loop=0),
    )


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
