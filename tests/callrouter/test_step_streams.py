"""Streams of a call, step by step (callrouter.calls.steps.streaming): who is told of them, and how they end."""

from step_history import History

from callrouter.calls import happenings as h
from callrouter.calls import streams
from callrouter.calls.session import OWN
from callrouter.calls.status import Cause
from callrouter.calls.steps.draft import Entry
from instructions.commands import StartStream

START = (
    "<Response><Start><Stream url='wss://app.test/audio' name='tap' track='both_tracks' statusCallback='/streams'>"
    "<Parameter name='who' value='alice'/></Stream></Start><Pause length='60'/></Response>"
)
CONNECT = "<Response><Connect action='/next'><Stream url='wss://app.test/bot'/></Connect></Response>"
SOCKET_REFUSED = 31920


def entries(history: History, kind: str) -> list[Entry]:
    return [entry for entry in history.outbox if entry.kind == kind]


def told(history: History) -> list[tuple[str, str]]:
    """The stream's events in order, with their errors."""
    sent = [
        e.payload["parameters"]
        for e in entries(history, "callback")
        if "StreamEvent" in e.payload["parameters"]
    ]
    return [(one["StreamEvent"], one.get("StreamError", "")) for one in sent]


def test_a_stream_starts_beside_the_document_and_its_app_is_told() -> None:
    history = History().begin(START)
    (wanted,) = entries(history, "stream.start")
    (new,) = next(step.streams for step in history.steps if step.streams)
    assert new.sid.startswith("MZ")
    assert (new.title, new.call_sid) == ("tap", "CA0")
    assert wanted.payload["stream"] == new.sid
    assert (wanted.payload["url"], wanted.payload["track"]) == ("wss://app.test/audio", "both")
    assert wanted.payload["parameters"] == {"who": "alice"}
    assert not wanted.payload["bidirectional"]
    assert told(history) == []
    history.tell(h.StreamUp, leg=OWN, sid=new.sid)
    history.tell(h.StreamUp, leg=OWN, sid=new.sid)
    assert told(history) == [("stream-started", "")]
    parameters = entries(history, "callback")[-1].payload["parameters"]
    assert (parameters["StreamSid"], parameters["StreamName"]) == (new.sid, "tap")
    assert parameters["Timestamp"].startswith("1970-01-01T00:16:4")
    history.tell(h.StreamOver, leg=OWN, sid=new.sid)
    history.tell(h.StreamOver, leg=OWN, sid=new.sid)
    assert told(history) == [("stream-started", ""), ("stream-stopped", "")]
    assert history.steps[-2].ended_streams == (new.sid,)
    assert not history.session.finished


def test_a_stream_ends_with_its_leg() -> None:
    history = History().begin(START)
    sid = next(iter(history.session.streams))
    history.tell(h.StreamUp, leg=OWN, sid=sid)
    history.tell(h.Gone, leg=OWN, cause=Cause.NORMAL)
    assert told(history)[-1] == ("stream-stopped", "")
    assert history.session.streams == {}
    assert history.session.finished


def test_a_stream_is_lost_with_its_voice_node() -> None:
    history = History().begin(START)
    history.tell(h.Gone, leg=OWN, cause=Cause.MEDIA_LOST, code=12400, detail="The node stopped.", far=False)
    assert told(history) == [("stream-error", "The node stopped.")]
    assert {note.code for note in history.steps[-1].notes} == {12400, 31900}


def test_stop_ends_the_stream_of_that_name_and_no_other() -> None:
    start = "<Stream url='wss://app.test/audio' name='{}'/>"
    history = History().begin(
        f"<Response><Start>{start.format('a')}{start.format('b')}</Start><Stop><Stream name='b'/></Stop>"
        "<Pause length='60'/></Response>"
    )
    names = {sid: one.title for sid, one in history.session.streams.items()}
    assert [names[entry.payload["stream"]] for entry in entries(history, "stream.stop")] == ["b"]


def test_connect_goes_on_when_its_stream_is_over() -> None:
    history = History().begin(CONNECT)
    (wanted,) = entries(history, "stream.start")
    assert wanted.payload["bidirectional"]
    assert not [e for e in entries(history, "fetch") if e.payload["url"].endswith("/next")]
    history.tell(h.StreamOver, leg=OWN, sid=wanted.payload["stream"])
    assert entries(history, "fetch")[-1].payload["url"] == "https://app.test/next"


def test_a_socket_that_can_not_be_opened_is_noted_and_the_document_goes_on() -> None:
    history = History().begin(CONNECT)
    (wanted,) = entries(history, "stream.start")
    taken = history.tell(
        h.StreamOver,
        leg=OWN,
        sid=wanted.payload["stream"],
        failed=True,
        code=SOCKET_REFUSED,
        reason="the app answered 403",
    )
    assert [(note.code, note.level) for note in taken.notes] == [(SOCKET_REFUSED, "0")]
    assert entries(history, "fetch")[-1].payload["url"] == "https://app.test/next"


def test_what_an_app_does_wrong_on_a_stream_is_a_warning() -> None:
    history = History().begin(CONNECT)
    sid = next(iter(history.session.streams))
    taken = history.tell(h.StreamDisturbed, leg=OWN, sid=sid, code=31951, reason="no such event")
    assert [(note.code, note.level) for note in taken.notes] == [(31951, "1")]
    assert sid in history.session.streams


def test_rest_starts_and_ends_a_stream() -> None:
    history = History().begin("<Response><Gather timeout='60'/></Response>")
    wanted = StartStream(
        stream="",
        url="wss://app.test/tap",
        name=None,
        track="inbound",
        bidirectional=False,
        parameters=(),
        callback=None,
    )
    history.tell(h.StreamWanted, leg=OWN, sid="MZ1", wanted=wanted)
    assert history.session.streams["MZ1"].title == "MZ1"
    history.tell(h.StreamUnwanted, leg=OWN, sid="MZ1")
    assert entries(history, "stream.stop")[-1].payload["stream"] == "MZ1"
    history.tell(h.StreamUnwanted, leg=OWN, sid="MZ2")
    assert len(entries(history, "stream.stop")) == 1
    history.tell(h.StreamOver, leg=OWN, sid="MZ1")
    assert history.session.streams == {}


def test_nothing_is_streamed_before_the_answer() -> None:
    history = History()
    history.tell(h.Began)
    wanted = StartStream(
        stream="",
        url="wss://a.test",
        name=None,
        track="both",
        bidirectional=False,
        parameters=(),
        callback=None,
    )
    history.tell(h.StreamWanted, leg=OWN, sid="MZ1", wanted=wanted)
    assert history.session.streams == {}


def test_a_stream_that_begins_and_ends_in_one_step_is_stored_as_ended() -> None:
    history = History().begin(START.replace("<Pause length='60'/>", "<Hangup/>"))
    step = next(step for step in history.steps if step.streams)
    (row,) = streams.new_rows("AC1", step)
    assert row["status"] == "stopped"
    assert streams.end_rows("AC1", step) == []


def test_a_clients_keys_go_to_its_streams() -> None:
    """They come beside its audio, so the voice node does not see them; a phone's it does."""
    pressed = {}
    for identity in ("alice", ""):
        history = History(identity=identity).begin(CONNECT)
        history.tell(h.Pressed, leg=OWN, digits="7#")
        pressed[identity] = [entry.payload["digits"] for entry in entries(history, "stream.press")]
        assert not history.session.finished
    assert pressed == {"alice": ["7#"], "": []}
