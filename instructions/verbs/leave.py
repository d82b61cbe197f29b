from __future__ import annotations

from instructions.elements import Verb


class Leave(Verb):
    """Takes a waiting caller out of the queue."""

    answers = False
