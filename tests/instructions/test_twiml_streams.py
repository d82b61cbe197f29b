"""Connect, Start, Stop and Echo: what is attached to the call's audio, and for how long (twilio-surface 2.9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from instructions.commands import (
    Answer,
    Echo,
    Fetch,
    Finish,
    FinishReason,
    Play,
    Record,
    RecordingCallback,
    StartStream,
    StopEcho,
    StopStream,
    StreamCallback,
)
from instructions.events import (
    DigitsReceived,
    HungUp,
    RecordingEnded,
    Replaced,
    StreamEnded,
    TimerFired,
)

New = Callable[..., Any]
APP = "https://app.test/voice"
URL = "wss://app.test/audio"
NAME = "stream-1-0"
END = Finish(reason=FinishReason.END_OF_DOCUMENT)
GONE = Finish(reason=FinishReason.CALLER_HUNG_UP)
NEXT = "<Say>Next</Say>"


def run(conversation: New, twiml: str) -> Any:
    talk = conversation(answered=True)
    talk.run(twiml)
    return talk


def stream(**facts: Any) -> StartStream:
    usual: dict[str, Any] = {"stream": NAME, "url": URL, "name": None, "track": "inbound"}
    usual |= {"bidirectional": True, "parameters": (), "callback": None}
    return StartStream(**usual | facts)


# -- Connect


def connect(conversation: New, attributes: str = "", noun: str = f'<Stream url="{URL}"/>') -> Any:
    return run(conversation, f"<Connect{attributes}>{noun}</Connect>{NEXT}")


def test_a_connected_stream_hears_and_speaks(conversation: New) -> None:
    talk = connect(conversation)
    assert talk.commands[1:] == [stream()]
    assert talk.tell(DigitsReceived, leg="", digits="1") == ()
    assert talk.tell(TimerFired, timer="pause-1-0") == ()


def test_all_that_can_be_said_about_a_stream(conversation: New) -> None:
    talk = connect(
        conversation,
        noun=f'<Stream url="{URL}" name="mine" statusCallback="cb" statusCallbackMethod="GET">'
        '<Parameter name="a" value="1"/><Parameter name="b"/><Parameter value="nameless"/></Stream>',
    )
    callback = StreamCallback(url="https://app.test/cb", method="GET")
    parameters = (("a", "1"), ("b", ""))
    assert talk.commands[1:] == [stream(name="mine", callback=callback, parameters=parameters)]


@pytest.mark.parametrize("how", ["ended", "failed"])
def test_when_it_ends_the_next_verb_runs(conversation: New, how: str) -> None:
    """Why it failed, the engine has noted for every stream, also for those that no verb waits for."""
    talk = connect(conversation)
    facts = {"failed": True, "code": 31921, "reason": "gone"} if how == "failed" else {}
    assert talk.tell(StreamEnded, stream="stream-9-0") == ()
    (play,) = talk.tell(StreamEnded, stream=NAME, **facts)
    assert isinstance(play, Play)


def test_when_it_ends_action_is_asked(conversation: New) -> None:
    talk = run(conversation, f'<Connect action="/done" method="GET"><Stream url="{URL}"/></Connect>')
    fetch = Fetch(fetch="fetch-2", url="https://app.test/done", method="GET")
    assert talk.tell(StreamEnded, stream=NAME) == (fetch,)


def test_a_caller_who_hangs_up_ends_it(conversation: New) -> None:
    assert connect(conversation).tell(HungUp) == (StopStream(stream=NAME), GONE)
    stop, fetch, gone = connect(conversation, ' action="/done"').tell(HungUp)
    assert (stop, fetch.url, gone) == (StopStream(stream=NAME), "https://app.test/done", GONE)


def test_leaving_stops_it(conversation: New) -> None:
    talk = connect(conversation)
    assert talk.tell(Replaced, url=APP, method="POST", twiml=None)[0] == StopStream(stream=NAME)


REFUSED = {
    "no URL": ("<Stream/>", [31922]),
    "http": ('<Stream url="http://app.test/"/>', [31922, 31922]),
    "the other track": (f'<Stream url="{URL}" track="outbound_track"/>', [31941]),
    "both tracks": (f'<Stream url="{URL}" track="both_tracks"/>', [31941]),
}


@pytest.mark.parametrize(("noun", "codes"), REFUSED.values(), ids=REFUSED)
def test_a_stream_that_cannot_be(conversation: New, noun: str, codes: list[int]) -> None:
    talk = connect(conversation, noun=noun)
    assert talk.codes() == codes
    assert isinstance(talk.commands[-1], Play)
    asks = connect(conversation, ' action="/done"', noun=noun)
    assert asks.last(Fetch).url == "https://app.test/done"


def test_one_stream_of_several(conversation: New) -> None:
    talk = connect(conversation, noun=f'<Stream url="{URL}"/><Stream url="wss://b.test/"/>')
    assert (talk.codes(), talk.commands[-1]) == ([12200], stream())


NOUNS = [
    "Room",
    "VirtualAgent",
    "Conversation",
    "ConversationRelay",
    "ConversationRelaySession",
    "Autopilot",
    "AiSession",
]


@pytest.mark.parametrize("noun", NOUNS)
def test_other_services_do_not_act_and_the_call_goes_on(conversation: New, noun: str) -> None:
    talk = connect(conversation, ' action="/done"', f"\n<{noun}/>")
    _, warned, play = talk.commands
    message = f"<{noun}> does not act yet: it was skipped"
    assert (warned.code, warned.message, warned.line) == (13750, message, 2)
    assert isinstance(play, Play)


@pytest.mark.parametrize(
    ("written", "opened"),
    [
        ("ws://127.0.0.1:9/a", "ws://127.0.0.1:9/a"),
        ("WSS://app.test/a?b=c#d", "WSS://app.test/a"),
        ("audio?x=1", "wss://app.test/audio"),
        ("//b.test/a", "wss://b.test/a"),
    ],
)
def test_the_address(conversation: New, written: str, opened: str) -> None:
    """A query is not passed on; a relative address starts from the document's."""
    assert connect(conversation, noun=f'<Stream url="{written}"/>').last(StartStream).url == opened


