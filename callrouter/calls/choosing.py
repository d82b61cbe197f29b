"""Whom a `<Client>` rings: one target of the answer of the presence server, and its devices in their order. Pure.

A target is a client; a destination has several, in the order in which they are to be tried (PR-28, PR-50, PR-51,
PR-61). The same answer always gives the same choice, so that a choice can be made again from what was kept (PR-80).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from presence.client import Endpoint, Presence, Reach

VOICE = "voice"
BUSY = "busy"
NO_CAPABILITY, NOT_PERMITTED, OTHER_TARGET = "no-capability", "not-permitted", "other-target"


class Mode(StrEnum):
    """Which devices ring together: all; those of one priority, highest first; one by one, latest active first."""

    ALL = "all"
    PRIORITY = "priority"
    RECENT = "recent"


class Outcome(StrEnum):
    """`busy`: somebody would be rung, but is on a call. `not-available`: there are devices, and none takes calls now.
    `presence-unavailable`: nobody could say, so nobody was chosen (PR-59). `presence-refused`: there can't be such a
    name."""

    RING = "ring"
    BUSY = "busy"
    NOT_AVAILABLE = "not-available"
    NOT_REGISTERED = "not-registered"
    PRESENCE_UNAVAILABLE = "presence-unavailable"
    PRESENCE_REFUSED = "presence-refused"


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A device that is not rung, and why: `busy`, `no-capability` (it takes no voice), `not-permitted` (its token
    allows no incoming calls), `other-target` (another client of the destination is rung), or its status."""

    account_sid: str
    client: str
    endpoint_id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """`target` is whom it is about, None when nobody is there for it. Each device is in one wave or skipped."""

    outcome: Outcome
    target: Presence | None = None
    waves: tuple[tuple[str, ...], ...] = ()
    skipped: tuple[Skipped, ...] = ()


def choose(reach: Reach, mode: Mode) -> Choice:
    """The first target that has a device to ring; else the first that is on a call; else nobody."""
    ready = next((one for one in reach.targets if any(map(_rings, one.endpoints))), None)
    if ready is not None:
        outcome, target, waves = Outcome.RING, ready, _waves(ready, mode)
        return Choice(
            outcome=outcome, target=target, waves=waves, skipped=tuple(_skipped(reach, chosen=ready))
        )
    skipped = tuple(_skipped(reach))
    busy = next((one for one in reach.targets if any(_why(device) == BUSY for device in one.endpoints)), None)
    if busy is not None:
        return Choice(outcome=Outcome.BUSY, target=busy, skipped=skipped)
    return Choice(outcome=Outcome.NOT_AVAILABLE if skipped else Outcome.NOT_REGISTERED, skipped=skipped)


def _rings(device: Endpoint) -> bool:
    return VOICE in device.takes and device.incoming


def _why(device: Endpoint) -> str:
    """Why a device does not ring."""
    if VOICE not in device.capabilities:
        return NO_CAPABILITY
    return device.status if device.incoming else NOT_PERMITTED


def _skipped(reach: Reach, chosen: Presence | None = None) -> Iterator[Skipped]:
    for target in reach.targets:
        for device in target.endpoints:
            if target is not chosen or not _rings(device):
                yield Skipped(
                    account_sid=target.account_sid,
                    client=target.client,
                    endpoint_id=device.endpoint_id,
                    reason=OTHER_TARGET if _rings(device) else _why(device),
                )


def _waves(target: Presence, mode: Mode) -> tuple[tuple[str, ...], ...]:
    """Ties keep the order of the presence server's answer."""
    devices = [device for device in target.endpoints if _rings(device)]
    match mode:
        case Mode.ALL:
            waves = [devices]
        case Mode.PRIORITY:
            devices.sort(key=lambda device: -device.priority)
            waves = [list(group) for _, group in groupby(devices, lambda device: device.priority)]
        case Mode.RECENT:
            devices.sort(key=lambda device: device.last_seen, reverse=True)
            waves = [[device] for device in devices]
    return tuple(tuple(device.endpoint_id for device in wave) for wave in waves)
