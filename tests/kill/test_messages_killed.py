"""The router dies at named points in the life of messages, and is started again.

One comes in with a picture, is answered and reported; one is made by REST, with a picture. However it goes
(reliability-security 3.2, IM1 to OM14): each is there once, the carrier has it once, or was given it twice and then it
is marked, and each status is told to the app under one token.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from killing import CALLER, Choice, Point, Scene, Told, at_points, every
from sqlalchemy import select

from callrouter import models
from callrouter.carriers.simulator import RouterUnreachable
from tests.support.deployment import PATIENCE, Deployment
from tests.support.origin import Origin, Received, Script, reply

pytestmark = [pytest.mark.kill, pytest.mark.timeout(2400)]

TOKEN = "i-twilio-idempotency-token"
PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 100


def of_messages(points: list[Point]) -> list[Point]:
    """The sample of ordinary runs: the first pass of each point in the life of a message."""
    return [(name, turn) for name, turn in points if name[:2] in ("IM", "OM") and turn == 1]


def of_creating(points: list[Point]) -> list[Point]:
    """The same, without what happens to answers just so."""
    return [point for point in of_messages(points) if point[0] in ("OM1", "OM2", "IM11", "IM12")]


def each(sample: Choice) -> pytest.MarkDecorator:
    """A sample of the points, or every point on both databases."""
    slow, postgresql = pytest.mark.slow, pytest.mark.postgresql
    return pytest.mark.parametrize(
        ("deployment", "choose"),
        [
            pytest.param("sqlite", sample, id="sqlite"),
            pytest.param("sqlite", every, id="sqlite-every", marks=slow),
            pytest.param("postgresql", every, id="postgresql-every", marks=[slow, postgresql]),
        ],
        indirect=["deployment"],
    )


class Texting(Scene):
    """One account whose app answers messages; one carrier."""

    def documents(self, request: Received) -> Script:
        if request.path == "/cat.png":
            head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {len(PNG)}\r\n\r\n"
            return [head.encode() + PNG]
        answer = f"<Response><Message statusCallback='{self.app.url('/status')}'>Meow</Message></Response>"
        return reply(body=answer.encode()) if request.path == "/sms" else reply(204)

    @asynccontextmanager
    async def cast(self) -> AsyncIterator[None]:
        self.number = self.tenant.number(sms_url=self.app.url("/sms"))
        async with self.deployment.carrier() as self.carrier:
            self.deployment.adopt(self.carrier)
            yield

    def _until_over(self) -> None:
        super()._until_over()
        waiting = models.QueuedMessage.account_sid == self.tenant.sid
        self.deployment.wait_until(
            lambda: not self.deployment.rows(models.QueuedMessage, waiting), "every queue is empty", PATIENCE
        )

    def _check(self, app: Origin) -> None:
        mine = models.Message.account_sid == self.tenant.sid
        inbound, reply = sorted(self.deployment.rows(models.Message, mine), key=lambda row: row.direction)
        assert (inbound.status, inbound.num_media) == ("received", 1)
        asked = [request for request in app.received if request.path == "/sms"]
        assert len({request.headers[TOKEN] for request in asked}) == 1
        self._left_once(reply, app)

    def _left_once(self, message: Any, app: Origin) -> None:
        assert message.status == "delivered"
        assert [text.id for text in self.carrier.messages] == [message.sid]
        handed = self.carrier.handed(message.sid)
        assert handed == 1 or (handed == 2 and message.possible_duplicate)
        told = {
            (request.form["MessageStatus"], request.headers[TOKEN])
            for request in app.received
            if request.path == "/status"
        }
        assert [status for status, _ in sorted(told)] in (["delivered"], ["delivered", "sent"])


class Creating(Texting):
    """The app sends of its own accord."""

    def _check(self, app: Origin) -> None:
        mine = models.Message.account_sid == self.tenant.sid
        (message,) = self.deployment.rows(models.Message, mine)
        assert message.sid in self.answered or not self.answered
        assert (message.direction, message.num_media) == ("outbound-api", 1)
        self._left_once(message, app)

    answered: frozenset[str] = frozenset()
    """the SIDs that the router answered with"""


async def texted(scene: Scene) -> bool:
    """A phone writes, with a picture; its app answers; the carrier has the answer and reports it delivered."""
    answered = False
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await taken(scene)
            await scene.carrier.inbox()
            while not delivered(scene):
                await asyncio.sleep(0.02)
            answered = True
    return answered


async def created(scene: Scene) -> bool:
    """An app sends a picture by REST, as a careful app does: the same request under its key until it is answered."""
    assert isinstance(scene, Creating)
    sent = False
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while not scene.answered:
                with suppress(requests.ConnectionError):
                    scene.answered = frozenset({await asyncio.to_thread(create, scene)})
            while not delivered(scene):
                await asyncio.sleep(0.02)
            sent = True
    return sent


def create(scene: Scene) -> str:
    tenant, app = scene.tenant, scene.app
    answer = requests.post(
        f"{tenant.deployment.router_url}/2010-04-01/Accounts/{tenant.sid}/Messages.json",
        data={
            "From": scene.number,
            "To": CALLER,
            "MediaUrl": app.url("/cat.png"),
            "StatusCallback": app.url("/status"),
        },
        headers={"Idempotency-Key": tenant.sid},
        auth=(tenant.sid, tenant.auth_token),
        timeout=PATIENCE,
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["sid"])


async def taken(scene: Scene) -> None:
    """A carrier gives a message to the router until it takes it, by the same id."""
    picture = (scene.app.url("/cat.png"), "image/png")
    while True:
        with suppress(RouterUnreachable):
            await scene.carrier.text(CALLER, scene.number, "A cat", [picture], id=scene.tenant.sid)
            return


def delivered(scene: Scene) -> bool:
    table = models.Message.__table__.c
    query = select(table.sid).where(table.account_sid == scene.tenant.sid, table.status == "delivered")
    with scene.deployment.database.read() as connection:
        return connection.execute(query).first() is not None


@each(of_messages)
def test_a_message_and_its_answer_survive(
    deployment: Deployment, choose: Choice, tmp_path: Path, record_property: Told
) -> None:
    log = tmp_path / "points"
    record_property("killed", at_points(deployment, "router", texted, log, choose, stage=Texting))


@each(of_creating)
def test_a_message_that_an_app_creates_survives(
    deployment: Deployment, choose: Choice, tmp_path: Path, record_property: Told
) -> None:
    log = tmp_path / "points"
    record_property("killed", at_points(deployment, "router", created, log, choose, stage=Creating))
