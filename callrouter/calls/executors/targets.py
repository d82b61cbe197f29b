"""Legs to SIP addresses and to other applications: their side of the outbox."""

import asyncio
from typing import Any

from callrouter.calls import happenings as h
from callrouter.calls import routing
from callrouter.calls.dispatch import Done, Executor
from callrouter.calls.engine import Engine
from callrouter.calls.executors.legs import assign_carrier
from callrouter.calls.executors.live import NO_CARRIER, live
from callrouter.calls.session import OWN, CallSession, Leg
from callrouter.calls.status import Cause
from callrouter.calls.store import OutboxRow
from callrouter.carriers.webhook import Carriers
from callrouter.voice.client import VoiceClient
from foundation.db import Database

NO_SIP_CARRIER = 13246
DEEPEST = 5
"""Applications that may dial each other in one call: one that dials itself would never end."""


class Targets:
    """Executors. Each may run twice for one entry, as those of `callrouter.calls.executors.legs`."""

    def __init__(self, engine: Engine, database: Database, voice: VoiceClient, carriers: Carriers) -> None:
        self._engine = engine
        self._database = database
        self._voice = voice
        self._carriers = carriers

    def executors(self) -> dict[str, Executor]:
        return {
            "start.sip": live(self._engine, self.start_sip),
            "start.application": live(self._engine, self.start_application),
            "enter": live(self._engine, self.enter),
        }

    async def start_sip(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        """Through a carrier that takes SIP addresses. Any caller may be shown there, a client by its name."""
        carrier = await asyncio.to_thread(self._sip_carrier)
        if carrier is None:
            detail = (
                f"no carrier takes calls to SIP addresses such as {leg.to}: the operator makes one with "
                "`callrouter carrier create --sip`."
            )
            return self._failed(leg, NO_SIP_CARRIER, detail, Cause.CARRIER_UNAVAILABLE)
        offer = await self._voice.request("leg.create", request_id=row["id"], leg=leg.call_sid, kind="rtp")
        await assign_carrier(self._engine, session, leg, carrier)
        payload = row["payload"]
        optional = {name: payload[name] for name in ("headers", "username", "password") if payload[name]}
        await self._carriers.command(
            carrier,
            leg.call_sid,
            row["id"],
            "dial",
            sdp=offer["sdp"],
            timeout=payload["timeout"],
            to=leg.to,
            **{"from": leg.from_.removeprefix("client:"), **optional},
        )
        return Done()

    async def start_application(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        """There is nobody to ring: the leg is there at once. Its document runs when its caller hears it."""
        if _depth(session, leg) > DEEPEST:
            detail = f"{DEEPEST} applications dialled each other: the next one, {leg.application}, is not."
            return self._failed(leg, NO_CARRIER, detail, Cause.FAILED)
        found = await asyncio.to_thread(self._application, session.account_sid, leg.application)
        if found is None:
            detail = f"{leg.application} is no application of this account, or has no voice URL."
            return self._failed(leg, NO_CARRIER, detail, Cause.FAILED)
        await self._voice.request("leg.create", request_id=row["id"], leg=leg.call_sid, kind="loop")
        return Done(h.Took(at=self._engine.now(), leg=leg.name, sdp=""))

    async def enter(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        found = await asyncio.to_thread(self._application, session.account_sid, leg.application)
        if found is None:
            return self._failed(
                leg, NO_CARRIER, f"{leg.application} has gone, or its voice URL.", Cause.FAILED
            )
        entered = h.Entered(
            at=self._engine.now(),
            leg=leg.name,
            url=found.voice_url,
            method=found.voice_method,
            fallback_url=found.voice_fallback_url or None,
            fallback_method=found.voice_fallback_method,
        )
        return Done(entered)

    def _failed(self, leg: Leg, code: int, detail: str, cause: Cause) -> Done:
        return Done(h.Gone(at=self._engine.now(), leg=leg.name, cause=cause, code=code, detail=detail))

    def _sip_carrier(self) -> str | None:
        with self._database.read() as connection:
            return routing.sip_carrier(connection)

    def _application(self, account_sid: str, sid: str) -> Any:
        with self._database.read() as connection:
            found = routing.application_target(connection, account_sid, sid)
        return found if found is not None and found.voice_url else None


def _depth(session: CallSession, leg: Leg) -> int:
    """How many applications dialled each other until this leg, itself included."""
    found = 0
    while leg.name != OWN:
        found += bool(leg.application)
        leg = session.dialler(leg)
    return found
