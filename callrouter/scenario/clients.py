"""A client app of a scenario: registers with an access token, rings, calls and writes."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from callrouter.audio.ear import Ear
from callrouter.directory.tokens import access_token
from callrouter.phone.call import CallOver, PhoneCall, State
from callrouter.phone.connection import PhoneRefused, SignalUnreachable
from callrouter.phone.phone import Phone
from callrouter.scenario.ends import PATIENCE, End
from callrouter.scenario.faults import Differs
from presence.client import AccountPresence, Heartbeat, Inbox, PresenceRefused, PresenceUnavailable

if TYPE_CHECKING:
    from callrouter.scenario.world import World

ENDPOINT = "scenario-inbox"
PERMISSIONS = ("messages:send", "presence:publish")
TTL = 3600
FAULTS = (PresenceRefused, PresenceUnavailable)


class ClientEnd(End):
    """`texting`: it has an inbox too, as a second device that takes messages only."""

    call: PhoneCall | None

    def __init__(self, world: World, name: str, hz: float, *, texting: bool = False) -> None:
        super().__init__(world, name, f"client:{name}", hz)
        self._texting = texting
        self._phone: Phone | None = None
        self._taking: asyncio.Task[None] | None = None
        self._presence: AccountPresence | None = None
        self._heartbeat: Heartbeat | None = None
        self._inbox: Inbox | None = None
        self._reader: threading.Thread | None = None
        self._texts: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def register(self) -> None:
        if self._phone is None:
            deployment = self.world.deployment
            self._phone = Phone(deployment.signal, self._token(), ca=deployment.authority, source=self.mouth)
            self._taking = asyncio.create_task(self._take_calls(self._phone))
        try:
            await self._phone.register(PATIENCE)
            if self._texting:
                await asyncio.to_thread(self._open_inbox, asyncio.get_running_loop())
        except (PhoneRefused, SignalUnreachable, *FAULTS) as fault:
            raise Differs(f"{self.name} could not register: {fault}") from fault

    async def leave(self) -> None:
        if self._phone is not None:
            await self._phone.unregister(PATIENCE)
        await asyncio.to_thread(self._close_inbox)

    async def calls(self, to: str) -> None:
        """Through the account's application, with `To`."""
        if self._phone is None:
            raise Differs(f"{self.name} has no device; let it register first")
        told = len(self.world.spoken(self.face))
        try:
            self._take(await self._phone.call({"To": to}), told)
            assert self.call is not None
            with suppress(CallOver):  # what became of it, later sentences say
                await self._within(
                    self.call.ringing, PATIENCE, f"the router did not take the call of {self.name}"
                )
        except SignalUnreachable as fault:
            raise Differs(f"{self.name} could not call: {fault}") from fault

    async def hang_up_all(self) -> None:
        """Calls that it placed one after the other, too."""
        for call in list(self._phone.calls) if self._phone else []:
            await (call.reject() if call.state is State.PENDING else call.hangup())

    async def ignore(self) -> None:
        await self._ringing()
        assert self.call is not None
        await self.call.ignore()

    async def set_status(self, status: str) -> None:
        try:
            await asyncio.to_thread(self._account().set_status, self.name, status)
        except FAULTS as fault:
            raise Differs(f"{self.name} could not set its status: {fault}") from fault

    async def texts(self, to: str, body: str) -> None:
        """To a phone, or in its only session when `to` is empty."""
        sender = self.world.some_number() if to else ""
        account, name = self._account(), uuid.uuid4().hex
        try:
            await asyncio.to_thread(account.send, self.name, body, id=name, to=to, sender=sender)
        except FAULTS as fault:
            raise Differs(f"{self.name} could not send the message: {fault}") from fault

    async def close(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
        if self._phone is not None:
            await self._phone.close()
        await asyncio.to_thread(self._close_inbox)
        if self._presence is not None:
            self._presence.close()

    async def _take_calls(self, phone: Phone) -> None:
        while True:
            self.offered(await phone.incoming())

    def _token(self) -> str:
        world = self.world
        return access_token(
            world.tenant.key,
            world.tenant.key_secret,
            identity=self.name,
            incoming=True,
            application_sid=world.application_sid,
            permissions=PERMISSIONS,
            ttl=TTL,
            now=int(time.time()),
        )

    def _account(self) -> AccountPresence:
        if self._presence is None:
            deployment = self.world.deployment
            self._presence = AccountPresence(deployment.presence_url, self.world.tenant.sid, self._token())
        return self._presence

    # -- its inbox, on a thread

    def _open_inbox(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._inbox is not None:
            return
        presence = self._account()
        self._heartbeat = presence.keep_registered(self.name, ENDPOINT, capabilities=("sms", "mms"))
        self._inbox = inbox = presence.inbox(self.name, ENDPOINT, patience=PATIENCE)

        def read() -> None:
            with suppress(*FAULTS, RuntimeError):  # the presence server, or our loop, has gone
                for message in inbox:
                    loop.call_soon_threadsafe(self._texts.put_nowait, (message["from"], message["body"]))
                    inbox.acknowledge(message)

        self._reader = threading.Thread(target=read, daemon=True, name=f"inbox-{self.name}")
        self._reader.start()

    def _close_inbox(self) -> None:
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            inbox.close()
        if self._reader is not None:
            self._reader.join(PATIENCE)
        if self._heartbeat is not None:
            self._heartbeat.close()
            self._heartbeat = None

    # -- the parts of an end

    async def _next_text(self) -> tuple[str, str]:
        return await self._texts.get()

    def _rings_now(self) -> bool:
        assert self.call is not None
        return self.call.incoming and self.call.state is State.PENDING

    async def _pick_up(self) -> None:
        assert self.call is not None
        try:
            await self.call.answer()
        except CallOver as over:
            raise Differs(f"{self.name} could not answer: {over}") from over
        await self.world.answered(self.call.parameters["CallSid"])

    async def _refuse(self) -> None:
        assert self.call is not None
        await self.call.reject()

    def _ear(self) -> Ear:
        call = self._in_call(over=True)
        assert isinstance(call, PhoneCall)
        return call.media.ear
