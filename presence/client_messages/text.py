"""A message for a client, as a value; who takes it, and what each device gets of it. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from presence.registration import Endpoint, seen

SMS, MMS = "sms", "mms"
HELD = 1_000
"""Messages that one client may have waiting."""


class State(StrEnum):
    HELD = "held"
    DELIVERED = "delivered"
    """a device has acknowledged it"""
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True)
class Media:
    url: str
    content_type: str


@dataclass(frozen=True, kw_only=True)
class Text:
    """`sender` and `recipient` as the app named them. `media_required`: it goes to no device without mms (PR-74)."""

    account_sid: str
    sid: str
    client: str
    sender: str
    recipient: str
    body: str
    media: tuple[Media, ...] = ()
    media_required: bool = False
    session_sid: str = ""
    valid_until: float
    arrived_at: float


@dataclass(frozen=True, kw_only=True)
class Audience:
    """The devices that a message is for now, and why not the others (PR-79)."""

    takers: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def lacks_media(self) -> bool:
        """Whether somebody is there, but nobody for its media."""
        return not self.takers and any(reason == "no-media" for _, reason in self.skipped)


def audience(text: Text, endpoints: Iterable[Endpoint], now: float) -> Audience:
    """Every live device that takes messages; one that is on a call does too (PR-24, PR-72)."""
    takers, skipped = [], []
    for one in endpoints:
        if reason := reason_against(text, one, now):
            skipped.append((one.endpoint_id, reason))
        else:
            takers.append(one.endpoint_id)
    return Audience(takers=tuple(takers), skipped=tuple(skipped))


def reason_against(text: Text, one: Endpoint, now: float) -> str:
    """Why the device does not get it; empty when it does."""
    if not one.live(now):
        return "expired"
    if not one.incoming:
        return "not-incoming"
    if not {SMS, MMS} & set(one.capabilities):
        return "no-messages"
    wanted = MMS if text.media and (text.media_required or SMS not in one.capabilities) else SMS
    if wanted not in one.capabilities:
        return "no-media" if wanted == MMS else "no-messages"
    return "" if seen(one).takes(wanted, now) else "unavailable"


def shown(text: Text, capabilities: Sequence[str]) -> dict[str, Any]:
    """What a device with these capabilities gets: one without mms gets links in the body for the media (PR-74)."""
    media, body = text.media, text.body
    if media and MMS not in capabilities:
        body = "\n".join(filter(None, (body, *(one.url for one in media))))
        media = ()
    return {
        "sid": text.sid,
        "from": text.sender,
        "to": text.recipient,
        "body": body,
        "media": [{"url": one.url, "content_type": one.content_type} for one in media],
        "session": text.session_sid or None,
        "at": text.arrived_at,
    }
