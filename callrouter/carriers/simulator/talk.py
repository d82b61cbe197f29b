"""One conversation of a caller on the command line: from the ringing to the end, and what came of it."""

import asyncio

from callrouter.carriers.simulator.call import CallEnded, Cause, SimulatedCall
from callrouter.carriers.simulator.options import BUSY, UNANSWERED


async def talk(call: SimulatedCall, digits: str, give_up_after: float, hangup_after: float) -> int:
    """The exit code, 0 once it was answered, when the call is over or shall be hung up; times in seconds."""
    try:
        async with asyncio.timeout(give_up_after):
            await call.answered
    except CallEnded as ended:
        return BUSY if ended.ending.cause in (Cause.BUSY, Cause.REJECTED) else UNANSWERED
    except TimeoutError:
        await call.hangup(Cause.CANCELED)
        return UNANSWERED
    if digits:
        await call.press(digits)
    await call.over_within(hangup_after)
    return 0
