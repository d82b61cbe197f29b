"""Who may speak into a call: latching, ICE checks, DTLS fingerprints, SRTP replay."""

from __future__ import annotations

import datetime

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st
from voice_peers import CERTIFICATE, unhurried

from callrouter.voice.legs.certificate import Certificate
from callrouter.voice.legs.dtls import Dtls, DtlsState
from callrouter.voice.legs.ice import IceAgent, parse_check
from callrouter.voice.legs.latch import Latch
from callrouter.voice.legs.ports import NoPortsError, PortPool
from callrouter.voice.legs.srtp import SrtpError
from callrouter.voice.media.packet import RtpPacket, write_rtp

HERE, ELSEWHERE = ("192.0.2.7", 5000), ("198.51.100.9", 6000)

# -- latching (media-sip 8: only for a window, only from the SDP's address, then locked) --


@pytest.mark.parametrize(
    ("sdp_address", "packets", "locked"),
    [
        ("203.0.113.5", [("203.0.113.5", 4000)], ("203.0.113.5", 4000)),
        ("203.0.113.5", [("203.0.113.5", 4999)], ("203.0.113.5", 4999)),
        ("203.0.113.5", [("198.18.0.1", 4000)], None),
        ("10.0.0.5", [("198.18.0.1", 4000)], ("198.18.0.1", 4000)),
        ("10.0.0.5", [("198.18.0.1", 4000), ("198.18.0.2", 1)], ("198.18.0.1", 4000)),
        ("10.0.0.5", [("198.18.0.1", 4000), ("10.0.0.5", 4000)], ("10.0.0.5", 4000)),
        ("203.0.113.5", [("203.0.113.5", 4999), ("203.0.113.5", 4998)], ("203.0.113.5", 4999)),
        ("127.0.0.1", [("127.0.0.2", 4000)], None),
    ],
)
def test_latch(sdp_address: str, packets: list[tuple[str, int]], locked: tuple[str, int] | None) -> None:
    # 203.0.113.0/24 is for documentation and not global, so a real public address stands in for it.
    public = {"203.0.113.5": "8.8.4.4"}
    latch = Latch(expected=(public.get(sdp_address, sdp_address), 4000), window=10)
    for host, port in packets:
        latch.accepts((public.get(host, host), port), now=1.0)
    assert latch.locked == (locked and (public.get(locked[0], locked[0]), locked[1]))
    assert latch.target == (latch.locked or latch.expected)


def test_latch_closes_with_its_window() -> None:
    latch = Latch(expected=("10.0.0.5", 4000), window=10)
    assert latch.accepts(("8.8.8.8", 1), now=0)
    assert not latch.accepts(("10.0.0.5", 4000), now=10.5), "the lock holds after the window"
    assert latch.accepts(("8.8.8.8", 1), now=1000)
    assert not latch.accepts(("8.8.8.8", 2), now=1000)


def test_port_pool_gives_even_ports_and_ends() -> None:
    pool = PortPool(20_001, 20_005)
    assert [pool.take(), pool.take()] == [20_002, 20_004]
    with pytest.raises(NoPortsError, match="max_legs"):
        pool.take()
    pool.give(20_004)
    assert pool.take() == 20_004


# -- ICE -----------------------------------------------------------------------


def binding(agent: IceAgent, username: str = "", pwd: str = "", **attributes: object) -> stun.Message:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes.update({"USERNAME": username or f"{agent.ufrag}:them", **attributes})
    message.add_message_integrity((pwd or agent.pwd).encode())
    parsed = parse_check(bytes(message))
    assert parsed is not None
    return parsed


def code(response: bytes | None) -> int | None:
    return stun.parse_message(response).error_code if response else None


def test_valid_check_is_answered_with_the_source_address() -> None:
    agent = IceAgent()
    verdict = agent.check(binding(agent, **{"USE-CANDIDATE": None}), HERE, 1.0)
    assert verdict.valid
    assert verdict.nominated
    answer = stun.parse_message(verdict.response)
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == HERE
    assert answer.check_message_integrity(agent.pwd.encode())
    assert agent.consented_at == 1.0


