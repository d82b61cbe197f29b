"""Reading any SDP, writing ours."""

from __future__ import annotations

import aiortc.sdp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_peers import unhurried

from callrouter.voice import sdp

PRINT = ":".join(["AB"] * 32)
BROWSER = f"""v=0
o=- 46117317 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=fingerprint:sha-256 {PRINT.lower()}
m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:abcd
a=ice-pwd:{"p" * 22}
a=setup:actpass
a=mid:0
a=sendrecv
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=rtpmap:126 telephone-event/8000
m=video 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=mid:1
"""
PHONE = (
    "v=0\r\no=x 1 1 IN IP4 10.0.0.9\r\ns=call\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 8 0 97\r\na=rtpmap:97 telephone-event/8000\r\na=sendonly\r\n"
)


def test_browser_offer() -> None:
    audio = sdp.parse(BROWSER)
    assert (audio.ice_ufrag, audio.setup, audio.mid, audio.rtcp_mux) == ("abcd", "actpass", "0", True)
    assert audio.fingerprints == (("sha-256", PRINT),), "a session-level attribute counts"
    assert audio.g711(0) == 0
    assert audio.event_type == 126


def test_phone_offer() -> None:
    audio = sdp.parse(PHONE)
    assert (audio.address, audio.port, audio.rtcp_port) == ("203.0.113.5", 4000, 4001)
    assert audio.event_type == 97
    assert not audio.receives
    assert audio.g711(0, 8) == 0, "we prefer PCMU whatever the order"


def test_no_common_codec_names_what_there_is() -> None:
    with pytest.raises(sdp.NoCommonCodecError, match=r"needs PCMU; it has opus, telephone-event"):
        sdp.parse(BROWSER.replace("111 0 8 126", "111 126")).g711(0)


def test_payload_type_zero_with_another_meaning_is_not_pcmu() -> None:
    with pytest.raises(sdp.NoCommonCodecError):
        sdp.parse(PHONE + "a=rtpmap:0 G729/8000\r\na=rtpmap:8 G729/8000\r\n").g711(0, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "no audio section"),
        (lambda text: text.replace("audio 4000", "audio 0"), "no audio section"),
        (lambda text: text.replace("4000", "99999"), "no port"),
        (lambda text: text.replace("c=IN IP4 203.0.113.5\r\n", ""), "no c= line"),
        (lambda text: text.replace("203.0.113.5", "example.com"), "no IP address"),
        (lambda text: text + "a=x\r\n" * 9000, "are allowed"),
        (lambda text: text + "a=ice-ufrag:a b\r\n", "not a token"),
    ],
)
def test_faults_are_named(change: object, message: str) -> None:
    with pytest.raises(sdp.SdpError, match=message):
        sdp.parse(change(PHONE))


@unhurried
@given(st.text(max_size=300), st.integers(0, len(BROWSER)))
def test_any_text_is_read_or_refused(text: str, place: int) -> None:
    for source in (text, BROWSER[:place] + text + BROWSER[place:], PHONE[:place] + text + PHONE[place:]):
        try:
            audio = sdp.parse(source)
        except sdp.SdpError:
            continue
        assert 0 < audio.port < 65_536


def local(remote: sdp.RemoteAudio | None) -> sdp.LocalAudio:
    return sdp.LocalAudio(
        session=7, version=1, address="192.0.2.1", port=7071, formats=(0,), rtcp_mux=True, remote=remote
    )


TRANSPORT = sdp.LocalTransport(
    candidates=("192.0.2.1", "127.0.0.1"), ufrag="uf", pwd="pw" * 12, fingerprint=PRINT, setup="passive", ssrc=5
)  # fmt: skip


def test_answer_to_a_browser_as_another_stack_reads_it() -> None:
    text = sdp.write(local(sdp.parse(BROWSER)), TRANSPORT)
    assert "\n" not in text.replace("\r\n", "")
    read = aiortc.sdp.SessionDescription.parse(text)
    audio, video = read.media
    assert (audio.kind, audio.port, audio.fmt) == ("audio", 7071, [0])
    assert (video.kind, video.port) == ("video", 0), "a section that we do not take is refused in place"
    assert audio.ice.iceLite
    assert audio.dtls.fingerprints[0].value == PRINT
    assert [candidate.ip for candidate in audio.ice_candidates] == ["192.0.2.1", "127.0.0.1"]
    assert audio.ice_candidates_complete
    assert "telephone-event" not in text, "so the SDK sends digits as messages (voice-sdk-protocol 7)"


@pytest.mark.parametrize(
    ("theirs", "ours"), [("sendonly", "recvonly"), ("inactive", "inactive"), ("recvonly", "sendonly")]
)
def test_hold_is_answered_with_its_opposite(theirs: str, ours: str) -> None:
    offer = sdp.parse(PHONE.replace("sendonly", theirs))
    answer = sdp.LocalAudio(
        session=1, version=1, address="192.0.2.1", port=20_000, formats=(0,), event_type=97, remote=offer
    )
    text = sdp.write(answer)
    assert f"a={ours}\r\n" in text
    assert "m=audio 20000 RTP/AVP 0 97\r\n" in text
    assert "a=rtcp:20001\r\n" in text


def test_ipv6() -> None:
    text = sdp.write(sdp.LocalAudio(session=1, version=1, address="2001:db8::1", port=20_000, formats=(0,)))
    assert "c=IN IP6 2001:db8::1\r\n" in text
    assert sdp.parse(text).address == "2001:db8::1"
