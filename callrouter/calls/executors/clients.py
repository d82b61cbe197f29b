"""Client apps' side of the outbox: whom the presence server rings for us, and how it tells them that it is over."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import urlencode

from callrouter.calls import decisions
from callrouter.calls import happenings as h
from callrouter.calls.choosing import Choice, Mode, Outcome, choose
from callrouter.calls.decisions import Decision
from callrouter.calls.dispatch import Done, Executor
from callrouter.calls.engine import Engine
from callrouter.calls.executors.live import end_leg, live, once_more
from callrouter.calls.parameters import API_VERSION
from callrouter.calls.session import CallSession, Leg
from callrouter.calls.status import Cause, Status
from callrouter.calls.store import OutboxRow
from callrouter.voice.client import VoiceClient
from foundation.keys import Keys
from presence.client import (
    CallUnknown,
    Presence,
    PresenceClient,
    PresenceRefused,
    PresenceUnavailable,
    Reach,
    Rung,
)

EVERY = 15
"""Seconds for which each group of devices rings, for calls that REST placed."""
LOOK_UPS = 2
"""When all that was chosen had gone by the time it was rung, we ask once more (PR-58)."""
CAUSES = {
    Outcome.BUSY: Cause.BUSY,
    Outcome.NOT_AVAILABLE: Cause.NOT_AVAILABLE,
    Outcome.NOT_REGISTERED: Cause.NOT_REGISTERED,
}
UNANSWERED: dict[type[Exception], Outcome] = {
    PresenceUnavailable: Outcome.PRESENCE_UNAVAILABLE,
    PresenceRefused: Outcome.PRESENCE_REFUSED,
}
CLIENT_CODES = {
    Cause.APPLICATION_ERROR: (31005, "The application answered with an error"),
    Cause.BUSY: (31486, "Busy Here"),
    Cause.MEDIA_LOST: (53405, "The media connection was lost"),
    Cause.NO_ANSWER: (31480, "Temporarily Unavailable"),
    Cause.NOT_REGISTERED: (31480, "Temporarily Unavailable"),
    Cause.NOT_AVAILABLE: (31480, "Temporarily Unavailable"),
    Cause.FAILED: (31005, "The call failed"),
}
"""What a client's SDK is told when its call ends for one of these; else it just ends."""


