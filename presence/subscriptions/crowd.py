"""How many streams are open, of whom: so that nobody takes all of them."""

from collections import Counter

from presence.subscriptions.ending import Crowded

MOST_OF_A_CLIENT, MOST_OF_AN_ACCOUNT, MOST = 10, 500, 10_000
"""Streams of one client, of one account's own servers, and of this process."""

Whose = tuple[str, str]
"""Account and identity; no identity for the account's servers."""


class Crowd:
    """The streams that are open in this process."""

    def __init__(self) -> None:
        self._of: Counter[Whose] = Counter()
        self._open = 0

    def enter(self, whose: Whose) -> None:
        """Counts one more; Crowded."""
        who, bound = ("client", MOST_OF_A_CLIENT) if whose[1] else ("account", MOST_OF_AN_ACCOUNT)
        if self._of[whose] >= bound:
            raise Crowded(f"this {who} has {bound} streams open already, which is the most")
        if self._open >= MOST:
            raise Crowded(f"{MOST} streams are open here already, which is the most")
        self._of[whose] += 1
        self._open += 1

    def leave(self, whose: Whose) -> None:
        self._open -= 1
        self._of[whose] -= 1
        if not self._of[whose]:
            del self._of[whose]
