"""Executors for legs that still live: a peer's fault becomes the end of the leg, with whose fault it is."""

from collections.abc import Awaitable, Callable

from callrouter.calls import happenings as h
from callrouter.calls.dispatch import Done, Executor, Later
from callrouter.calls.engine import Engine
from callrouter.calls.session import CallSession, Leg
from callrouter.calls.status import Cause
from callrouter.calls.store import OutboxRow
from callrouter.carriers.webhook import CarrierRefused, CarrierUnavailable
from callrouter.voice.contract import VoiceError, VoiceUnavailable
from presence.client import CallUnknown, PresenceRefused, PresenceUnavailable

PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds before a command that a peer did not take is tried again; not many, because a caller is waiting."""
PLATFORM_FAULT = 12400
MEDIA_FAULT = 53405
PRESENCE_FAULT = 20503
NO_CARRIER = 13224

Work = Callable[[OutboxRow, CallSession, Leg], Awaitable[Done]]
Failed = Callable[[OutboxRow, Leg, Exception, float], Done]
"""What becomes of an entry that the leg's peer refused, or did not take in time."""


def end_leg(row: OutboxRow, leg: Leg, error: Exception, at: float) -> Done:
    return Done(gone(leg, error, at))


def live(
    engine: Engine,
    work: Work,
    *,
    failed: Failed = end_leg,
    too_late: Callable[[OutboxRow], Done] = lambda row: Done(),
) -> Executor:
    """The executor that does this work for a leg while it lives, with a few tries."""

    async def execute(row: OutboxRow) -> Done:
        session = engine.session(row["call_sid"])
        leg = session.legs.get(row["payload"]["leg"]) if session else None
        if session is None or leg is None or not leg.live:
            return too_late(row)
        try:
            return await work(row, session, leg)
        except (VoiceUnavailable, CarrierUnavailable, PresenceUnavailable) as error:
            if row["attempts"] < len(PAUSES):
                raise Later(PAUSES[row["attempts"]]) from error
            return failed(row, leg, error, engine.now())
        except (VoiceError, CarrierRefused, PresenceRefused) as error:
            return failed(row, leg, error, engine.now())
        except CallUnknown:
            # Its device hung up, or was lost before the presence server knew whose call it is.
            return Done(h.Gone(at=engine.now(), leg=leg.name, cause=Cause.CANCELED))

    return execute


def once_more(row: OutboxRow, error: Exception) -> Done:
    """An end that could not be told is told again, for a minute: by then every peer has given up by itself."""
    if row["attempts"] < 30:
        raise Later(2.0, aside=True) from error
    return Done()


def gone(leg: Leg, error: Exception, at: float) -> h.Gone:
    """The end of a leg whose peer failed or refused."""
    causes: dict[type[Exception], tuple[Cause, int]] = {
        VoiceUnavailable: (Cause.MEDIA_LOST, PLATFORM_FAULT),
        VoiceError: (Cause.FAILED, MEDIA_FAULT),
        CarrierUnavailable: (Cause.CARRIER_UNAVAILABLE, PLATFORM_FAULT),
        CarrierRefused: (Cause.FAILED, NO_CARRIER),
        PresenceUnavailable: (Cause.PRESENCE_UNAVAILABLE, PRESENCE_FAULT),
        PresenceRefused: (Cause.FAILED, NO_CARRIER),
    }
    cause, code = causes[type(error)]
    far = isinstance(error, CarrierRefused | CarrierUnavailable)
    return h.Gone(at=at, leg=leg.name, cause=cause, code=code, detail=str(error), far=far)
