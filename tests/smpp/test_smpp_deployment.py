"""A whole deployment with the gateway as its carrier: an app's message reaches the SMSC, and a phone's comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from callrouter import models
from callrouter.directory import carriers
from callrouter.scenario.ports import free_ports
from foundation.sids import CARRIER, new_sid
from tests.smpp.parties import Smsc
from tests.smpp.processes import GatewayProcess
from tests.support.deployment import Deployment
from tests.support.extras import needs
from tests.support.origin import Origin, reply

needs("sms")

PHONE = "+15550142"
REPLY = b"<Response><Message>and to you</Message></Response>"


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path)
    try:
        deployment.start("media", "router")
        yield deployment
    finally:
        deployment.close()


@pytest.fixture
def gateway(deployment: Deployment, smsc: Smsc, tmp_path: Path) -> Iterator[GatewayProcess]:
    """It learns the secret and the addresses from the operator's records."""
    port = free_ports(1)[0]
    deployment.write(
        lambda connection: carriers.create(
            connection,
            name="acme",
            sid=new_sid(CARRIER),
            control_url=f"http://127.0.0.1:{port}/acme",
            secret_sealed=deployment.keys.seal("a carrier's secret of this deployment"),
            now=time.time(),
        )
    )
    gateway = GatewayProcess(tmp_path, smsc, port, "--carrier", "acme", environment=deployment.environment)
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.mark.usefixtures("gateway")
def test_messages_both_ways_with_reports(deployment: Deployment, smsc: Smsc) -> None:
    """From REST to the phone in three segments; from the phone to the app, and its reply back; both delivered."""
    smsc.order(set={"receipt": "text"})
    with Origin({"/sms": reply(200, REPLY, "Content-Type: text/xml")}) as app:
        tenant = deployment.tenant()
        number = tenant.number(sms_url=app.url("/sms"))
        body = "long words " * 40
        made = tenant.rest.messages.create(from_=number, to=PHONE, body=body)

        def status(words: str) -> str:
            rows = deployment.rows(models.Message, models.Message.body == words)
            return rows[0].status if rows else ""

        deployment.wait_until(lambda: status(body) == "delivered", f"{made.sid} is delivered")
        octets = b"".join(bytes.fromhex(each["hex"])[6:] for each in smsc.all("submit"))
        assert octets.decode() == body
        smsc.order(deliver={"text": "good day", "destination_addr": number[1:]})
        deployment.wait_until(lambda: status("good day") == "received", "the phone's message is here")
        deployment.wait_until(lambda: status("and to you") == "delivered", "the reply is delivered")
    assert bytes.fromhex(smsc.wait("submit", 4)["hex"]) == b"and to you"
