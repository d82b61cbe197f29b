"""The connection's state machine and its frames, as conversations without any socket."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.access.refusals import AccessRefused, Refusal
from presence.access.tokens import Grant
from presence.signalling import frames
from presence.signalling.frames import FrameRefused
from presence.signalling.protocol import (
    BURST,
    DEAD,
    FLOOD,
    HEARTBEAT,
    Close,
    Connection,
    Delist,
    Enlist,
    Perform,
    Phase,
    Send,
    Verify,
)

CALL = "CA" + "1" * 32
GRANT = Grant(
    account_sid="AC",
    identity="alice",
    key_sid="SK",
    token_digest="d",
    expires_at=0,
    incoming=True,
    application_sid="AP",
)


def frame(type: str, **payload: Any) -> str:
    return json.dumps({"type": type, "payload": payload, "version": "1.6"})


def texts(actions: list[Any]) -> list[str]:
    return [action.text for action in actions if isinstance(action, Send)]


def live(grant: Grant = GRANT, ends: float = 1000.0) -> Connection:
    connection = Connection(0.0)
    assert connection.receive(frame("listen", token="t"), 0.0) == [Verify(listen=frames.Listen(token="t"))]
    assert connection.verified(grant, "connected", ends) == [Send(text="connected")]
    return connection


def codes(actions: list[Any]) -> list[int]:
    return [
        json.loads(text)["payload"]["error"]["code"]
        for text in texts(actions)
        if "error" in json.loads(text)["payload"]
    ]


def test_what_comes_before_the_token_is_verified_is_held() -> None:
    connection = Connection(0.0)
    assert connection.receive(frame("register", media={"audio": True}), 0.0) == []
    assert connection.receive(frame("listen", token="t"), 0.0)
    assert connection.receive(frame("hangup", callsid=CALL), 0.1) == []
    done = connection.verified(GRANT, "connected", 99.0)
    assert done == [Send(text="connected"), Enlist(), Perform(frame=frames.Hangup(call_sid=CALL))]


def test_too_much_before_listen_closes() -> None:
    connection = Connection(0.0)
    for _ in range(32):
        assert connection.receive(frame("hangup", callsid=CALL), 0.0) == []
    assert connection.receive(frame("hangup", callsid=CALL), 0.0) == [
        Close(code=1008, reason="too many frames before listen")
    ]
    assert connection.receive(frame("listen", token="t"), 0.0) == []


def test_a_refused_first_token_ends_the_connection() -> None:
    connection = Connection(0.0)
    connection.receive(frame("listen", token="t"), 0.0)
    actions = connection.refused(AccessRefused(Refusal.EXPIRED))
    assert codes(actions) == [31205]
    assert json.loads(texts(actions)[1])["type"] == "close"
    assert isinstance(actions[-1], Close)
    assert connection.phase is Phase.CLOSED


def test_a_refused_refresh_changes_nothing() -> None:
    connection = live()
    connection.receive(frame("listen", token="bad"), 1.0)
    assert codes(connection.refused(AccessRefused(Refusal.SIGNATURE))) == [31202]
    assert connection.receive(frame("register", media={"audio": True}), 2.0) == [Enlist()]


def test_another_identity_cannot_take_a_live_connection_over() -> None:
    connection = live()
    connection.receive(frame("listen", token="other"), 1.0)
    other = Grant(account_sid="AC", identity="bob", key_sid="SK", token_digest="e", expires_at=0)
    assert codes(connection.verified(other, "connected", 99.0)) == [31201]
    assert connection.grant is GRANT


def test_timers_first_frame_heartbeat_silence() -> None:
    assert Connection(0.0).tick(4.9) == []
    assert Connection(0.0).tick(5.0) == [Close(code=1008, reason="no valid listen in time")]
    connection = live()
    assert connection.due() == HEARTBEAT
    assert connection.tick(HEARTBEAT) == [Send(text="\n")]
    assert connection.receive("\n", 15.0) == []
    assert connection.tick(DEAD) == [Send(text="\n")]
    assert connection.tick(15.0 + DEAD) == [Close(code=1001, reason="no heartbeat")]
    assert connection.tick(999.0) == []


def test_a_token_that_ends_on_a_live_connection() -> None:
    connection = live(ends=3.0)
    assert connection.due() == 3.0
    actions = connection.tick(3.0)
    assert codes(actions) == [31205]
    assert json.loads(texts(actions)[1])["type"] == "offline"
    assert actions[-1] == Delist()
    assert codes(connection.receive(frame("register", media={"audio": True}), 3.1)) == [31205]
    assert codes(connection.receive(frame("invite", callsid="TJS1", sdp="v"), 3.2)) == [31205]
    assert connection.receive(frame("hangup", callsid=CALL), 3.3) == [
        Perform(frame=frames.Hangup(call_sid=CALL))
    ]
    connection.receive(frame("listen", token="new"), 3.4)
    connection.verified(GRANT, "connected", 99.0)
    assert connection.phase is Phase.LIVE


def test_pr67_permissions_are_checked_where_they_are_used() -> None:
    nothing = Grant(account_sid="AC", identity="alice", key_sid="SK", token_digest="d", expires_at=0)
    connection = live(nothing)
    refused = connection.receive(frame("register", media={"audio": True}), 1.0)
    assert codes(refused) == [31201]
    assert json.loads(texts(refused)[1])["type"] == "offline"
    refused = connection.receive(frame("invite", callsid="TJS1", sdp="v"), 1.0)
    assert json.loads(texts(refused)[0])["type"] == "hangup"
    assert codes(refused) == [31002]


def test_unregister_delists_first() -> None:
    assert live().receive(frame("register", media={"audio": False}), 1.0) == [
        Delist(),
        Send(text=frames.offline()),
    ]


def test_a_steady_stream_above_the_rate_is_a_flood_too() -> None:
    connection = live()
    for n in range(1000):
        connection.receive(frame("hangup", callsid=CALL), n / 50)
    assert connection.phase is Phase.CLOSED


def test_the_rate_refills_and_a_flood_closes() -> None:
    connection = live()
    for _ in range(int(BURST) - 1):
        assert connection.receive(frame("hangup", callsid=CALL), 0.0)
    assert codes(connection.receive(frame("hangup", callsid=CALL), 0.0)) == [31206]
    assert connection.receive(frame("hangup", callsid=CALL), 1.0) == [
        Perform(frame=frames.Hangup(call_sid=CALL))
    ]
    for _ in range(FLOOD + 40):
        last = connection.receive(frame("hangup", callsid=CALL), 1.0)
    assert last == []
    assert connection.phase is Phase.CLOSED


BAD_FRAMES = [
    ("not JSON", 31100),
    ("[]", 31100),
    ('"x"', 31100),
    ("{}", 31100),
    ('{"type": 1}', 31100),
    ('{"type": "answer", "payload": []}', 31100),
    ("[" * 60_000, 31100),
    (frame("listen"), 31102),
    (frame("listen", token=7), 31102),
    (frame("answer", callsid="CA1", sdp="v"), 31101),
    (frame("answer", callsid=CALL), 31101),
    (frame("answer", callsid=CALL, sdp="a\0b"), 31101),
    (frame("reject"), 31101),
    (frame("hangup", callsid=["x"]), 31101),
    (frame("invite", callsid=CALL, sdp="v"), 31101),
    (frame("invite", callsid="TJS1"), 31101),
    (frame("invite", callsid="TJS1", sdp="v", twilio={"params": 7}), 31101),
    (frame("invite", callsid="TJS1", sdp="v", twilio={"params": "é" * 2001}), 31103),
    (frame("invite", callsid=CALL, sdp="v", reconnect=7), 31107),
    (frame("dtmf", callsid=CALL, dtmf="1x"), 31100),
    (frame("dtmf", callsid=CALL, dtmf=""), 31100),
    (frame("dtmf", callsid=CALL, dtmf="１"), 31100),
    (frame("message", callsid=CALL, content=1), 31100),
    (frame("message", callsid=CALL, voiceeventsid="KX" + "1" * 32, messagetype="x"), 31210),
]


@pytest.mark.parametrize(("text", "code"), BAD_FRAMES)
def test_malformed_frames_are_told_their_code(text: str, code: int) -> None:
    with pytest.raises(FrameRefused) as refused:
        frames.parse(text)
    assert json.loads(refused.value.frame)["payload"]["error"]["code"] == code


def test_unknown_types_are_ignored() -> None:
    assert frames.parse(frame("candidate", x=1)) is None


@given(st.text(max_size=200) | st.dictionaries(st.text(), st.text()).map(json.dumps))
def test_no_text_is_a_fault_of_ours(text: str) -> None:
    connection = live()
    assert isinstance(connection.receive(text, 1.0), list)


VALUE = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([CALL, "TJS1", [], {}])
)
FIELDS = [
    "callsid",
    "sdp",
    "token",
    "media",
    "twilio",
    "reconnect",
    "dtmf",
    "content",
    "voiceeventsid",
    "messagetype",
]


@given(
    st.sampled_from(
        ["listen", "register", "invite", "answer", "reject", "hangup", "reinvite", "dtmf", "message"]
    ),
    st.dictionaries(st.sampled_from(FIELDS), VALUE),
)
def test_any_payload_is_parsed_or_refused(type: str, payload: dict[str, Any]) -> None:
    told = {"error"}
    try:
        frames.parse(frame(type, **payload))
    except FrameRefused as refused:
        told = {json.loads(refused.frame)["type"]}
    assert told <= {"error", "hangup"}


def test_ufrag() -> None:
    assert frames.ufrag("v=0\r\na=ice-ufrag:aB+/9\r\n") == "aB+/9"
    assert frames.ufrag("v=0\r\n") == ""
