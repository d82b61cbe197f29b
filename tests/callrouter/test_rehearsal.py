"""The simulated carrier of the console's test calls: what its caller says, and what is said when it can't call."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

from callrouter.audio.sources import Silence, Tone
from callrouter.carriers.rehearsal import PAUSE, Rehearsal, RehearsalFailed, Voice, sound
from callrouter.carriers.simulator import CallRefused
from callrouter.voice.media.packet import SAMPLES
from tests.support.origin import Origin, reply


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    with Origin(lambda _request: reply(404, b'{"code": 21404, "message": "No such number."}')) as router:
        made = Rehearsal(router.url(""))
        yield made
        made.close()
        made.close()


def test_a_voice_says_its_words_again_after_a_pause() -> None:
    words = bytes(range(200))  # a frame and a quarter
    frames = list(islice(Voice(mulaw=words).frames(), 2 + PAUSE + 1))
    assert all(len(frame) == SAMPLES for frame in frames)
    assert not np.any(frames[1][200 - SAMPLES :])
    assert not np.any(frames[2 : 2 + PAUSE])
    assert np.array_equal(frames[0], frames[-1])


def test_a_caller_without_a_voice_says_a_tone() -> None:
    assert sound("voice", b"x") == Voice(mulaw=b"x")
    assert sound("voice", None) == sound("tone", b"x") == Tone(hz=600)
    assert sound("silence", b"x") == Silence()


def test_what_the_router_refuses_is_said(rehearsal: Rehearsal) -> None:
    with pytest.raises(
        RehearsalFailed, match=r"did not take the call: 404 No such number\. \(code 21404\)"
    ) as fault:
        rehearsal.call("sim", "secret", "127.0.0.1:0", from_="+1", to="+2", says=Silence())
    assert isinstance(fault.value.__cause__, CallRefused)
    assert rehearsal.state("CA0") is None
    rehearsal.hang_up("CA0")


def test_an_address_that_is_taken_is_said(rehearsal: Rehearsal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RehearsalFailed, match="callrouter simulate"):
            rehearsal.open("sim", "secret", where)
