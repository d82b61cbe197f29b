from __future__ import annotations

from instructions.elements import Verb


class Echo(Verb):
    """Sends the caller's own audio back."""
