"""Any history of streams, recordings, speech and dialled applications: each stream ends once and says so in order."""

from collections import defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from step_history import A, History

from callrouter.calls import happenings as h
from callrouter.calls.status import Cause
from instructions.commands import Record, StartStream, StreamCallback

AP = "AP" + "a" * 32
STREAM = "<Stream url='wss://app.test/a' name='tap' statusCallback='/s' track='both_tracks'/>"
DOCUMENTS = [
    "<Response/>",
    "<Response><Hangup/></Response>",
    f"<Response><Start>{STREAM}</Start><Gather input='speech dtmf' partialResultCallback='/p'/></Response>",
    f"<Response><Start>{STREAM}<Recording/></Start><Stop><Stream name='tap'/></Stop><Gather/></Response>",
    "<Response><Connect action='/next'><Stream url='wss://app.test/b' statusCallback='/s'/></Connect></Response>",
    f"<Response><Dial record='record-from-answer'><Application>{AP}</Application></Dial><Echo/></Response>",
    "<Response><Dial><Sip>sip:a@b.test</Sip><Client>bob</Client></Dial></Response>",
    f"<Response><Start>{STREAM}</Start><Record transcribe='true'/></Response>",
]
LEGS = st.sampled_from(["", A, "leg-9"])
WHICH = st.integers(0, 3)
WANTED = Record(
    recording="", silence=0, max_length=60, beep=False, trim=False, callback=None, source="OutboundAPI"
)
TAP = StartStream(
    stream="",
    url="wss://app.test/c",
    name="rest",
    track="inbound",
    bidirectional=False,
    parameters=(),
    callback=StreamCallback(url="https://app.test/s", method="POST"),
)


def _happening(kind: type[h.Happening], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(kind), st.fixed_dictionaries(fields))


FAULT = {"failed": st.booleans(), "code": st.sampled_from([0, 31920]), "reason": st.just("why")}
HAPPENINGS = st.one_of(
    st.tuples(st.just("document"), st.sampled_from(DOCUMENTS)),
    _happening(h.StreamUp, leg=LEGS, sid=WHICH),
    _happening(h.StreamOver, leg=LEGS, sid=WHICH, **FAULT),
    _happening(h.StreamDisturbed, leg=LEGS, sid=WHICH, code=st.just(31951), reason=st.just("no")),
    _happening(h.StreamWanted, leg=LEGS, sid=st.just("MZ"), wanted=st.just(TAP)),
    _happening(h.StreamUnwanted, leg=LEGS, sid=WHICH),
    _happening(h.RecordingWanted, leg=LEGS, sid=st.just("RE"), wanted=st.just(WANTED)),
    _happening(
        h.RecordingSteered,
        leg=LEGS,
        sid=WHICH,
        to=st.sampled_from(["paused", "in-progress", "stopped"]),
        skip=st.booleans(),
    ),
    _happening(
        h.Recorded,
        leg=LEGS,
        sid=WHICH,
        cause=st.sampled_from(["silence", "stopped", "hangup", "failed"]),
        seconds=st.just(3),
        silent=st.booleans(),
    ),
    _happening(h.SpeechBegan, leg=LEGS, listen=WHICH),
    _happening(h.SpeechSoFar, leg=LEGS, listen=WHICH, text=st.just("yes"), number=st.just(0)),
    _happening(h.SpeechOver, leg=LEGS, listen=WHICH, text=st.sampled_from(["", "yes"]), **FAULT),
    _happening(h.Took, leg=LEGS, sdp=st.sampled_from(["v=0", ""])),
    _happening(
        h.Entered,
        leg=LEGS,
        url=st.just("https://other.test"),
        method=st.just("GET"),
        fallback_url=st.none(),
        fallback_method=st.just("POST"),
    ),
    _happening(h.Gone, leg=LEGS, cause=st.sampled_from([Cause.NORMAL, Cause.MEDIA_LOST]), far=st.booleans()),
    _happening(h.Pressed, leg=LEGS, digits=st.just("1")),
)


def _named(history: History, kind: type[h.Happening], fields: dict[str, Any]) -> dict[str, Any]:
    """With the ids that the history has by now in place of numbers, and fresh ones for what REST begins."""
    if kind in (h.StreamWanted, h.RecordingWanted):
        return {**fields, "sid": f"{fields['sid']}{len(history.steps)}"}
    session = history.session
    known: dict[str, list[str]] = {
        "sid": [*(session.recordings if "Recor" in kind.__name__ else session.streams)],
        "listen": [one.id for one in session.listening.values()],
    }
    return {
        name: (known[name][value % len(known[name])] if known[name] else "nothing")
        if name in known and isinstance(value, int)
        else value
        for name, value in fields.items()
    }


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(DOCUMENTS), st.lists(HAPPENINGS, max_size=16))
def test_any_history_of_audio_ends_each_stream_once(first: str, happenings: list[Any]) -> None:
    history = History().begin(first)
    for kind, content in happenings:
        if kind == "document":
            history.document(content)
        else:
            history.tell(kind, **_named(history, kind, content))
    for name in list(history.session.legs):
        history.tell(h.Gone, leg=name, cause=Cause.NORMAL)
    assert history.session.finished
    assert history.session.streams == {}
    begun = [new.sid for step in history.steps for new in step.streams]
    ended = [sid for step in history.steps for sid in step.ended_streams]
    assert sorted(begun) == sorted(ended)
    told = defaultdict(list)
    for entry in history.outbox:
        if entry.kind == "callback" and "StreamSid" in (parameters := entry.payload["parameters"]):
            assert entry.lane == f"stream:{parameters['StreamSid']}"
            told[parameters["StreamSid"]].append(parameters["StreamEvent"])
    for names in told.values():
        assert names[:-1] in ([], ["stream-started"])
        assert names[-1] in ("stream-stopped", "stream-error")
    recorded = [e.payload["recording"] for e in history.outbox if e.kind == "record"]
    assert len(recorded) == len(set(recorded))
