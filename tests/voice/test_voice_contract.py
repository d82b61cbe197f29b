"""The wire format of the control protocol."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_peers import unhurried

from callrouter.voice import contract
from callrouter.voice.contract import ContractError, EventType, VoiceError
from callrouter.voice.settings import NodeSettings

NAME = st.text(min_size=1, max_size=30)
FREE = st.dictionaries(
    st.text(max_size=10).filter(
        lambda name: name not in {"id", "type", "ok", "error", "reply_to", "event", "event_id", "leg", "at"}
    ),
    st.none() | st.booleans() | st.integers() | st.text(max_size=40),
    max_size=4,
)


@unhurried
@given(
    st.builds(contract.Hello, token=NAME, owner=NAME)
    | st.builds(contract.Ack, event_id=NAME)
    | st.builds(contract.Request, id=NAME, type=st.sampled_from(["leg.create", "ping"]), fields=FREE)
)
def test_router_lines_round_trip(message: contract.FromRouter) -> None:
    line = contract.encode(message)
    assert line.count(b"\n") == 1
    assert contract.decode_from_router(line) == message


@unhurried
@given(
    st.builds(contract.Welcome, node=NAME, legs=st.lists(NAME).map(tuple))
    | st.builds(contract.Reply, reply_to=NAME, result=FREE)
    | st.builds(contract.Reply, reply_to=NAME, error_code=NAME, error_message=NAME)
    | st.builds(
        contract.VoiceEvent,
        event_id=NAME,
        type=st.sampled_from(EventType),
        leg=NAME,
        at=st.floats(0, 4e9),
        data=FREE,
    )
)
def test_node_lines_round_trip(message: contract.FromNode) -> None:
    assert contract.decode_from_node(contract.encode(message)) == message


@unhurried
@given(st.binary(max_size=80))
def test_any_line_is_read_or_refused(line: bytes) -> None:
    for decode in (contract.decode_from_router, contract.decode_from_node):
        with contextlib.suppress(ContractError, VoiceError):
            decode(line)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b"[1]",
        b"{}",
        b"[" * 60_000,
        b'{"type":1}',
        b'{"type":"ping"}',
        b'{"type":"ping","id":""}',
        b'{"type":"hello","token":"x"}',
        b'{"type":"ack"}',
        b"\xff\xfe",
    ],
)
def test_bad_lines_are_refused(line: bytes) -> None:
    with pytest.raises(ContractError):
        contract.decode_from_router(line)


def test_a_line_too_long_is_not_sent() -> None:
    with pytest.raises(ContractError, match="65536 are allowed"):
        contract.encode(contract.Request(id="1", type="leg.create", fields={"sdp": "x" * 65_536}))


def test_refusal_of_the_connection_is_raised() -> None:
    with pytest.raises(VoiceError, match="bad_token"):
        contract.decode_from_node(b'{"reply_to":null,"ok":false,"error":{"code":"bad_token","message":"no"}}')


@pytest.mark.parametrize(
    "change",
    [
        {"token": ""},
        {"token": "short"},
        {"rtp_ports": (9, 20)},
        {"rtp_ports": (30_000, 20_000)},
        {"max_legs": 0},
    ],
)
def test_settings_fail_closed(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"needs|must"):
        NodeSettings(**{"token": "x" * 16, **change})
