"""<Dial><Conference>, row by row (twilio-surface 2.2, 2.4, 2.10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from instructions.commands import (
    Answer,
    CancelTimer,
    ConferenceCallback,
    Fetch,
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
)
from instructions.events import (
    Answered,
    AsideEnded,
    ConferenceJoined,
    ConferenceStarted,
    SoundEnded,
    TimerFired,
)

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
