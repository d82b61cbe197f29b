"""A registration that is kept alive while its owner lives."""

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from presence.client.transport import PresenceRefused, PresenceUnavailable

SOONEST = 1.0  # seconds until a refresh that failed is tried again
JOIN = 20.0


class Heartbeat:
    """Registers at once, then every `every` seconds from a thread of its own, until `close`; then unregisters.

    While the server is away it is tried again, in time for the registration's life. `refused` is what ended it for
    good, such as a token that was revoked. PresenceUnavailable or PresenceRefused when the first time fails.
    """

    def __init__(
        self, beat: Callable[[], dict[str, Any]], leave: Callable[[str], None], *, every: float
    ) -> None:
        self._beat, self._leave, self._every = beat, leave, every
        self.registration: dict[str, Any] = beat()
        self.refused: PresenceRefused | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="presence-heartbeat", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        """Unregisters; when that fails, the registration ends by itself."""
        self._closing.set()
        self._thread.join(JOIN)
        with suppress(PresenceUnavailable, PresenceRefused):
            self._leave(self.registration["sid"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self) -> None:
        wait = self._every
        while not self._closing.wait(wait * random.uniform(0.9, 1.0)):  # noqa: S311 - spreads the load
            wait = self._every
            try:
                self.registration = self._beat()
            except PresenceUnavailable:
                wait = min(SOONEST, self._every)
            except PresenceRefused as refused:
                if refused.status != 429:
                    self.refused = refused
                    return
                wait = refused.retry_after or self._every
