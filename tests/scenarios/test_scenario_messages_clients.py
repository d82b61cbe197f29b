"""Phones and client apps write to each other: carrier, app, router, presence server and devices, for real."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, Queue
from typing import Any

import pytest
import requests
from scene import CALLER, Scene, within
from twilio.jwt.access_token import AccessToken, AccessTokenGrant
from twilio.jwt.access_token.grants import VoiceGrant

from callrouter import models
from callrouter.carriers.simulator import SimulatedCarrier
from presence.client import AccountPresence, Inbox
from tests.support.origin import Origin, Received

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 1_000
SECONDS = 15.0
TO_ALICE = "<Response><Message to='client:alice' {}>{}</Message></Response>"


class MaySend(AccessTokenGrant):
    """How an app's server lets a client send messages."""

    @property
    def key(self) -> str:
        return "callrouter"

    def to_payload(self) -> dict[str, Any]:
        return {"permissions": ["messages:send"]}


class Device:
    """A client app without a socket: its inbox is read on a thread, and what it shows is acknowledged."""

    def __init__(self, scene: Scene, name: str, endpoint_id: str, *, acknowledges: bool = True) -> None:
        tenant, deployment = scene.tenant, scene.deployment
        token = AccessToken(tenant.sid, tenant.key_sid, tenant.key_secret, identity=name, ttl=600)
        token.add_grant(VoiceGrant(incoming_allow=True))
        token.add_grant(MaySend())
        self.name, self.endpoint_id, self._acknowledges = name, endpoint_id, acknowledges
        self.presence = AccountPresence(deployment.presence_url, tenant.sid, str(token.to_jwt()))
        self.shown: Queue[dict[str, Any]] = Queue()
        self._inbox: Inbox | None = None
        self._thread: threading.Thread | None = None

    def register(self, *capabilities: str) -> None:
        self.presence.register(self.name, self.endpoint_id, capabilities=capabilities or ("sms",))
        self._inbox = self.presence.inbox(self.name, self.endpoint_id, patience=SECONDS)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._inbox is not None
        for message in self._inbox:
            self.shown.put(message)
            if self._acknowledges:
                self._inbox.acknowledge(message)

    async def next(self) -> dict[str, Any]:
        return await asyncio.to_thread(self.shown.get, timeout=SECONDS)

    def nothing(self) -> bool:
        try:
            self.shown.get_nowait()
        except Empty:
            return True
        return False

    async def send(self, body: str, id: str, **more: Any) -> dict[str, Any]:
        return await asyncio.to_thread(self.presence.send, self.name, body, id=id, **more)

    def close(self) -> None:
        if self._inbox is not None:
            self._inbox.close()
        if self._thread is not None:
            self._thread.join(SECONDS)
        self.presence.close()


@contextmanager
def device(scene: Scene, name: str = "alice", endpoint_id: str = "desk", **options: Any) -> Iterator[Device]:
    made = Device(scene, name, endpoint_id, **options)
    try:
        yield made
    finally:
        made.close()


def number(scene: Scene, document: str) -> str:
    scene.app.answers["/sms"] = document
    return scene.tenant.number(sms_url=scene.app.url("/sms"))


def statuses(scene: Scene) -> dict[str, str]:
    """Of the account's messages, by where they go and what they say."""
    return {f"{row.to}: {row.body}": row.status for row in scene.rows(models.Message)}


async def has(scene: Scene, wanted: Callable[[dict[str, str]], bool], what: str) -> None:
    try:
        await scene.until(lambda: wanted(statuses(scene)), what)
    except AssertionError as error:
        raise AssertionError(f"{statuses(scene)}\n{error}") from None


async def answered(carrier: SimulatedCarrier) -> Any:
    return await within(SECONDS, carrier.inbox())


