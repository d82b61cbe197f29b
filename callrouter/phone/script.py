"""What a phone without a person does with its calls, and what it reports about them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from callrouter.audio.narrator import Narrator
from callrouter.phone.call import CallOver, PhoneCall, UnusableSdp
from callrouter.phone.phone import Phone
from callrouter.voice.media.packet import SAMPLE_RATE

COMPLETED, REFUSED, UNREACHABLE, BUSY, UNANSWERED, DEAF, INTERRUPTED = 0, 3, 4, 5, 6, 7, 130
"""Exit codes; 2 is click's own for wrong options."""
BUSY_CODES = (31486, 31600, 31603)


class Reply(StrEnum):
    """To an incoming call."""

    ANSWER = "answer"
    REJECT = "reject"
    IGNORE = "ignore"


@dataclass(frozen=True, kw_only=True)
class PhoneScript:
    """Times are seconds."""

    reply: Reply = Reply.ANSWER
    answer_after: float = 1.0
    give_up_after: float = 60.0
    """For calls that the phone places."""
    hangup_after: float = 3600.0
    digits: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """One call in one value; `heard_hz` is of its last second, `heard_seconds` is all audio that came."""

    call_sid: str
    direction: str
    from_: str
    to: str
    answered: bool
    ended_by: str
    how: str
    code: int | None
    message: str
    heard_hz: float | None
    heard_seconds: float


async def place(phone: Phone, params: Mapping[str, str], script: PhoneScript, narrator: Narrator) -> int:
    """Places one call and sees it through; the exit code."""
    call = await phone.call(params)
    narrator.say(f"calls {params.get('To', 'the TwiML app')}", call.sid)
    return await _see_through(call, script, narrator, script.give_up_after)


async def take(phone: Phone, script: PhoneScript, narrator: Narrator) -> int:
    """Waits for the next call and does with it what the script says; the exit code."""
    call = await phone.incoming()
    narrator.say(f"rings: {call.parameters.get('From', 'unknown')}", call.sid)
    await asyncio.wait([call.ended], timeout=script.answer_after)
    if call.over:
        pass
    elif script.reply is Reply.IGNORE:
        await call.ignore()
    elif script.reply is Reply.REJECT:
        await call.reject()
    else:
        try:
            await call.answer()
        except UnusableSdp as fault:
            narrator.say(f"the offer is not usable: {fault}", call.sid)
    return await _see_through(call, script, narrator, 0)


async def _see_through(call: PhoneCall, script: PhoneScript, narrator: Narrator, patience: float) -> int:
    answered = False
    try:
        async with asyncio.timeout(patience or None):
            await call.answered
        answered = True
        narrator.say("answered", call.sid)
        if script.digits:
            await call.press(script.digits)
        await asyncio.wait([call.ended], timeout=script.hangup_after)
    except CallOver:
        pass
    except TimeoutError:
        narrator.say(f"nobody answered within {patience:g} seconds", call.sid)
    finally:
        await call.hangup()
    ended = await call.ended
    narrator.report(_report(call, answered))
    if answered:
        return COMPLETED if call.media.ear.samples else DEAF
    return BUSY if ended.how == "reject" or ended.code in BUSY_CODES else UNANSWERED


def _report(call: PhoneCall, answered: bool) -> Report:
    ended = call.ended.result()
    return Report(
        call_sid=call.sid,
        direction="incoming" if call.incoming else "outgoing",
        from_=call.parameters.get("From", ""),
        to=call.parameters.get("To", ""),
        answered=answered,
        ended_by=ended.by,
        how=ended.how,
        code=ended.code,
        message=ended.message,
        heard_hz=call.media.ear.latest(1.0),
        heard_seconds=round(call.media.ear.samples / SAMPLE_RATE, 2),
    )
