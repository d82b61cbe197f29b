"""Who is looked at: a selection of clients, within what the caller may read and, if asked, connect to. Pure.

Outside of it is the same as absent, for every way of asking (PR-30 to PR-32).
"""

from collections.abc import Container
from dataclasses import dataclass

from foundation.permissions import EVERYONE, NOBODY, Permissions, Scope


@dataclass(frozen=True, kw_only=True)
class View:
    """A selection and its limits: a client must be in all of them. `hidden`: devices that opted out are seen too;
    `detail`: with their devices."""

    selection: Scope
    limits: tuple[Scope, ...] = ()
    hidden: bool = False
    detail: bool = False

    def holds(self, client: str, lists: Container[str]) -> bool:
        """Whether the client, which is on these contact lists of the account, is seen."""
        return self.selection.holds(client, lists) and all(
            limit.holds(client, lists) for limit in self.limits
        )

    @property
    def lists(self) -> frozenset[str]:
        """The contact lists whose members matter to it."""
        return self.selection.lists.union(*(limit.lists for limit in self.limits))


def view(
    permissions: Permissions,
    selection: Scope = EVERYONE,
    *,
    connectable: bool = False,
    subscribing: bool = False,
    calls_out: bool = False,
    detail: bool = True,
    hidden: bool = False,
) -> View:
    """What a caller with these permissions sees of a selection. `calls_out`: its token names an application, so
    without a word about connecting it may connect to whom it reads. `detail`: if it may, and wants to."""
    limits = [permissions.read]
    if subscribing:
        limits.append(permissions.subscribe)
    if connectable:
        default = permissions.read if calls_out else NOBODY
        limits.append(default if permissions.connect is None else permissions.connect)
    needed = tuple(limit for limit in limits if not limit.everyone)
    return View(selection=selection, limits=needed, hidden=hidden, detail=detail and permissions.detail)
