"""Any events, in any order, on any document: never an exception, no life after the end, JSON changes
nothing.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from instructions import snapshot
from instructions.commands import (
    Answer,
    Bridge,
    CancelTimer,
    Fetch,
    Finish,
    Listen,
    Play,
    Record,
    SetTimer,
    StartLeg,
    StartStream,
    StopRecording,
    StopSounds,
)
from instructions.events import (
    Answered,
    DigitsReceived,
    DocumentFailed,
    DocumentFetched,
    Event,
    HungUp,
    LegAnswered,
    LegEnded,
    LegRinging,
    LegScreened,
    LegStatus,
    RecordingEnded,
    Replaced,
    SoundEnded,
    SpeechHeard,
    SpeechStarted,
    Started,
    StreamEnded,
    TimerFired,
)
from instructions.interpreter import advance, new_session
from instructions.outcomes import Role

FLAGS = st.sampled_from(
    [
        "",
        ' sequential="true"',
        ' answerOnBridge="true"',
        ' hangupOnStar="true"',
        ' timeout="x"',
        ' record="true" recordingStatusCallback="/cb"',
        ' record="record-from-ringing-dual"',
    ]
)
NOUNS = st.sampled_from(
    [
        "<Client>ann</Client>",
        '<Client url="hear">bob</Client>',
        '<Number statusCallback="/cb">+15550111</Number>',
        '<Number url="https://b.test/hear">+15550112</Number>',
        "<Conference>r</Conference>",
        "<Sip><Uri>sip:a@b.test?Via=1</Uri><Uri>sip:b@b.test</Uri></Sip>",
        f'<Application url="hear">AP{"0" * 32}</Application>',
        "<Nobody/>",
        "",
    ]
)
DIALS = st.builds(
    lambda action, flags, nouns: f"<Dial{action}{''.join(flags)}>{''.join(nouns)}</Dial>",
    st.sampled_from(["", ' action="/done"', ' action=""']),
    st.sets(FLAGS, max_size=3),
    st.lists(NOUNS, max_size=12),
)
PROMPTS = st.lists(
    st.sampled_from(
        [
            "<Say>Press one</Say>",
            "<Say/>",
            '<Say loop="0"><p>a &amp; b</p></Say>',
            "<Play>/ring.wav</Play>",
            "<Play/>",
            '<Play digits="1w2"/>',
            "<Pause/>",
            '<Pause length="0"/>',
            "<Dial/>",
        ]
    ),
    max_size=4,
).map("".join)
GATHERS = st.builds(
    "<Gather{}{}{}{}{}>{}</Gather>".format,
    st.sampled_from(["", ' input="speech"', ' input="dtmf speech"']),
    st.sampled_from(["", ' bargeIn="false"', ' partialResultCallback="p"']),
    st.sampled_from(["", ' numDigits="2"', ' numDigits="1"']),
    st.sampled_from(["", ' finishOnKey=""', ' finishOnKey="*"']),
    st.sampled_from(["", ' actionOnEmptyResult="true"', ' action="https://b.test/"']),
    PROMPTS,
)
RECORDS = st.builds(
    "<Record{}{}/>".format,
    st.sampled_from(["", ' finishOnKey=""', ' transcribe="true"', ' transcribeCallback="t"']),
    st.sampled_from(["", ' recordingStatusCallback="/cb"', ' action="https://b.test/"']),
)
ATTACHED = st.sampled_from(
    [
        '<Connect><Stream url="wss://a.test/"/></Connect>',
        '<Connect action="/done"><Stream url="audio" statusCallback="cb"/><Room>r</Room></Connect>',
        '<Connect action="/done"><Stream url="wss://a.test/" track="both_tracks"/></Connect>',
        '<Start><Stream name="s" url="wss://a.test/"/><Recording/><Siprec/></Start>',
        '<Stop><Stream name="s"/><Stream/></Stop>',
        "<Echo/>",
    ]
)
VERBS = st.sampled_from(
    [
        "<Say>Hi</Say>",
        "<Pause/>",
        '<Pause length="0"/>',
        "<Redirect>/next</Redirect>",
        "<Hangup/>",
        "<Reject/>",
        "<Odd/>",
        "<Say>",
    ]
)
TWIML = st.lists(DIALS | GATHERS | RECORDS | ATTACHED | PROMPTS | VERBS, max_size=3).map(
    lambda verbs: f"<Response>{''.join(verbs)}</Response>"
)
BODIES = TWIML.map(str.encode) | st.binary(max_size=30)
URLS = st.sampled_from(["https://app.test/voice", "http://[", "", "nowhere"])
TIMES = st.floats(0, 1e11)


def events(known: dict[str, list[str]]) -> st.SearchStrategy[Event]:
    """Any event, about names that the session has used or about strangers."""
    legs = st.sampled_from(["", "stranger", *known["legs"]])
    timers = st.sampled_from(["stranger", *known["timers"]])
    fetches = st.sampled_from(["stranger", *known["fetches"][-1:], *known["fetches"]])
    sounds = st.sampled_from(["stranger", *known["sounds"][-1:], *known["sounds"]])
    recordings = st.sampled_from(["stranger", *known["recordings"][-1:], *known["recordings"]])
    streams = st.sampled_from(["stranger", *known["streams"][-1:], *known["streams"]])
    listens = st.sampled_from(["stranger", *known["listens"][-1:], *known["listens"]])
    return st.one_of(
        st.builds(Started, at=TIMES),
        st.builds(
            DocumentFetched,
            at=TIMES,
            fetch=fetches,
            url=URLS,
            body=BODIES,
            content_type=st.sampled_from(["text/xml", "text/xml", "text/plain", "audio/wav", "", None]),
        ),
        st.builds(
            DocumentFailed, at=TIMES, fetch=fetches, url=URLS, code=st.just(11200), reason=st.text(max_size=5)
        ),
        st.builds(Answered, at=TIMES),
        st.builds(DigitsReceived, at=TIMES, leg=legs, digits=st.sampled_from(["*", "1", "", "12#4"])),
        st.builds(LegRinging, at=TIMES, leg=legs),
        st.builds(LegAnswered, at=TIMES, leg=legs),
        st.builds(LegEnded, at=TIMES, leg=legs, status=st.sampled_from(LegStatus)),
        st.builds(LegScreened, at=TIMES, leg=legs, accepted=st.booleans()),
        st.builds(TimerFired, at=TIMES, timer=timers),
        st.builds(SoundEnded, at=TIMES, sound_id=sounds, failed=st.booleans(), code=st.just(11200)),
        st.builds(
            RecordingEnded,
            at=TIMES,
            recording=recordings,
            cause=st.sampled_from(["silence", "length", "stopped", "hangup", "failed"]),
            seconds=st.integers(0, 9),
            silent=st.booleans(),
        ),
        st.builds(StreamEnded, at=TIMES, stream=streams, failed=st.booleans(), code=st.just(31921)),
        st.builds(SpeechStarted, at=TIMES, listen=listens),
        st.builds(
            SpeechHeard,
            at=TIMES,
            listen=listens,
            text=st.sampled_from(["", "yes"]),
            confidence=st.floats(0, 1),
            failed=st.booleans(),
            code=st.just(20503),
        ),
        st.builds(Replaced, at=TIMES, url=st.none() | URLS, method=st.just("GET"), twiml=st.none() | TWIML),
        # Rarely: it ends everything.
        st.integers(0, 9).flatmap(lambda n: st.builds(HungUp if n == 9 else Answered, at=TIMES)),
    )


SESSIONS = st.builds(
    new_session,
    url=st.none() | URLS,
    twiml=st.none() | TWIML,
    fallback_url=st.none() | URLS,
    answered=st.booleans(),
    role=st.sampled_from(Role),
    caller=st.sampled_from(["+15550100", "client:zoe", ""]),
)


NAMES = ("legs", "timers", "fetches", "sounds", "recordings", "streams", "listens")


@settings(max_examples=60, deadline=None)
@given(session=SESSIONS, data=st.data())
def test_any_events_on_any_document(session: Any, data: st.DataObject) -> None:
    state, known = session, {name: [] for name in NAMES}
    answers = bridges = 0
    under_way: set[str] = set()
    event: Event = Started(at=0)
    for _ in range(data.draw(st.integers(1, 25))):
        was_finished = state.finished
        event = snapshot.event_from_json(snapshot.event_to_json(event))
        state, commands = advance(state, event)
        under_way -= {getattr(event, "timer", ""), getattr(event, "sound_id", "")}

        assert snapshot.loads(snapshot.dumps(state)) == state
        for command in commands:
            assert snapshot.command_from_json(snapshot.command_to_json(command)) == command
        assert was_finished is None or (commands == () and state.finished is was_finished)
        ended = [command for command in commands if isinstance(command, Finish)]
        assert bool(ended) == (state.finished is not None and was_finished is None)
        assert not ended or commands[-1] == ended[0]

        for command in commands:
            if isinstance(command, StartLeg):
                assert command.leg not in known["legs"], "a leg's name is used once"
                known["legs"].append(command.leg)
            elif isinstance(command, SetTimer):
                assert command.timer not in known["timers"], "a timer's name is used once"
                known["timers"].append(command.timer)
            elif isinstance(command, CancelTimer):
                assert command.timer in known["timers"]
            elif isinstance(command, Fetch):
                assert command.fetch not in known["fetches"], "a fetch's name is used once"
                known["fetches"].append(command.fetch)
                assert command.recording is None or command.recording in known["recordings"]
            elif isinstance(command, Play):
                assert command.sound_id not in known["sounds"], "a sound's name is used once"
                known["sounds"].append(command.sound_id)
            elif isinstance(command, Record):
                assert command.recording not in known["recordings"], "a recording's name is used once"
                known["recordings"].append(command.recording)
            elif isinstance(command, StopRecording):
                assert command.recording in known["recordings"]
            elif isinstance(command, StartStream):
                assert command.stream not in known["streams"], "a stream's name is used once"
                known["streams"].append(command.stream)
            elif isinstance(command, Listen):
                assert command.listen not in known["listens"], "a listening's name is used once"
                known["listens"].append(command.listen)
            answers += isinstance(command, Answer)
            bridges += isinstance(command, Bridge)
        assert answers <= 1

        for command in commands:
            if isinstance(command, StopSounds):
                under_way = {name for name in under_way if not name.startswith("sound-")}
            elif isinstance(command, Play | SetTimer):
                under_way.add(command.sound_id if isinstance(command, Play) else command.timer)
            elif isinstance(command, CancelTimer):
                under_way.discard(command.timer)
        if state.waiting not in ("verb", "farewell"):
            assert not under_way, "a verb that was left leaves no timer and no sound behind"
        assert len(under_way) <= 1
        event = data.draw(events(known))


@settings(max_examples=100, deadline=None)
@given(nouns=st.integers(1, 6), order=st.permutations(range(6)))
def test_one_winner_whatever_the_order_of_answers(nouns: int, order: list[int]) -> None:
    """I11, PR-52: of any number of answers exactly one is bridged, and every other leg is cancelled once."""
    state = new_session(
        url=None, twiml=f"<Response><Dial>{'<Client>a</Client>' * nouns}</Dial></Response>", answered=True
    )
    state, commands = advance(state, Started(at=0))
    legs = [command.leg for command in commands if isinstance(command, StartLeg)]
    log: list[Any] = []
    for index in order:
        if index < nouns:
            state, commands = advance(state, LegAnswered(at=1, leg=legs[index]))
            log += commands
    first = next(legs[index] for index in order if index < nouns)
    assert [command.leg for command in log if isinstance(command, Bridge)] == [first]
    cancelled = [command.leg for command in log if type(command).__name__ == "CancelLeg"]
    assert sorted(cancelled) == sorted(set(legs) - {first})
