"""What a simulated carrier does with the messages that the router hands over, and the messages themselves."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


class Line(StrEnum):
    """How the carrier answers a hand-off."""

    UP = "up"
    DOWN = "down"
    """503, and nothing is taken."""
    MUTE = "mute"
    """The message is taken, and the answer never comes."""


class Receipts(StrEnum):
    """What it says about the messages that it took."""

    TRUE = "true"
    NONE = "none"
    LYING = "lying"
    """The opposite of what happened."""
    CONTRADICTING = "contradicting"
    """What happened, then the opposite."""


@dataclass(frozen=True, kw_only=True)
class TextScript:
    """Shares are 0 to 1, times are seconds. The simulator draws each message's lot from its seed, in their order.

    `rate`: messages taken in a second; more are answered 429. `refused`: share refused with `refusal`, a 30xxx code,
    for every carrier if `final`. `delivered`: share that reaches its phone; the others fail with `error_code`.
    `unreported`: share whose receipts never come. `early`: receipts come before the answer to the hand-off.
    """

    line: Line = Line.UP
    answer_after: float = 0.0
    rate: float | None = None
    refused: float = 0.0
    refusal: int = 30003
    final: bool = False
    delivered: float = 1.0
    error_code: int = 30008
    receipts: Receipts = Receipts.TRUE
    receipt_after: float = 0.05
    unreported: float = 0.0
    early: bool = False

    def draw(self, lots: random.Random) -> Lot:
        """What becomes of the next message. Always three draws, so that one share changes no other message's lot."""
        refused, delivered, reported = (lots.random() for _ in range(3))
        return Lot(
            refused=refused < self.refused,
            delivered=delivered < self.delivered,
            reported=reported >= self.unreported,
        )

    def receipts_of(self, lot: Lot) -> list[Mapping[str, Any]]:
        """The receipts of a message that was taken, without their ids."""
        truth = self._receipt(lot.delivered)
        opposite = self._receipt(not lot.delivered)
        if not lot.reported:
            return []
        return {
            Receipts.TRUE: [truth],
            Receipts.NONE: [],
            Receipts.LYING: [opposite],
            Receipts.CONTRADICTING: [truth, opposite],
        }[self.receipts]

    def _receipt(self, delivered: bool) -> Mapping[str, Any]:
        if delivered:
            return {"status": "delivered"}
        return {"status": "undelivered", "error_code": self.error_code}


@dataclass(frozen=True, kw_only=True)
class Lot:
    """What chance decides about one message."""

    refused: bool
    delivered: bool
    reported: bool


class Media(NamedTuple):
    url: str
    content_type: str


@dataclass(frozen=True, kw_only=True)
class Text:
    """A message, from a phone of this carrier or to one. `message_sid` is the router's name for it, `id` the sender's.

    From the router: `delivered`, whether it reached its phone; `again`, whether the router said that it may have handed
    it over before.
    """

    id: str
    message_sid: str
    from_: str
    to: str
    body: str
    media: tuple[Media, ...] = ()
    encoding: str = ""
    segments: int = 0
    valid_until: float | None = None
    again: bool = False
    delivered: bool = False

    @classmethod
    def read(cls, body: bytes) -> Text:
        """A hand-off. ValueError when it is not the object that the protocol page describes."""
        fields = json.loads(body)
        if not isinstance(fields, dict):
            raise ValueError("a message is a JSON object")
        for name, kind in _FIELDS.items():
            value = fields.get(name)
            if not isinstance(value, kind) or (name in ("id", "from", "to") and not value):
                raise ValueError(f"a message needs `{name}`")
        try:
            media = tuple(Media(str(each["url"]), str(each["content_type"])) for each in fields["media"])
        except (TypeError, KeyError) as fault:
            raise ValueError("`media` is a list of {url, content_type}") from fault
        return cls(
            id=fields["id"],
            message_sid=fields["id"],
            from_=fields["from"],
            to=fields["to"],
            body=fields["body"],
            media=media,
            encoding=fields["encoding"],
            segments=fields["segments"],
            valid_until=fields["valid_until"],
            again=fields["again"],
        )


_FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "id": str,
    "from": str,
    "to": str,
    "body": str,
    "encoding": str,
    "segments": int,
    "media": list,
    "valid_until": (int, float),
    "again": bool,
}