class Clients:
    """Executors. Each may run twice for one entry, as those of `callrouter.calls.executors.legs`."""

    def __init__(self, engine: Engine, keys: Keys, voice: VoiceClient, presence: PresenceClient) -> None:
        self._engine = engine
        self._keys = keys
        self._voice = voice
        self._presence = presence

    def executors(self) -> dict[str, Executor]:
        return {
            "start.client": live(self._engine, self.start, failed=self._given_up),
            "client.cancel": self.cancel,
            "client.hangup": self.hang_up,
        }

    async def start(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        """Asks presence who is there, and rings whom `choose` says (PR-50, PR-56); keeps what it was told (PR-79)."""
        if leg.status is not Status.QUEUED:
            return Done()  # an earlier try did ring: its devices may be busy with this very call
        dialled, mode = _dialled(leg), _mode(row)
        aimed_at = None if leg.identity == dialled and not leg.client_account else leg
        made: list[Decision] = []
        while True:
            try:
                reach = await asyncio.to_thread(self._presence.reach, session.account_sid, dialled)
            except PresenceUnavailable as error:
                if row["attempts"]:
                    raise  # it was there a moment ago, and may have rung somebody for us
                return self._given_up(row, leg, error, self._engine.now(), made)  # at once (PR-59)
            if aimed_at:  # by an earlier life of ours, whose invite may have arrived
                reach = _only(reach, aimed_at, session.account_sid)
            decide = partial(Decision, at=self._engine.now(), name=dialled, mode=mode, reach=reach)
            choice = choose(reach, mode)
            if choice.target is None or choice.outcome is not Outcome.RING:
                return self._over(row, leg, CAUSES[choice.outcome], [*made, decide(choice=choice)])
            aimed = await self._aim(session, leg, choice.target)
            if aimed is None:
                return Done()
            try:
                answer = await self._invite(row, aimed, choice.target, choice)
            except PresenceUnavailable:  # somebody may ring for this decision, and answer before we try again
                await self._engine.persist(_kept(row, [*made, decide(choice=choice)]), row["call_sid"])
                raise
            made.append(decide(choice=choice, answer=answer))
            if answer.rung:
                rang = h.Rang(at=self._engine.now(), leg=leg.name, endpoints=answer.rung)
                return Done(rang, also=_kept(row, made))
            if "busy" in answer.skipped.values():
                return self._over(row, leg, Cause.BUSY, made)
            if len(made) == LOOK_UPS:
                gone = set(answer.skipped.values()) <= {"gone"}
                return self._over(row, leg, Cause.NOT_REGISTERED if gone else Cause.NOT_AVAILABLE, made)
            leg = aimed

    async def _aim(self, session: CallSession, leg: Leg, target: Presence) -> Leg | None:
        """The leg, which knows whom it rings before anybody can answer; None when it is over."""
        account = "" if target.account_sid == session.account_sid else target.account_sid
        if (leg.identity, leg.client_account) == (target.client, account):
            return leg
        chosen = h.Chosen(at=self._engine.now(), leg=leg.name, identity=target.client, account=account)
        after = await self._engine.happen(leg.call_sid, chosen, durable=True)
        return after.legs[leg.name] if after and after.legs[leg.name].live else None

    async def _invite(self, row: OutboxRow, leg: Leg, target: Presence, choice: Choice) -> Rung:
        offer = await self._voice.request("leg.create", request_id=row["id"], leg=leg.call_sid, kind="webrtc")
        payload, waves = row["payload"], choice.waves
        return await asyncio.to_thread(
            self._presence.invite,
            target.account_sid,
            call_sid=leg.call_sid,
            client=target.client,
            endpoints=[one for wave in waves for one in wave],
            waves=waves if len(waves) > 1 else (),
            every=payload.get("every", EVERY),
            sdp=offer["sdp"],
            ring_token=self._keys.sign("ring", {"call": leg.call_sid, "account": target.account_sid}),
            expires_at=row["created_at"] + payload["timeout"],
            parameters={
                "CallSid": leg.call_sid,
                "AccountSid": target.account_sid,
                "From": leg.from_,
                "To": leg.to,
                "ApiVersion": API_VERSION,
                "Params": urlencode(payload["parameters"]),
            },
        )

    def _over(self, row: OutboxRow, leg: Leg, cause: Cause, made: list[Decision]) -> Done:
        return Done(h.Gone(at=self._engine.now(), leg=leg.name, cause=cause), also=_kept(row, made))

    def _given_up(
        self, row: OutboxRow, leg: Leg, error: Exception, at: float, made: Sequence[Decision] = ()
    ) -> Done:
        done = end_leg(row, leg, error, at)
        if outcome := UNANSWERED.get(type(error)):
            last = decisions.unanswered(_dialled(leg), _mode(row), at, outcome)
            done.also = _kept(row, [*made, last])
        return done

    async def cancel(self, row: OutboxRow) -> Done:
        """For a leg whose call may be over already."""
        try:
            await asyncio.to_thread(self._presence.cancel_invite, _account(row), row["payload"]["call_sid"])
        except PresenceUnavailable as error:
            return once_more(row, error)
        return Done()

    async def hang_up(self, row: OutboxRow) -> Done:
        """For a leg whose call may be over already."""
        payload = row["payload"]
        code, message = CLIENT_CODES.get(payload["cause"], (0, ""))
        error = {"code": code, "message": message} if code else {}
        frame = {"id": row["id"], "type": "hangup", **error}
        try:
            await asyncio.to_thread(self._presence.frame, _account(row), payload["call_sid"], frame)
        except PresenceUnavailable as error_:
            return once_more(row, error_)
        except CallUnknown:
            pass
        return Done()


def _dialled(leg: Leg) -> str:
    """The client or destination that was asked for, whoever is rung for it."""
    return leg.to.removeprefix("client:")


def _mode(row: OutboxRow) -> Mode:
    return Mode(row["payload"].get("mode", Mode.ALL))


def _account(row: OutboxRow) -> str:
    """Of the client, where that is another's than the call's."""
    return str(row["payload"].get("client_account") or row["account_sid"])


def _only(reach: Reach, leg: Leg, account_sid: str) -> Reach:
    """Without the targets that are not the leg's client."""
    whom = (leg.client_account or account_sid, leg.identity)
    return replace(
        reach, targets=tuple(one for one in reach.targets if (one.account_sid, one.client) == whom)
    )


def _kept(row: OutboxRow, made: list[Decision]) -> decisions.Unit:
    account_sid, call_sid = row["account_sid"], row["payload"]["call_sid"]
    return lambda connection: decisions.keep(connection, account_sid, call_sid, made)
