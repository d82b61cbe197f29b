"""The legs' side of the outbox: answers, dials, cancels and joins, through carriers, clients and the voice node.

Each executor may run twice for one entry (after a crash): the voice node's requests carry the entry's id and are
idempotent by leg, carriers get the id as idempotency key, invites are idempotent by CallSid.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, Update, select, update

from callrouter.calls import happenings as h
from callrouter.calls import routing
from callrouter.calls.dispatch import Done, Executor, Later
from callrouter.calls.engine import Engine
from callrouter.calls.executors import ringing
from callrouter.calls.executors.live import NO_CARRIER, gone, live
from callrouter.calls.parameters import API_VERSION
from callrouter.calls.session import OWN, CallSession, Leg
from callrouter.calls.status import Cause
from callrouter.calls.store import OutboxRow
from callrouter.carriers.webhook import CarrierRefused, Carriers, CarrierUnavailable
from callrouter.models import Call
from callrouter.voice.client import VoiceClient
from callrouter.voice.contract import VoiceError, VoiceUnavailable
from foundation.db import Database
from foundation.keys import Keys
from presence.client import CallUnknown, PresenceClient, PresenceUnavailable

NO_CALLER_ID = 13214


class Legs:
    """Executors of everything that concerns legs."""

    def __init__(
        self,
        engine: Engine,
        database: Database,
        keys: Keys,
        voice: VoiceClient,
        presence: PresenceClient,
        carriers: Carriers,
    ) -> None:
        self._engine = engine
        self._database = database
        self._keys = keys
        self._voice = voice
        self._presence = presence
        self._carriers = carriers

    def executors(self) -> dict[str, Executor]:
        return {
            "ring": live(self._engine, self.ring),
            "ringback": live(self._engine, self.ringback),
            "answer": live(self._engine, self.answer),
            "start.client": live(self._engine, self.start_client),
            "start.carrier": live(self._engine, self.start_carrier),
            "accept": live(self._engine, self.accept),
            "bridge": live(self._engine, self.bridge),
            "unbridge": live(self._engine, self.unbridge),
            "press": live(self._engine, self.press),
            "carrier": self.tell_carrier,
            "client.cancel": self.cancel_client,
            "client.hangup": self.hang_up_client,
            "close": self.close,
        }

    # -- the caller's leg

    async def ring(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        if leg.identity:
            await self._frame(session.account_sid, leg, row["id"], "ringing")
        elif leg.direction == "inbound":
            await self._carriers.command(leg.carrier, leg.carrier_call_id, row["id"], "ring")
        return Done()

    async def ringback(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        """The caller was answered already, so the ringing that it hears is ours."""
        payload = row["payload"]
        tone = ringing.tone(payload.get("country"), payload.get("to", ""))
        if not session.joined_to(leg):
            await self._voice.request("leg.play", request_id=row["id"], leg=leg.call_sid, tone=tone)
        return Done()

    async def answer(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        kind = "webrtc" if leg.identity else "rtp"
        made = await self._voice.request(
            "leg.create", request_id=row["id"], leg=leg.call_sid, kind=kind, sdp=leg.sdp
        )
        if leg.identity:
            await self._frame(session.account_sid, leg, row["id"], "answer", sdp=made["sdp"])
        else:
            await self._carriers.command(
                leg.carrier, leg.carrier_call_id, row["id"], "answer", sdp=made["sdp"]
            )
        return Done(h.Up(at=self._engine.now()))

    # -- dialled legs

    async def start_client(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        """Asks presence who is there, and rings every device that can take the call (PR-50, PR-56)."""
        account_sid = session.account_sid
        for _ in range(2):  # a device that vanished after the look-up: ask once more (PR-58)
            try:
                there = await self._ask(self._presence.presence, account_sid, leg.identity)
            except PresenceUnavailable as error:
                if row["attempts"]:
                    raise  # it was there a moment ago, and may have rung somebody for us
                return Done(gone(leg, error, self._engine.now()))  # PR-59: the document goes on at once
            ready = [one.endpoint_id for one in there.endpoints if "voice" in one.takes and one.incoming]
            if not ready:
                break
            offer = await self._voice.request(
                "leg.create", request_id=row["id"], leg=leg.call_sid, kind="webrtc"
            )
            invite = await self._ask(
                self._presence.invite,
                account_sid,
                call_sid=leg.call_sid,
                client=leg.identity,
                endpoints=ready,
                sdp=offer["sdp"],
                ring_token=self._keys.sign("ring", {"call": leg.call_sid, "account": account_sid}),
                expires_at=row["created_at"] + row["payload"]["timeout"],
                parameters={
                    "CallSid": leg.call_sid,
                    "AccountSid": account_sid,
                    "From": leg.from_,
                    "To": leg.to,
                    "ApiVersion": API_VERSION,
                    "Params": urlencode(row["payload"]["parameters"]),
                },
            )
            if invite.rung:
                return Done(h.Rang(at=self._engine.now(), leg=leg.name, endpoints=tuple(invite.rung)))
            if "busy" in invite.skipped.values():
                return Done(h.Gone(at=self._engine.now(), leg=leg.name, cause=Cause.BUSY))
        return Done(h.Gone(at=self._engine.now(), leg=leg.name, cause=Cause.NOT_REGISTERED))

    async def start_carrier(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        inherited = (session.own.from_, session.own.to)
        carrier, shown = await asyncio.to_thread(self._route, session.account_sid, leg, inherited)
        now = self._engine.now()
        if not shown:
            detail = (
                f"{leg.from_} can't be shown as the caller: set callerId to a number that the account owns."
            )
            gone = h.Gone(at=now, leg=leg.name, cause=Cause.NOT_ALLOWED, code=NO_CALLER_ID, detail=detail)
            return Done(gone)
        if carrier is None:
            detail = f"no carrier takes calls to {leg.to}: the operator makes one with `callrouter carrier create`."
            gone = h.Gone(
                at=now, leg=leg.name, cause=Cause.CARRIER_UNAVAILABLE, code=NO_CARRIER, detail=detail
            )
            return Done(gone)
        offer = await self._voice.request("leg.create", request_id=row["id"], leg=leg.call_sid, kind="rtp")
        await assign_carrier(self._engine, session, leg, carrier)
        await self._carriers.command(
            carrier,
            leg.call_sid,
            row["id"],
            "dial",
            sdp=offer["sdp"],
            timeout=row["payload"]["timeout"],
            to=leg.to,
            **{"from": leg.from_},
        )
        return Done()

    async def accept(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        sdp = row["payload"]["sdp"]
        await self._voice.request("leg.accept", request_id=row["id"], leg=leg.call_sid, sdp=sdp)
        if leg.send_digits:
            await self._voice.request(
                "leg.send_digits", request_id=f"{row['id']}.digits", leg=leg.call_sid, digits=leg.send_digits
            )
        return Done(h.Up(at=self._engine.now()) if leg.name == OWN else None)

    async def bridge(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        await self._voice.request("bridge.make", request_id=row["id"], legs=row["payload"]["legs"])
        return Done()

    async def unbridge(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        await self._voice.request("bridge.break", request_id=row["id"], leg=leg.call_sid)
        return Done()

    async def press(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        digits = row["payload"]["digits"]
        with suppress(VoiceError):  # keys that can't be sent are no reason to end the call
            await self._voice.request(
                "leg.send_digits", request_id=row["id"], leg=leg.call_sid, digits=digits
            )
        return Done()

    # -- ends: for legs whose call may be over already

    async def tell_carrier(self, row: OutboxRow) -> Done:
        payload = row["payload"]
        found = await asyncio.to_thread(self._carried, row["account_sid"], payload["call_sid"])
        if found is None:
            return Done()  # it never reached a carrier
        carrier, call_id = found
        try:
            await self._carriers.command(carrier, call_id, row["id"], payload["type"], cause=payload["cause"])
        except CarrierUnavailable as error:
            return self._again(row, error)
        except CarrierRefused:
            pass  # the call is gone there, which is all that we want
        return Done()

    async def cancel_client(self, row: OutboxRow) -> Done:
        try:
            await self._ask(self._presence.cancel_invite, row["account_sid"], row["payload"]["call_sid"])
        except PresenceUnavailable as error:
            return self._again(row, error)
        return Done()

    async def hang_up_client(self, row: OutboxRow) -> Done:
        payload = row["payload"]
        code, message = CLIENT_CODES.get(payload["cause"], (0, ""))
        error = {"code": code, "message": message} if code else {}
        try:
            await self._ask(
                self._presence.frame,
                row["account_sid"],
                payload["call_sid"],
                {"id": row["id"], "type": "hangup", **error},
            )
        except PresenceUnavailable as error_:
            return self._again(row, error_)
        except CallUnknown:
            pass
        return Done()

    async def close(self, row: OutboxRow) -> Done:
        try:
            await self._voice.request("leg.close", request_id=row["id"], leg=row["payload"]["call_sid"])
        except VoiceError:
            pass
        except VoiceUnavailable as error:
            return self._again(row, error)  # a node that comes back without the leg has closed it for us
        return Done()

    def _again(self, row: OutboxRow, error: Exception) -> Done:
        """An end that could not be told is told again, for a minute: by then every peer has given up by itself."""
        if row["attempts"] < 30:
            raise Later(2.0, aside=True) from error
        return Done()

    # -- peers

    async def _frame(self, account_sid: str, leg: Leg, id: str, type: str, **fields: Any) -> None:
        frame = {"id": id, "type": type, **fields}
        await self._ask(self._presence.frame, account_sid, leg.call_sid, frame)

    @staticmethod
    async def _ask(question: Callable[..., Any], *args: Any, **fields: Any) -> Any:
        return await asyncio.to_thread(question, *args, **fields)

    def _route(self, account_sid: str, leg: Leg, inherited: tuple[str, ...]) -> tuple[str | None, bool]:
        with self._database.read() as connection:
            shown = routing.may_show(connection, account_sid, leg.from_, inherited)
            return routing.carrier_for(connection, account_sid, leg.from_), shown

    def _carried(self, account_sid: str, call_sid: str) -> tuple[str, str] | None:
        with self._database.read() as connection:
            row = connection.execute(
                select(Call.carrier, Call.carrier_call_id).where(
                    Call.account_sid == account_sid, Call.sid == call_sid
                )
            ).first()
        return None if row is None or row.carrier is None else (row.carrier, row.carrier_call_id)


CLIENT_CODES = {
    Cause.APPLICATION_ERROR: (31005, "The application answered with an error"),
    Cause.BUSY: (31486, "Busy Here"),
    Cause.MEDIA_LOST: (53405, "The media connection was lost"),
    Cause.NO_ANSWER: (31480, "Temporarily Unavailable"),
    Cause.NOT_REGISTERED: (31480, "Temporarily Unavailable"),
    Cause.FAILED: (31005, "The call failed"),
}
"""What a client's SDK is told when its call ends for one of these; else it just ends."""


async def assign_carrier(engine: Engine, session: CallSession, leg: Leg, carrier: str) -> None:
    """It is on the call's row before it hears of the call, so its events and our cancel find it."""
    mine = (Call.account_sid == session.account_sid, Call.sid == leg.call_sid)
    assign = update(Call).where(*mine).values(carrier=carrier, carrier_call_id=leg.call_sid)
    await engine.persist(lambda connection: _run(connection, assign), session.call_sid)


def _run(connection: Connection, statement: Update) -> None:
    connection.execute(statement)