async def test_pr70_pr71_a_phone_and_a_client_write_to_each_other(any_scene: Scene) -> None:
    """The app is asked once; its session carries the rest, in both directions, until it is closed."""
    scene = any_scene
    ours = number(scene, TO_ALICE.format("session='600'", "Somebody asks: is it open?"))
    with device(scene) as alice:
        alice.register()
        async with scene.carrier() as carrier:
            await carrier.text(CALLER, ours, "Is it open?")
            first = await alice.next()
            assert (first["from"], first["to"]) == (ours, "client:alice")
            assert first["body"] == "Somebody asks: is it open?"

            await alice.send("Until eight.", "1")
            got = await answered(carrier)
            assert (got.from_, got.to, got.body) == (ours, CALLER, "Until eight.")

            await carrier.text(CALLER, ours, "Thanks!")
            second = await alice.next()
            assert (second["from"], second["body"]) == (CALLER, "Thanks!")
            assert second["session"] == first["session"]
            await has(
                scene,
                lambda now: (
                    now.get("client:alice: Thanks!") == "delivered"
                    and now.get(f"{CALLER}: Until eight.") == "delivered"
                ),
                "delivered on both sides",
            )
            assert len(scene.app.forms("/sms")) == 1

            url = f"{scene.deployment.router_url}/v1/Accounts/{scene.tenant.sid}/MessageSessions"
            auth = (scene.tenant.sid, scene.tenant.auth_token)
            session = await asyncio.to_thread(
                lambda: requests.get(url, auth=auth, timeout=SECONDS).json()["message_sessions"][0]
            )
            assert (session["phone"], session["number"], session["client"]) == (CALLER, ours, "alice")
            found = await asyncio.to_thread(
                lambda: requests.get(session["links"]["messages"], auth=auth, timeout=SECONDS).json()
            )
            assert {"Thanks!", "Until eight."} <= {one["body"] for one in found["messages"]}
            await asyncio.to_thread(
                lambda: requests.post(
                    session["url"], auth=auth, data={"Status": "closed"}, timeout=SECONDS
                ).raise_for_status()
            )
            await carrier.text(CALLER, ours, "And tomorrow?")
            await scene.form("/sms", 1)


async def test_pr72_two_devices_get_it_and_the_first_to_show_it_delivers_it(scene: Scene) -> None:
    callback = scene.app.url("/status/alice")
    ours = number(scene, TO_ALICE.format(f"statusCallback='{callback}'", "hello"))
    with device(scene, acknowledges=False) as desk, device(scene, endpoint_id="mobile") as mobile:
        desk.register()
        mobile.register()
        async with scene.carrier() as carrier:
            await carrier.text(CALLER, ours, "hi")
            assert (await desk.next())["sid"] == (await mobile.next())["sid"]
            await has(scene, lambda now: now.get("client:alice: hello") == "delivered", "delivered")

            def told() -> list[str]:
                return [form["MessageStatus"] for form in scene.app.forms("/status/alice")]

            await scene.until(lambda: "delivered" in told(), "the app knows that it is delivered")
            assert told() in (
                ["delivered"],
                ["sent", "delivered"],
            )  # a device may be quicker than the hand-off's commit


async def test_pr73_it_waits_for_the_next_registration_in_order(scene: Scene) -> None:
    ours = number(scene, "<Response/>")
    with device(scene) as alice:
        async with scene.carrier():
            for n in range(3):
                await asyncio.to_thread(
                    scene.tenant.rest.messages.create, to="client:alice", from_=ours, body=str(n)
                )
            await has(scene, lambda now: list(now.values()) == ["sent"] * 3, "held by the presence server")
            alice.register()
            assert [(await alice.next())["body"] for _ in range(3)] == ["0", "1", "2"]
            await has(scene, lambda now: list(now.values()) == ["delivered"] * 3, "delivered")


async def test_pr73_nobody_there_it_goes_to_the_number(scene: Scene) -> None:
    ours = number(scene, TO_ALICE.format("otherwise='+14155550177'", "call me"))
    async with scene.carrier() as carrier:
        await carrier.text(CALLER, ours, "hi")
        got = await answered(carrier)
        assert (got.from_, got.to, got.body) == (ours, "+14155550177", "call me")
        await has(
            scene,
            lambda now: (
                now.get("client:alice: call me") == "failed"
                and now.get("+14155550177: call me") == "delivered"
            ),
            "failed for the client, delivered to the number",
        )


async def test_pr73_nobody_there_the_app_is_told(scene: Scene) -> None:
    callback = scene.app.url("/status/alice")
    ours = number(scene, TO_ALICE.format(f"otherwise='tell' statusCallback='{callback}'", "hello"))
    async with scene.carrier() as carrier:
        await carrier.text(CALLER, ours, "hi")
        told = await scene.form("/status/alice", 0)
        assert (told["MessageStatus"], told["ErrorCode"]) == ("failed", "30003")


