"""A device's messages as they come, over any number of connections."""

import json
from collections.abc import Callable
from typing import Any

from presence.client.server_events import ServerEvent
from presence.client.streaming import Stream
from presence.client.transport import Transport

Received = dict[str, Any]


class Inbox(Stream[Received]):
    """An iterator over the messages of one device, each once: `{sid, from, to, body, media, session, at}`.

        with presence.inbox("alice", "desk") as inbox:
            for message in inbox:
                show(message)
                inbox.acknowledge(message)

    What is not acknowledged comes to the device's next inbox again; a message counts as delivered by it.
    """

    def __init__(
        self,
        http: Transport,
        path: str,
        endpoint_id: str,
        acknowledge: Callable[[str], None],
        *,
        patience: float | None = None,
    ) -> None:
        super().__init__(http, path, {"endpoint_id": endpoint_id}, patience=patience)
        self._acknowledge = acknowledge
        self._had: set[str] = set()

    def acknowledge(self, message: Received) -> None:
        self._acknowledge(message["sid"])

    def _heard(self, event: ServerEvent) -> Received | None:
        if event.name != "message":
            return None
        message: Received = json.loads(event.data)
        if message["sid"] in self._had:
            return None
        self._had.add(message["sid"])
        return message
