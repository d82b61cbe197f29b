"""What a scenario expects at its end, judged by what the router has stored. Each waits until it is so, or can't be."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from callrouter import models
from callrouter.scenario.ends import PATIENCE
from callrouter.scenario.faults import Differs
from callrouter.scenario.world import LIVE, World

FINAL_MESSAGES = ("delivered", "undelivered", "failed", "received", "read", "canceled")
UNDER_WAY = ("accepted", "queued", "sending", "sent", "receiving")
SETTLING = 1.0
"""Seconds after the end of everything for which something may still be told."""


async def call_status(world: World, wanted: str) -> None:
    def seen() -> str | None:
        return next((row.status for row in reversed(world.calls())), None)

    await _becomes(world, seen, wanted, "the call", "there was no call", wanted not in LIVE)


async def dial_status(world: World, wanted: str) -> None:
    """As the app was told it, else by the legs that were dialled."""

    def seen() -> str | None:
        latest = next((row.sid for row in reversed(world.calls())), "")
        asked = [row for row in _requests(world) if row.call_sid == latest]
        told = [row for row in asked if "DialCallStatus" in row.parameters]
        since = told[-1].at if told else 0.0
        legs = world.rows(models.Call, models.Call.parent_call_sid == latest, order="date_created")
        later = [leg.status for leg in legs if leg.date_created > since]
        if later:
            return next((one for one in later if one in ("in-progress", "completed")), str(later[-1]))
        return str(told[-1].parameters["DialCallStatus"]) if told else None

    await _becomes(world, seen, wanted, "the dialled leg", "nothing was dialled", wanted not in LIVE)


async def message_status(world: World, wanted: str) -> None:
    def seen() -> str | None:
        return next((row.status for row in reversed(world.messages())), None)

    await _becomes(world, seen, wanted, "the message", "there was no message", wanted in FINAL_MESSAGES)


async def alert(world: World, code: str) -> None:
    def codes() -> list[str]:
        return [row.error_code for row in world.rows(models.Notification, order="message_date")]

    try:
        await _eventually(world, lambda: code in codes())
    except TimeoutError:
        raise Differs(f"there is no alert {code}, but {_listed(codes())}") from None


async def no_alerts(world: World) -> None:
    await _over(world)
    found = world.rows(models.Notification, order="message_date")
    if found:
        raise Differs(
            "there are alerts: " + "; ".join(f"{row.error_code} {row.message_text}" for row in found)
        )


async def callback(world: World, path: str, status: str) -> None:
    def told() -> list[str]:
        fields = ("MessageStatus", "CallStatus")
        asked = [row.parameters for row in _requests(world) if _at(world, row.url, path)]
        return [
            next(str(form[name]) for name in fields if name in form)
            for form in asked
            if set(fields) & set(form)
        ]

    try:
        await _eventually(world, lambda: status in told())
    except TimeoutError:
        raise Differs(f"{path} was not told {status}, but {_listed(told())}") from None


async def request(world: World, path: str, parameters: Mapping[str, str]) -> None:
    def forms() -> list[Mapping[str, Any]]:
        return [row.parameters for row in _requests(world) if _at(world, row.url, path)]

    def fits() -> bool:
        return any(all(str(form.get(name)) == v for name, v in parameters.items()) for form in forms())

    try:
        await _eventually(world, fits)
    except TimeoutError:
        got = [" and ".join(f"{name}={form.get(name, '(none)')}" for name in parameters) for form in forms()]
        paths = dict.fromkeys(urlsplit(row.url).path for row in _requests(world))
        said = f"but with {_listed(got)}" if got else f"but only at {_listed(list(paths))}"
        raise Differs(f"the app was not asked so at {path}, {said}") from None


async def no_request(world: World, path: str) -> None:
    await _over(world)
    if any(_at(world, row.url, path) for row in _requests(world)):
        raise Differs(f"the app was asked at {path}")


async def row(world: World, words: str) -> None:
    def summaries() -> list[str]:
        return [entry.summary for entry in world.rows(models.TimelineEntry, order="at")]

    try:
        await _eventually(world, lambda: any(words in summary for summary in summaries()))
    except TimeoutError:
        raise Differs(f'no row of the ladder has "{words}"') from None


async def _becomes(
    world: World, seen: Callable[[], str | None], wanted: str, what: str, none: str, final: bool
) -> None:
    """Waits for a status; not any longer once it is another one for good."""

    def settled() -> bool:
        now = seen()
        return now == wanted or (final and now is not None and now not in (*LIVE, *UNDER_WAY))

    with suppress(TimeoutError):
        await _eventually(world, settled)
    now = seen()
    if now != wanted:
        raise Differs(none if now is None else f"{what} is {now}, not {wanted}")


async def _eventually(world: World, true: Callable[[], bool]) -> None:
    """TimeoutError when it is not so after PATIENCE, or a moment after nothing goes on any more."""
    quiet_since: float | None = None

    def decided() -> bool:
        nonlocal quiet_since
        if true():
            return True
        now = time.monotonic()
        if not _quiet(world):
            quiet_since = None
        elif quiet_since is None:
            quiet_since = now
        elif now - quiet_since > SETTLING:
            raise TimeoutError
        return False

    await world.until(decided, PATIENCE)


def _quiet(world: World) -> bool:
    """No call goes on, nothing waits to be sent, and no message is on its way."""
    if world.rows(models.Session) or world.rows(models.Outbox, models.Outbox.attempts == 0):
        return False
    return not any(row.status in UNDER_WAY for row in world.messages())


async def _over(world: World) -> None:
    """What must not be there is looked for when no call goes on any more."""
    try:
        await world.until(lambda: not world.rows(models.Session), PATIENCE)
        await world.until(lambda: not world.rows(models.Outbox, models.Outbox.attempts == 0), PATIENCE)
    except TimeoutError:
        raise Differs("a call still goes on") from None


def _requests(world: World) -> list[Any]:
    return world.rows(models.Delivery, order="at")


def _at(world: World, url: str, path: str) -> bool:
    """Whether a request went there, whatever its query."""
    return url.partition("?")[0].partition("#")[0] == world.url(path)


def _listed(what: list[str]) -> str:
    return ", ".join(what) or "nothing"
