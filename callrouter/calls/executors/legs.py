"""The legs' side of the outbox: answers, dials, cancels and joins, through carriers and the voice node.

Each executor may run twice for one entry (after a crash): the voice node's requests carry the entry's id and are
idempotent by leg, carriers get the id as idempotency key, invites are idempotent by CallSid.
"""

import asyncio
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Update, select, update

from callrouter.calls import happenings as h
from callrouter.calls import routing
from callrouter.calls.dispatch import Done, Executor
from callrouter.calls.engine import Engine
from callrouter.calls.executors import ringing
from callrouter.calls.executors.live import NO_CARRIER, live, once_more
from callrouter.calls.session import OWN, CallSession, Leg
from callrouter.calls.status import Cause
from callrouter.calls.store import OutboxRow
from callrouter.carriers.webhook import CarrierRefused, Carriers, CarrierUnavailable
from callrouter.models import Call
from callrouter.voice.client import VoiceClient
from callrouter.voice.contract import VoiceError, VoiceUnavailable
from foundation.db import Database
from presence.client import PresenceClient

NO_CALLER_ID = 13214


class Legs:
    """Executors of everything that concerns legs."""

    def __init__(
        self,
        engine: Engine,
        database: Database,
        voice: VoiceClient,
        presence: PresenceClient,
        carriers: Carriers,
    ) -> None:
        self._engine = engine
        self._database = database
        self._voice = voice
        self._presence = presence
        self._carriers = carriers

    def executors(self) -> dict[str, Executor]:
        return {
            "ring": live(self._engine, self.ring),
            "ringback": live(self._engine, self.ringback),
            "answer": live(self._engine, self.answer),
            "start.carrier": live(self._engine, self.start_carrier),
            "accept": live(self._engine, self.accept),
            "bridge": live(self._engine, self.bridge),
            "unbridge": live(self._engine, self.unbridge),
            "press": live(self._engine, self.press),
            "carrier": self.tell_carrier,
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
            return once_more(row, error)
        except CarrierRefused:
            pass  # the call is gone there, which is all that we want
        return Done()

    async def close(self, row: OutboxRow) -> Done:
        try:
            await self._voice.request("leg.close", request_id=row["id"], leg=row["payload"]["call_sid"])
        except VoiceError:
            pass
        except VoiceUnavailable as error:
            return once_more(row, error)  # a node that comes back without the leg has closed it for us
        return Done()

    # -- peers

    async def _frame(self, account_sid: str, leg: Leg, id: str, type: str, **fields: Any) -> None:
        frame = {"id": id, "type": type, **fields}
        await asyncio.to_thread(self._presence.frame, account_sid, leg.call_sid, frame)

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


async def assign_carrier(engine: Engine, session: CallSession, leg: Leg, carrier: str) -> None:
    """It is on the call's row before it hears of the call, so its events and our cancel find it."""
    mine = (Call.account_sid == session.account_sid, Call.sid == leg.call_sid)
    assign = update(Call).where(*mine).values(carrier=carrier, carrier_call_id=leg.call_sid)
    await engine.persist(lambda connection: _run(connection, assign), session.call_sid)


def _run(connection: Connection, statement: Update) -> None:
    connection.execute(statement)
