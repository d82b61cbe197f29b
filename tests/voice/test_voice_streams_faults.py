"""Streams that can't be opened, and streams that break: told once, by Twilio's codes."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from test_voice_phone_leg import phone_leg
from voice_peers import run, tone_frames, until, voice_node
from voice_stream_app import ALLOW, Session, over, start, stream_app, streaming

from callrouter.processes import voice_settings
from callrouter.voice.media.tones import SILENT_FRAME
from foundation.outbound.resolver import Resolver
from foundation.settings import Settings

HOLD = object()
Answer = bytes | object


async def failing(url: str, **node: Any) -> dict[str, Any]:
    """How a stream to this URL fails."""
    async with voice_node(**{"outbound_allow": ALLOW, "stream_timeout": 0.5, **node}) as (
        voice,
        client,
        events,
    ):
        await phone_leg(client, "A", 600)
        await start(client, url, bidirectional=True)
        facts = await over(events)
        assert not events.of("stream.up")
        assert facts.pop("cause") == "failed"
        assert facts.pop("stream") == "MZ1"
        assert voice.stats()["streams"] == 0
        return facts


@pytest.mark.parametrize(
    ("url", "code", "message"),
    [
        ("https://127.0.0.1/x", 31922, "begins with wss://"),
        ("//127.0.0.1/x", 31922, "begins with wss://"),
        ("wss://", 31923, "cannot be parsed|absolute"),
        ("wss://127.0.0.1:22/", 31923, "Port 22"),
        ("wss://app.example\r\nHost: x/", 31923, "control character"),
        ("wss://0x7f.1/", 31923, "neither a name nor an address"),
        ("wss://10.0.0.1/", 31904, "may not be called"),
        ("ws://10.0.0.1/", 31904, "may not be called"),
        ("wss://[::1]/", 31904, "may not be called"),
        ("ws://8.8.8.8/", 31922, "ws:// is for development"),
    ],
)
def test_urls_that_are_not_called(url: str, code: int, message: str) -> None:
    """The guard of the webhooks decides; without encryption only to addresses that the operator named."""
    facts = run(failing(url, stream_timeout=5))
    assert facts["code"] == code
    assert re.search(message, facts["message"])


@pytest.mark.parametrize(
    ("found", "code", "message"),
    [
        (["8.8.8.8", "127.0.0.1"], 31904, "The address of this URL may not be called."),
        ([], 31904, "The host name does not resolve: app.example."),
        (None, 31901, "The app's WebSocket was not open within 0.5 s."),
    ],
)
def test_names_that_lead_nowhere(
    monkeypatch: pytest.MonkeyPatch, found: list[str] | None, code: int, message: str
) -> None:
    """All of a name's addresses must be allowed (reliability 4.2); a slow DNS has its bound (F34)."""
    ended = threading.Event()

    def lookup(host: str) -> list[str]:
        if found is None:
            ended.wait(8)
        return found or []

    resolve_by(monkeypatch, lookup)
    facts = run(failing("wss://app.example/", outbound_allow=()))
    ended.set()
    assert facts == {"code": code, "message": message}


def resolve_by(monkeypatch: pytest.MonkeyPatch, lookup: Callable[[str], list[str]]) -> None:
    monkeypatch.setattr("callrouter.voice.stream_socket.Resolver", lambda: Resolver(lookup))


