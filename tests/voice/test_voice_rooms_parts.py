"""Rooms without sockets: who hears whom after any storm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_house import SILENT, House
from voice_peers import unhurried

from callrouter.voice.contract import VoiceError
from callrouter.voice.media import g711
from callrouter.voice.media.packet import RtpPacket
from callrouter.voice.room import LATENESS

LEG = st.integers(0, 5).map(lambda number: f"L{number}")
ROOM = st.sampled_from(["R1", "R2"])
STEP = st.one_of(
    st.tuples(
        st.just("room.join"),
        st.fixed_dictionaries(
            {"leg": LEG, "room": ROOM},
            optional={
                "muted": st.booleans(),
                "hold": st.booleans(),
                "coach": LEG,
                "beep": st.booleans(),
                "speaker": st.booleans(),
            },
        ),
    ),
    st.tuples(st.just("room.leave"), st.fixed_dictionaries({"leg": LEG, "room": ROOM})),
    st.tuples(
        st.just("room.update"),
        st.fixed_dictionaries(
            {"leg": LEG, "room": ROOM},
            optional={"muted": st.booleans(), "hold": st.booleans(), "coach": LEG},
        ),
    ),
    st.tuples(st.just("closed"), st.fixed_dictionaries({"leg": LEG})),
    st.tuples(st.just("talk"), st.fixed_dictionaries({"frames": st.integers(1, 12)})),
)


@unhurried
@given(st.lists(STEP, max_size=40))
def test_after_any_storm_everybody_hears_whom_they_should(steps: list[tuple[str, dict[str, Any]]]) -> None:
    """Joins, moves, leaves, ends, mutes, holds and coaches in any order leave nothing of themselves behind."""
    house = House()
    model: dict[str, dict[str, Any]] = {}
    for command, fields in steps:
        leg, room = fields.get("leg", ""), fields.get("room")
        if command == "talk":
            house.talk(**fields)
        elif command == "closed":
            house.rooms.remove(leg)
            model.pop(leg, None)
        elif command == "room.update" and model.get(leg, {}).get("room") != room:
            with pytest.raises(VoiceError, match="not_in_room"):
                house.do(command, **fields)
        else:
            house.do(command, **fields)
            if command != "room.leave":
                model[leg] = fields
            elif leg in model and model[leg]["room"] == room:
                del model[leg]
    house.talk(LATENESS + 14)  # the last beep has ended

    def heard_by(listener: str, speaker: str) -> bool:
        one, other = model[listener], model[speaker]
        if listener == speaker or one["room"] != other["room"] or other.get("muted"):
            return False
        if one.get("hold") or other.get("hold"):
            return False
        return other.get("coach") is None or (other["coach"] == listener)

    for leg in house.legs:
        others = [other for other in model if leg in model and heard_by(leg, other)]
        house.assert_hears(leg, *others)
    assert len(house.rooms) == len({fields["room"] for fields in model.values()}) == len(house.clock)
    for leg in tuple(model):
        house.do("room.leave", leg=leg, room=model[leg]["room"])
    assert len(house.rooms) == len(house.clock) == 0
    assert not any(far.listeners or far.source for far in house.legs.values())


def test_a_start_of_speech_always_has_its_end() -> None:
    """Told on the leg, only where the router asked, also when mute, hold or the end cuts it short."""
    house = House(3)
    for leg in house.legs:
        house.do("room.join", leg=leg, room="R", speaker=leg != "L2")
    house.talk(8, "L1")
    house.talk(40, "L0", "L1")
    assert house.told == [
        ("L0", {"room": "R", "speaking": True}),
        ("L0", {"room": "R", "speaking": False}),
    ]
    for change in ("muted", "hold"):
        house.talk(8, "L1")
        house.do("room.update", leg="L0", room="R", **{change: True})
        house.talk(8, "L1")
        house.do("room.update", leg="L0", room="R")
    for wanted in (True, False, True):
        house.do("room.join", leg="L0", room="R", speaker=wanted)
        house.talk(8, "L1")
    house.rooms.remove("L0")
    assert [data["speaking"] for _, data in house.told] == [True, False] * 5


def test_members_from_whom_nothing_comes_cost_nothing() -> None:
    house = House(6)
    for leg in house.legs:
        house.do("room.join", leg=leg, room="R")
    house.talk(5)
    room = house.legs["L0"].source.room
    assert len(room._talking) == 6
    house.talk(60, "L0", "L1", "L2", "L3", "L4")
    assert [member.leg.id for member in room._talking] == ["L5"]
    assert house.hears("L0") is not SILENT
    assert house.hears("L0") == house.legs["L5"].voice, "a voice alone is not transcoded"


def test_hiss_is_not_summed() -> None:
    """A room of many lines is as quiet as one: noise is left out, so one voice still passes untouched."""
    house = House(4)
    for leg in house.legs:
        house.do("room.join", leg=leg, room="R")
    hiss = g711.encode(np.random.default_rng(7).normal(0, 30, 160))
    for _ in range(10):
        for far in house.legs.values():
            far.speak(house.clock.now, b"" if far.id == "L0" else hiss)
        house.clock.step()
    assert house.hears("L1") == house.legs["L0"].voice
    assert house.hears("L0") == SILENT


@unhurried
@given(st.lists(st.integers(0, 2), min_size=1, max_size=60))
def test_packets_that_are_a_little_late_are_heard_in_order(late: list[int]) -> None:
    """Up to 40 ms, also in the wrong order: no hole, nothing twice."""
    house = House(2)
    for leg in house.legs:
        house.do("room.join", leg=leg, room="R")
    said = [bytes([16 + number]) * 160 for number in range(len(late) + 1)]
    arrivals: dict[int, list[int]] = {}
    for number, frames in enumerate([0, *late]):
        arrivals.setdefault(number + frames, []).append(number)
    heard = []
    for moment in range(len(said) + 2 * LATENESS + 2):
        for number in arrivals.get(moment, ()):
            house.legs["L0"].number = number
            house.legs["L0"].speak(house.clock.now, said[number])
        house.clock.step()
        heard.append(house.hears("L1"))
    assert [frame for frame in heard if frame != SILENT] == said


def test_a_voice_that_was_held_back_is_soon_in_time_again() -> None:
    """A burst of 160 ms is heard whole, and later than others only until the voice pauses."""
    house = House(2)
    for leg in house.legs:
        house.do("room.join", leg=leg, room="R")
    house.talk(10)
    for _ in range(8):
        house.clock.step()
    for _ in range(8):
        house.legs["L0"].speak(house.clock.now)
    house.talk(10)
    waiting = house.legs["L0"].listeners[0].audio
    assert waiting.waiting > LATENESS + 4, "it is late"
    for _ in range(40):
        house.legs["L0"].speak(house.clock.now, SILENT)
        house.clock.step()
    assert waiting.waiting <= LATENESS + 2


def test_a_leg_behind_a_network_that_held_it_for_seconds_is_late_by_a_bounded_time() -> None:
    house = House(2)
    for leg in house.legs:
        house.do("room.join", leg=leg, room="R")
    house.talk(5)
    for _ in range(200):
        house.legs["L0"].speak(house.clock.now)
    assert house.legs["L0"].listeners[0].audio.waiting <= LATENESS + 12


HOSTILE = st.builds(
    RtpPacket,
    st.just(0),
    st.booleans(),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(1, 3),
    st.binary(max_size=700),
)


@unhurried
@given(st.lists(st.tuples(st.integers(0, 2), HOSTILE, st.sampled_from([0.0, 0.0, 0.02, 0.5])), max_size=60))
def test_no_packet_breaks_a_room(packets: list[tuple[int, RtpPacket, float]]) -> None:
    """Any numbers, any sizes, any pauses: whole frames for everybody, and bounded memory."""
    house = House(3)
    for leg in house.legs:
        house.do("room.join", leg=leg, room="R", speaker=True, coach="L0" if leg == "L2" else None)
    for number, packet, pause in packets:
        far = house.legs[f"L{number}"]
        far.listeners[0].hear(packet, house.clock.now)
        house.clock.now += pause
        house.clock.step()
        assert {len(house.hears(leg)) for leg in house.legs} == {160}
        assert far.listeners[0].audio.waiting <= LATENESS + 16
    house.talk(LATENESS + 12)
    assert house.hears("L2") == house.voices("L0", "L1")


def test_a_process_that_had_no_cpu_goes_on_in_the_present() -> None:
    house = House(3)
    for leg in house.legs:
        house.do("room.join", leg=leg, room="R")
    house.talk(10)
    house.clock.now += 1.0
    house.talk(LATENESS + 2)
    house.assert_hears("L0", "L1", "L2")


def test_a_full_room_refuses_and_the_leg_stays_where_it_was() -> None:
    """F: 250 participants, as Twilio has it; the refusal leaves the other room as it was."""
    house = House(252)
    for number in range(250):
        house.do("room.join", leg=f"L{number}", room="R")
    house.do("room.join", leg="L249", room="R", muted=True)
    for leg in ("L250", "L251"):
        house.do("room.join", leg=leg, room="other")
    with pytest.raises(VoiceError, match="at_capacity: 250 legs"):
        house.do("room.join", leg="L250", room="R")
    house.talk(LATENESS + 2, *(f"L{number}" for number in range(2, 250)))
    house.assert_hears("L250", "L251")
    house.do("room.leave", leg="L0", room="R")
    house.do("room.join", leg="L250", room="R")
    assert len(house.legs["L250"].source.room.members) == 250


def test_a_beep_is_for_the_others() -> None:
    """It is heard once per join or leave, not by its cause, and not by who is on hold."""
    house = House(4)
    house.do("room.join", leg="L0", room="R", beep=True)
    house.do("room.join", leg="L1", room="R", hold=True)
    house.talk(LATENESS + 15, *house.legs)
    assert house.hears("L0") == SILENT
    house.do("room.join", leg="L2", room="R", beep=True)
    heard: dict[str, bytes] = dict.fromkeys(house.legs, b"")
    for _ in range(30):
        house.clock.step()
        house.do("room.join", leg="L2", room="R", beep=True)
        for leg in house.legs:
            heard[leg] += house.hears(leg).replace(b"\xff" * 160, b"")
    assert {leg: len(sound) // 160 for leg, sound in heard.items()} == {"L0": 12, "L1": 0, "L2": 0, "L3": 0}
    house.do("room.leave", leg="L2", room="R", beep=True)
    house.clock.step()
    house.clock.step()
    assert house.hears("L0") != SILENT
    assert house.hears("L2") == SILENT
