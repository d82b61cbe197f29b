"""What a subscriber wants to follow, and what it may: the view of its messages (PR-30 to PR-32, PR-40)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foundation.permissions import NOBODY, Scope
from presence import fields
from presence.access.callers import Caller
from presence.access.refusals import AccessRefused, Refusal
from presence.access.tokens import Grant
from presence.api import asking
from presence.reading.views import View, view


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A selection of clients. `connectable`: of them those whom the subscriber may connect to."""

    selection: Scope
    connectable: bool = False
    detail: bool = False

    def by_client(self, grant: Grant) -> View:
        """The view of a client; AccessRefused when it may see or follow nobody."""
        may, selection = grant.permissions, self.selection
        if not may.read:
            raise AccessRefused(Refusal.READ)
        if not may.subscribe:
            raise AccessRefused(Refusal.SUBSCRIBE)
        if not may.read.everyone and not selection.lists <= may.read.lists:
            selection = NOBODY  # who is on a list that it may not read is not for it to know
        return view(
            may,
            selection,
            connectable=self.connectable,
            subscribing=True,
            calls_out=bool(grant.application_sid),
            detail=self.detail,
        )

    def by_server(self) -> View:
        """The view of an account's own server, or of ours: with devices, it sees the hidden ones too (PR-25)."""
        return View(selection=self.selection, detail=self.detail, hidden=self.detail)

    def by(self, caller: Caller) -> View:
        return self.by_server() if caller.grant is None else self.by_client(caller.grant)


def in_address(given: Mapping[str, str]) -> Wanted:
    """`?clients=a,b | list=L | prefix=P`, none of them: everybody; `&view=connectable&detail=true`. ApiError."""
    source: dict[str, Any] = {name: value for name, value in given.items() if name != "detail"}
    if given.get("detail", "false") not in ("true", "false"):
        raise fields.invalid("detail must be true or false.")
    asked = asking.in_address(source)
    return Wanted(
        selection=asked.selection,
        connectable=asked.connectable,
        detail=given.get("detail") == "true",
    )


def in_body(source: Mapping[str, Any]) -> Wanted:
    """`{clients | list | prefix | everyone: true, view?, detail?}`. ApiError."""
    given = dict(source)
    asked = asking.in_body(given)
    return Wanted(
        selection=asked.selection,
        connectable=asked.connectable,
        detail=fields.flag(given, "detail", default=False),
    )