def test_a_relative_address_in_a_document_of_a_plain_url(conversation: New) -> None:
    talk = conversation(url="http://127.0.0.1:8/voice", answered=True)
    talk.run('<Connect><Stream url="/audio"/></Connect>')
    assert talk.last(StartStream).url == "ws://127.0.0.1:8/audio"


def test_relative_urls_in_an_inline_document(conversation: New) -> None:
    twiml = '<Response><Connect><Stream url="{}" statusCallback="cb"/></Connect></Response>'
    fault, started = conversation(url=None, twiml=twiml.format(URL), answered=True).start()
    assert (fault.code, started) == (15004, stream())
    assert conversation(url=None, twiml=twiml.format("audio"), answered=True).start()[0].code == 31922


def test_long_parameters_are_left_out(conversation: New) -> None:
    """Name and value together have fewer than 500 characters."""
    inside = "".join(f'<Parameter name="{name}" value="{"x" * 498}"/>' for name in ("a", "bb"))
    talk = connect(conversation, noun=f'<Stream url="{URL}">{inside}</Stream>')
    assert talk.codes() == [12200]
    assert [name for name, _ in talk.last(StartStream).parameters] == ["a"]


def test_it_answers_the_call_first(conversation: New) -> None:
    talk = conversation()
    talk.start()
    assert talk.reply(f'<Connect><Stream url="{URL}"/></Connect>') == (Answer(),)


# -- Start


@pytest.mark.parametrize("track", ["inbound", "outbound", "both"])
def test_a_started_stream_only_hears_and_the_call_goes_on(conversation: New, track: str) -> None:
    attribute = f"{track}_track" + ("s" if track == "both" else "")
    talk = run(conversation, f'<Start><Stream name="s" url="{URL}" track="{attribute}"/></Start>{NEXT}')
    started, play = talk.commands[1:]
    assert started == stream(stream="stream-1-0-0", name="s", track=track, bidirectional=False)
    assert talk.tell(StreamEnded, stream="stream-1-0-0") == ()
    assert play.sound.text == "Next"