async def test_pr74_media_reach_a_device_as_such_or_as_a_link(scene: Scene) -> None:
    def cdn(_request: Received) -> Any:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {len(PNG)}\r\n\r\n"
        return [head.encode() + PNG]

    origin = Origin(cdn)
    picture = f"<Body>look</Body><Media>{origin.url('/cat.png')}</Media>"
    ours = number(scene, TO_ALICE.format("", picture))
    try:
        with device(scene) as plain, device(scene, endpoint_id="rich") as rich:
            plain.register("sms")
            rich.register("sms", "mms")
            async with scene.carrier() as carrier:
                await carrier.text(CALLER, ours, "hi")
                (media,) = (await rich.next())["media"]
                text, _, link = (await plain.next())["body"].partition("\n")
                assert (text, link, media["content_type"]) == ("look", media["url"], "image/png")
                fetched = await asyncio.to_thread(requests.get, link, timeout=SECONDS)
                assert (fetched.content, fetched.headers["Content-Type"]) == (PNG, "image/png")
    finally:
        origin.close()


async def test_pr75_a_client_opens_a_session_with_a_phone(scene: Scene) -> None:
    ours = number(scene, "<Response/>")
    with device(scene) as alice:
        alice.register()
        async with scene.carrier() as carrier:
            sent = await alice.send("Your parcel is here.", "1", to=CALLER, sender=ours, session=60)
            again = await alice.send("Your parcel is here.", "1", to=CALLER, sender=ours, session=60)
            assert again["sid"] == sent["sid"]
            got = await answered(carrier)
            assert (got.from_, got.to, got.body) == (ours, CALLER, "Your parcel is here.")
            await carrier.text(CALLER, ours, "On my way")
            assert (await alice.next())["body"] == "On my way"
            assert scene.app.forms("/sms") == []
            assert len(carrier.messages) == 1


@pytest.mark.kill
async def test_pr81_what_is_held_survives_both_servers_deaths(broken: Scene) -> None:
    """kill -9 of the presence server with a message held, and of the router before it hears that it was shown."""
    scene, deployment = broken, broken.deployment
    ours = number(scene, "<Response/>")
    async with scene.carrier():
        await asyncio.to_thread(
            scene.tenant.rest.messages.create, to="client:alice", from_=ours, body="still here?"
        )
        await has(scene, lambda now: list(now.values()) == ["sent"], "held by the presence server")
        deployment.kill("presence")
        deployment.start("presence")
        with device(scene) as alice:
            deployment.kill("router")
            alice.register()
            assert (await alice.next())["body"] == "still here?"
            deployment.start("router")
            await has(scene, lambda now: list(now.values()) == ["delivered"], "delivered")
            assert alice.nothing()


async def test_pr70_pr79_a_support_number_reaches_whoever_is_free(scene: Scene) -> None:
    """`client:support` stands for alice, who takes no messages now, and bob, who does; the choice can be read back."""
    to_support = "<Response><Message to='client:support'>help!</Message></Response>"
    ours = number(scene, to_support)
    owner = AccountPresence(
        scene.deployment.presence_url, scene.tenant.sid, (scene.tenant.sid, scene.tenant.auth_token)
    )
    with device(scene, "alice") as alice, device(scene, "bob") as bob:
        await asyncio.to_thread(owner.put_destination, "support", ["alice", "bob"])
        alice.register()
        bob.register()
        await asyncio.to_thread(owner.set_status, "alice", "dnd")
        async with scene.carrier() as carrier:
            await carrier.text(CALLER, ours, "help")
            got = await bob.next()
            assert (got["to"], got["body"]) == ("client:support", "help!")
            await has(scene, lambda now: now.get("client:support: help!") == "delivered", "delivered")
            assert alice.nothing()
    owner.close()
    last = max(scene.rows(models.MessageDecision), key=lambda row: (row.at, row.attempt))
    seen = {one["client"]: (one["status"], one["takes"], one["chosen"]) for one in last.considered}
    assert seen == {"alice": ("dnd", False, False), "bob": ("available", True, True)}


async def test_pr59_messages_wait_while_the_presence_server_is_down(broken: Scene) -> None:
    """They stay in the router's queue, in order, and go on by themselves."""
    scene, deployment = broken, broken.deployment
    ours = number(scene, "<Response/>")
    async with scene.carrier():
        deployment.kill("presence")
        for n in range(3):
            await asyncio.to_thread(
                scene.tenant.rest.messages.create, to="client:alice", from_=ours, body=str(n)
            )
        await asyncio.sleep(1)  # long enough for a try; none may be given up
        assert set(statuses(scene).values()) <= {"queued", "sending"}
        deployment.start("presence")
        with device(scene) as alice:
            alice.register()
            assert [(await alice.next())["body"] for _ in range(3)] == ["0", "1", "2"]
            await has(scene, lambda now: list(now.values()) == ["delivered"] * 3, "delivered")