def test_the_operators_exceptions_are_those_of_webhooks(tmp_path: Path) -> None:
    operators = Settings(data_dir=tmp_path, outbound_allow=("10.1.0.0/16",), outbound_ca="/etc/ca.pem")
    node = voice_settings(operators)
    assert (node.outbound_allow, node.outbound_ca) == (("10.1.0.0/16",), "/etc/ca.pem")


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        facts = run(failing(f"ws://127.0.0.1:{taken.getsockname()[1]}/"))
    assert facts == {"code": 31902, "message": "The app's server refused the connection."}


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 31920, "status 403 in place of 101"),
        (b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n\r\n", 31920, "status 302 in place of 101"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://\xff/\r\n\r\n", 31920, "status 302|handshake"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 31920, "handshake with the app failed"),
        (b"HTTP/1.1 200 OK\r\n\r\n", 31920, "status 200|handshake"),
        (b"\x00\x01\x02 what?\r\n\r\n", 31920, "handshake with the app failed"),
        (b"", 31920, "handshake with the app failed"),
        (b"HTTP/1.1 101 Switching Protocols\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n", 31920, "handshake"),
        (HOLD, 31901, "not open within 0.5 s"),
    ],
)
def test_handshakes_that_fail(answer: Answer, code: int, message: str) -> None:
    async def scenario() -> None:
        connections = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            await reader.readuntil(b"\r\n\r\n")
            if isinstance(answer, bytes):
                writer.write(answer)
            else:
                await reader.read()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            facts = await failing(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        assert facts["code"] == code
        assert re.search(message, facts["message"])
        assert connections == 1

    run(scenario())


def test_a_server_that_never_answers_costs_no_more_than_the_time_allowed() -> None:
    """A full backlog: the connection itself hangs."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        facts = run(failing(f"ws://127.0.0.1:{address[1]}/"))
        for filler in fillers:
            filler.close()
    assert facts == {"code": 31901, "message": "The app's WebSocket was not open within 0.5 s."}


# -- TLS ----------------------------------------------------------------------------


def authority(folder: Path, name: str) -> tuple[ssl.SSLContext, str]:
    """A server's context with a certificate for `name`, and the file of its root."""
    now, key = datetime.datetime.now(datetime.UTC), ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test root")])
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    return context, str(chain)


@pytest.mark.parametrize("loop", [None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_wss_with_a_certificate_that_we_trust(tmp_path: Path, loop: Any) -> None:
    """The node runs on uvloop: what it does to sockets is tested there too."""
    context, root = authority(tmp_path, "127.0.0.1")

    async def scenario() -> None:
        async with (
            stream_app(tls=context) as app,
            voice_node(outbound_allow=ALLOW, outbound_ca=root) as (_, client, events),
        ):
            phone = await phone_leg(client, "A", 600)
            await start(client, app.url("wss"), bidirectional=True)
            session = await app.session()
            await session.hears(600)
            await session.media(b"".join(tone_frames(1000)))
            await phone.hears(1000)
            await client.request("leg.close", leg="A")
            await session.wait("stop")
            assert (await over(events))["cause"] == "hangup"
            await until(lambda: session.over)

    run(scenario(), loop=loop)


@pytest.mark.parametrize(
    ("name", "trusted", "message"),
    [("127.0.0.1", False, "self.signed certificate"), ("app.example", True, "IP address mismatch")],
)
@pytest.mark.parametrize("loop", [None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_wss_with_a_certificate_that_we_dont_trust(
    tmp_path: Path, name: str, trusted: bool, message: str, loop: Any
) -> None:
    context, root = authority(tmp_path, name)

    async def scenario() -> None:
        async with stream_app(tls=context) as app:
            facts = await failing(app.url("wss"), outbound_ca=root if trusted else "")
            assert facts["code"] == 31910
            assert re.search(message, facts["message"])
            assert not app.sessions

    run(scenario(), loop=loop)


def test_a_name_is_verified_and_its_second_address_is_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context, root = authority(tmp_path, "app.example")
    resolve_by(monkeypatch, lambda host: ["127.0.0.2", "127.0.0.1"])

    async def scenario() -> None:
        async with (
            stream_app(tls=context) as app,
            voice_node(outbound_allow=("app.example",), outbound_ca=root) as (_, client, events),
        ):
            await phone_leg(client, "A", 600)
            await start(client, app.url("wss", "app.example"))
            await events.wait("stream.up")
            await (await app.session()).hears(600)

    run(scenario())


def test_wss_to_a_server_without_tls() -> None:
    async def scenario() -> None:
        async with stream_app() as app:
            facts = await failing(app.url("wss"))
            assert facts["code"] == 31910

    run(scenario())


# -- streams that break ---------------------------------------------------------------


async def close_badly(session: Session) -> None:
    await session.socket.close(1011, "out of cheese")


async def vanish(session: Session) -> None:
    session.socket.transport.abort()


async def break_the_frame(session: Session) -> None:
    session.socket.transport.write(b"\xff\xff\xff\xff")


async def say_too_much(session: Session) -> None:
    await session.socket.send("x" * ((1 << 20) + 1))


@pytest.mark.parametrize(
    ("does", "code", "message"),
    [
        (close_badly, 31921, "closed the stream with code 1011 'out of cheese'"),
        (vanish, 31921, "connection to the app was lost"),
        (break_the_frame, 31924, "broke the WebSocket protocol"),
        (say_too_much, 31924, "broke the WebSocket protocol.*1048576"),
    ],
)
def test_sockets_that_break(does: Callable[[Session], Awaitable[None]], code: int, message: str) -> None:
    """The stream is over, the call is not."""

    async def scenario() -> None:
        async with streaming(bidirectional=True) as (_, client, events, phone, app):
            await app.media(b"".join(tone_frames(1000)) * 9)
            await phone.hears(1000)
            await does(app)
            facts = await over(events)
            assert (facts["cause"], facts["code"]) == ("failed", code)
            assert re.search(message, facts["message"])
            await until(lambda: [p.payload for p in phone.received[-5:]] == [SILENT_FRAME] * 5)
            assert (await client.request("leg.stats", leg="A"))["up"]

    run(scenario())


def test_an_app_that_gives_no_sign_is_given_up() -> None:
    """Neither pongs nor a close: bounded by stream_silence, whatever fills the socket meanwhile."""

    async def deaf(session: Session) -> None:
        session.socket.transport.pause_reading()

    async def scenario() -> None:
        node = {"stream_silence": 1.0}
        async with streaming(deaf, node=node, track="both") as (_, _client, events, _phone, app):
            facts = await over(events)
            assert (facts["cause"], facts["code"]) == ("failed", 31901)
            assert "no sign for 1 s" in facts["message"]
            app.socket.transport.abort()

    run(scenario())