def test_several_streams_of_different_names(conversation: New) -> None:
    nouns = "".join(f'<Stream name="{name}" url="{URL}"/>' for name in "aba")
    talk = run(conversation, f'<Start>{nouns}<Stream url="{URL}"/><Stream url="{URL}"/></Start>')
    names = [command.name for command in talk.commands if isinstance(command, StartStream)]
    assert (names, talk.codes()) == (["a", "b", None, None], [12200])


def test_a_recording_in_the_background(conversation: New) -> None:
    talk = run(conversation, f'<Start><Recording recordingStatusCallback="cb"/></Start>{NEXT}')
    callback = RecordingCallback(url="https://app.test/cb", method="POST", events=("completed",))
    assert talk.commands[1] == Record(
        recording="recording-1-0-0",
        silence=0,
        max_length=14_400,
        beep=False,
        trim=False,
        callback=callback,
        track="both",
        channels=2,
        source="StartCallRecordingTwiML",
    )
    facts: dict[str, Any] = {"cause": "length", "seconds": 9, "silent": False}
    assert talk.tell(RecordingEnded, recording="recording-1-0-0", **facts) == ()


@pytest.mark.parametrize(
    ("attributes", "track", "channels"),
    [
        ('track="inbound"', "inbound", 1),
        ('track="outbound" channels="dual"', "outbound", 1),
        ('channels="mono"', "both", 1),
    ],
)
def test_two_channels_are_those_of_both_tracks(
    conversation: New, attributes: str, track: str, channels: int
) -> None:
    talk = run(conversation, f'<Start><Recording trim="trim-silence" {attributes}/></Start>')
    record = talk.last(Record)
    assert (record.track, record.channels, record.trim) == (track, channels, True)


def test_who_is_told_of_a_recording_in_the_background(conversation: New) -> None:
    talk = run(
        conversation,
        '<Start><Recording recordingStatusCallback="cb" recordingStatusCallbackMethod="GET" '
        'recordingStatusCallbackEvent="in-progress absent"/></Start>',
    )
    callback = RecordingCallback(url="https://app.test/cb", method="GET", events=("in-progress", "absent"))
    assert talk.last(Record).callback == callback


@pytest.mark.parametrize("verb", ["Start", "Stop"])
@pytest.mark.parametrize("noun", ["Siprec", "Transcription"])
def test_what_does_not_act_is_said_noun_by_noun(conversation: New, verb: str, noun: str) -> None:
    talk = run(conversation, f"<{verb}><{noun}/><{noun}/></{verb}>{NEXT}")
    assert talk.codes() == [13750, 13750]
    assert isinstance(talk.commands[-1], Play)


# -- Stop


def test_a_stream_is_stopped_by_its_name(conversation: New) -> None:
    """Before the call is answered too: it does nothing then."""
    talk = conversation()
    assert talk.run('<Stop><Stream name="s"/></Stop>') == (StopStream(name="s"), END)


def test_a_stream_without_a_name_cannot_be_stopped(conversation: New) -> None:
    assert run(conversation, "<Stop><Stream/></Stop>").codes() == [12200]


# -- Echo


def test_echo_lasts_until_the_call_ends(conversation: New) -> None:
    talk = run(conversation, f"<Echo/>{NEXT}")
    assert talk.commands[1:] == [Echo()]
    assert talk.tell(DigitsReceived, leg="", digits="#") == ()
    assert talk.tell(HungUp) == (StopEcho(), GONE)


def test_echo_ends_for_another_document(conversation: New) -> None:
    talk = run(conversation, "<Echo/>")
    assert talk.tell(Replaced, url=APP, method="POST", twiml=None)[0] == StopEcho()
