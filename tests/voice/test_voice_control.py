"""The control port: who may command, replies that repeat, events that wait, ends that are orderly."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from voice_peers import TOKEN, Events, Phone, run, settings, until, voice_node
from voice_wire import Wire, error_code

from callrouter.voice.client import VoiceClient, VoiceError


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ({"type": "hello", "token": "wrong", "owner": "router"}, "bad_token"),
        ({"type": "hello", "token": TOKEN + "\ud800", "owner": "router"}, "bad_token"),
        ({"type": "ping", "id": "1"}, "bad_request"),
        (b"GET / HTTP/1.1\r\n", "bad_request"),
        (b"x" * 70_000, "bad_request"),
    ],
)
def test_strangers_are_refused_and_cut(first: Any, code: str) -> None:
    """I13: no token, no command."""

    async def scenario() -> None:
        async with voice_node() as (node, _client, _):
            wire = await Wire.open(node)
            wire.send(first)
            assert error_code(await wire.line()) == code
            assert await wire.ended()

    run(scenario())


def test_silent_connection_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """I6: who does not say hello in time goes."""
    monkeypatch.setattr("callrouter.voice.control._HELLO_SECONDS", 0.1)

    async def scenario() -> None:
        async with voice_node() as (node, _client, _):
            wire = await Wire.open(node)
            assert await wire.ended()

    run(scenario())


def test_line_beyond_the_limit_ends_the_session() -> None:
    async def scenario() -> None:
        async with voice_node() as (node, _client, _):
            wire = await Wire.open(node, token=TOKEN, owner="other")
            assert (await wire.line())["type"] == "welcome"
            wire.send(b'{"type":"ping","id":"' + b"x" * 70_000 + b'"}\n')
            assert error_code(await wire.line()) == "bad_request"
            assert await wire.ended()

    run(scenario())


def test_same_request_id_same_reply() -> None:
    """I7: a command sent twice runs once; the id of another command is refused."""

    async def scenario() -> None:
        async with voice_node() as (node, client, _):
            wire = await Wire.open(node, token=TOKEN, owner="other")
            await wire.line()
            request = {"type": "leg.create", "id": "c1", "leg": "A", "kind": "webrtc"}
            wire.send(request)
            wire.send(request)
            first, second = await wire.line(), await wire.line()
            assert first == second
            assert first["ok"]
            await client.request("leg.close", leg="A")
            wire.send(request)
            assert await wire.reply() == first
            assert (await client.request("node.legs"))["legs"] == [], "the repetition ran nothing"
            wire.send({**request, "leg": "B"})
            assert error_code(await wire.reply()) == "bad_request"

    run(scenario())


def test_leg_create_is_idempotent_by_leg() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            one = await client.request("leg.create", leg="A", kind="webrtc")
            two = await client.request("leg.create", leg="A", kind="webrtc")
            assert one == two
            with pytest.raises(VoiceError) as caught:
                await client.request("leg.create", leg="A", kind="rtp")
            assert caught.value.code == "leg_exists"
            await client.request("leg.close", leg="A")
            await client.request("leg.close", leg="A")

    run(scenario())


@pytest.mark.parametrize(
    ("type", "fields", "code"),
    [
        ("leg.fly", {}, "unknown_command"),
        ("leg.create", {"kind": "rtp"}, "bad_request"),
        ("leg.create", {"leg": "a b", "kind": "rtp"}, "bad_request"),
        ("leg.create", {"leg": "x" * 65, "kind": "rtp"}, "bad_request"),
        ("leg.create", {"leg": "A", "kind": "pigeon"}, "bad_request"),
        ("leg.create", {"leg": "A", "kind": "rtp", "sdp": 7}, "bad_request"),
        ("leg.create", {"leg": "A", "kind": "rtp", "sdp": "v=0"}, "bad_sdp"),
        ("leg.accept", {"leg": "A", "sdp": "v=0"}, "no_such_leg"),
        ("leg.restart", {"leg": "A", "sdp": "v=0"}, "bad_sdp"),
        ("leg.stats", {"leg": "A"}, "no_such_leg"),
        ("leg.send_digits", {"leg": "A", "digits": "1"}, "no_such_leg"),
        ("bridge.make", {"legs": ["A"]}, "bad_request"),
        ("bridge.make", {"legs": ["A", "A"]}, "bad_request"),
        ("bridge.make", {"legs": ["A", "B"]}, "no_such_leg"),
    ],
)
def test_refusals(type: str, fields: dict[str, Any], code: str) -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            with pytest.raises(VoiceError) as caught:
                await client.request(type, **fields)
            assert caught.value.code == code
            assert (await client.request("node.stats"))["legs"] == 0

    run(scenario())


def test_bad_digits_are_named() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, _events):
            await client.request("leg.create", leg="A", kind="webrtc")
            with pytest.raises(VoiceError, match="'x' is no key"):
                await client.request("leg.send_digits", leg="A", digits="1x")
            with pytest.raises(VoiceError, match="128"):
                await client.request("leg.send_digits", leg="A", digits="1" * 129)
            for _ in range(16):
                await client.request("leg.send_digits", leg="A", digits="1")
            with pytest.raises(VoiceError) as caught:
                await client.request("leg.send_digits", leg="A", digits="1")
            assert caught.value.code == "at_capacity"

    run(scenario())


def test_capacity_and_ports_have_a_stated_end() -> None:
    """I14."""

    async def scenario() -> None:
        async with voice_node(max_legs=2) as (_, client, _events):
            for leg in "AB":
                await client.request("leg.create", leg=leg, kind="webrtc")
            with pytest.raises(VoiceError, match="max_legs") as caught:
                await client.request("leg.create", leg="C", kind="webrtc")
            assert caught.value.code == "at_capacity"
            await client.request("leg.close", leg="A")
            await client.request("leg.create", leg="C", kind="webrtc")
        low = settings().rtp_ports[0]
        async with voice_node(rtp_ports=(low, low + 2)) as (_, client, _events):
            await client.request("leg.create", leg="A", kind="rtp")
            with pytest.raises(VoiceError, match="rtp_ports") as caught:
                await client.request("leg.create", leg="B", kind="rtp")
            assert caught.value.code == "no_ports"
            await client.request("leg.close", leg="A")
            await client.request("leg.create", leg="B", kind="rtp")

    run(scenario())


def test_drain_lets_calls_end() -> None:
    async def scenario() -> None:
        async with voice_node() as (_, client, events):
            await client.request("leg.create", leg="A", kind="webrtc")
            await client.request("node.drain")
            with pytest.raises(VoiceError) as caught:
                await client.request("leg.create", leg="B", kind="webrtc")
            assert caught.value.code == "draining"
            assert not events.of("node.drained")
            await client.request("leg.close", leg="A")
            await events.wait("node.drained")

    run(scenario())


def test_events_are_redelivered_in_order_until_acknowledged() -> None:
    """I2, I8: a router that died and came back gets what it had not acknowledged."""

    async def scenario() -> None:
        async with voice_node() as (node, _client, events):
            wire = await Wire.open(node, token=TOKEN, owner="second")
            await wire.line()
            for leg in "ABC":
                wire.send({"type": "leg.create", "id": f"make{leg}", "leg": leg, "kind": "webrtc"})
                wire.send({"type": "leg.close", "id": f"end{leg}", "leg": leg})
            got = [body for _ in range(9) if "event" in (body := await wire.line())]
            assert [body["leg"] for body in got] == ["A", "B", "C"]
            wire.send({"type": "ack", "event_id": got[1]["event_id"]})
            wire.send({"type": "ping", "id": "p"})
            await wire.line()
            wire.writer.close()  # dies
            again = await Wire.open(node, token=TOKEN, owner="second")
            await again.line()
            assert [await again.line(), await again.line()] == [got[0], got[2]]
            newest = await Wire.open(node, token=TOKEN, owner="second")
            assert error_code(await again.line()) == "replaced"
            assert await again.ended()
            newest.writer.close()
            assert not events.all, "another owner's legs are not this router's business"

    run(scenario())


def test_a_leg_follows_the_router_that_commands_it() -> None:
    async def scenario() -> None:
        async with voice_node() as (node, client, events):
            await client.request("leg.create", leg="A", kind="webrtc")
            others = Events()
            other = VoiceClient(node.control_address, TOKEN, others.take, owner="second")
            await other.start()
            await other.request("leg.stop", leg="A")
            await client.request("leg.close", leg="A")
            await others.wait("leg.closed", "A")
            assert not events.all
            await other.close()

    run(scenario())


def test_journal_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """I14: events nobody fetches are given up, oldest first, and loudly."""

    async def scenario() -> None:
        async with voice_node(max_events=100) as (node, client, _events):
            await client.close()
            wire = await Wire.open(node, token=TOKEN, owner="router")
            await wire.line()
            for number in range(103):
                wire.send({"type": "leg.create", "id": f"m{number}", "leg": "A", "kind": "webrtc"})
                wire.send({"type": "leg.close", "id": f"e{number}", "leg": "A"})
            for _ in range(309):
                await wire.line()
            assert node.stats()["unacknowledged_events"] == 100
            wire.writer.close()

    run(scenario())
    assert sum("given up" in record.message for record in caplog.records) == 3


def test_legs_without_any_router_end() -> None:
    """I6: no leg outlives all routers for ever."""

    async def scenario() -> None:
        async with voice_node(orphan_timeout=0.3) as (node, client, _):
            await client.request("leg.create", leg="A", kind="webrtc")
            await client.close()
            await until(lambda: node.stats()["legs"] == 0)

    run(scenario())


def test_unix_socket(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = str(tmp_path / "voice.sock")
        async with voice_node(control_address=path) as (node, client, _):
            assert node.control_address == path
            assert Path(path).stat().st_mode & 0o077 == 0, "nobody else's to open"
            assert await client.request("ping") == {}

    run(scenario())


PROCESS = """
import logging, sys
from callrouter.voice.node import NodeSettings, main
logging.basicConfig(stream=sys.stderr)
ready = lambda node: print(node.control_address[1], flush=True)
main(NodeSettings(token=sys.argv[1], control_address=("127.0.0.1", 0), webrtc_port=0, drain_timeout=20), ready=ready)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGTERM")
def test_process_drains_on_sigterm() -> None:
    """The real process, on uvloop where there is one: SIGTERM lets calls end, then it exits with 0."""
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS, TOKEN], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())

        async def scenario() -> None:
            client = VoiceClient(("127.0.0.1", port), TOKEN, Events().take)
            await client.start()
            phone = await Phone.open(600)
            answer = await client.request("leg.create", leg="A", kind="rtp", sdp=phone.sdp())
            phone.call(answer["sdp"])
            await until(lambda: phone.received)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(5):
                while not (await client.request("node.stats"))["draining"]:
                    await asyncio.sleep(0.01)
            await client.request("leg.close", leg="A")
            await until(lambda: not client.up)
            await client.close()
            phone.close()

        run(scenario())
        _, stderr = process.communicate(timeout=10)
        assert process.returncode == 0, stderr
        assert "Traceback" not in stderr