def test_wrong_password_ufrag_and_role_are_refused() -> None:
    agent = IceAgent()
    agent.remote_ufrag = "them"
    for message, expected in (
        (binding(agent, pwd="not the password at all"), 401),
        (binding(agent, username=f"{agent.ufrag}:stranger"), 401),
        (binding(agent, **{"ICE-CONTROLLED": 7}), 487),
    ):
        verdict = agent.check(message, HERE, 1.0)
        assert not verdict.valid
        assert code(verdict.response) == expected
    assert agent.consented_at is None


def test_replayed_check_from_elsewhere_is_ignored() -> None:
    agent = IceAgent()
    message = binding(agent, **{"USE-CANDIDATE": None})
    assert agent.check(message, HERE, 1.0).valid
    assert not agent.check(message, ELSEWHERE, 1.1).valid
    assert agent.check(message, HERE, 1.2).valid, "a retransmission from the same place is answered"


def test_restart_voids_the_old_credentials() -> None:
    agent = IceAgent()
    old = binding(agent)
    agent.restart()
    assert not agent.check(old, HERE, 1.0).valid


@unhurried
@given(st.binary(max_size=120), st.integers(0, 100), st.binary(max_size=8))
def test_garbage_is_no_check_and_raises_nothing(data: bytes, place: int, patch: bytes) -> None:
    agent = IceAgent()
    good = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    good.attributes["USERNAME"] = f"{agent.ufrag}:them"
    good.add_message_integrity(agent.pwd.encode())
    whole = bytes(good)
    for datagram in (data, b"\x00\x01" + data, whole[:place] + patch + whole[place + len(patch) :]):
        message = parse_check(datagram)
        if message is not None and datagram != whole:
            agent.check(message, HERE, 1.0)


# -- DTLS and SRTP -----------------------------------------------------------------


def pair() -> tuple[Dtls, Dtls]:
    """Client and server after a handshake in memory; the client has checked the server."""
    other = Certificate(datetime.datetime.now(datetime.UTC))
    client, server = Dtls(CERTIFICATE), Dtls(other)
    server.start(server=True)
    client.start(server=False)
    for _ in range(4):
        for source, sink in ((client, server), (server, client)):
            for datagram in source.outgoing():
                assert len(datagram) <= 1200
                sink.receive(datagram)
    client.verify((("sha-256", other.fingerprint),))
    return client, server


def test_handshake_gives_both_sides_the_same_keys() -> None:
    client, server = pair()
    server.verify((("sha-256", CERTIFICATE.fingerprint),))
    assert client.srtp is not None
    assert server.srtp is not None
    packet = write_rtp(RtpPacket(0, False, 1, 1, 1, b"x" * 160))
    sealed = client.srtp.protect(packet)
    assert server.srtp.unprotect(sealed) == packet
    with pytest.raises(SrtpError, match="replay"):
        server.srtp.unprotect(sealed)
    with pytest.raises(SrtpError):
        client.srtp.protect(packet)  # the same number again would repeat the keystream
    with pytest.raises(SrtpError):
        server.srtp.unprotect(sealed[:-1] + b"\x00")
    client.close()
    for datagram in client.outgoing():
        server.receive(datagram)
    assert server.state is DtlsState.CLOSED


@pytest.mark.parametrize(
    ("prints", "why"),
    [
        ((("sha-256", "AB:" * 31 + "AB"),), "not the one"),
        ((("sha-256", CERTIFICATE.fingerprint), ("sha-512", "00")), "not the one"),
        ((("md5", CERTIFICATE.fingerprint),), "no fingerprint of a known kind"),
        ((), "no fingerprint of a known kind"),
    ],
)
def test_fingerprint_mismatch_gives_no_keys(prints: tuple[tuple[str, str], ...], why: str) -> None:
    _, server = pair()
    server.verify(prints)
    assert (server.state, server.srtp) == (DtlsState.FAILED, None)
    assert why in server.failure


@unhurried
@given(st.lists(st.binary(min_size=1, max_size=80), max_size=4))
def test_garbage_datagrams_do_not_break_a_handshake(noise: list[bytes]) -> None:
    server = Dtls(CERTIFICATE)
    server.start(server=True)
    for datagram in noise:
        server.receive(datagram)
        server.receive(b"\x16\xfe\xfd" + bytes(8) + len(datagram).to_bytes(2) + datagram)
    server.outgoing()
    assert server.srtp is None
