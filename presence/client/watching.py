"""Watches clients: messages as they come, over any number of connections, and the view that they add up to."""

import json
from collections.abc import Mapping
from typing import Any

from presence.client.server_events import ServerEvent
from presence.client.streaming import Stream
from presence.client.transport import Transport
from presence.client.values import Event, Message


class Watch(Stream[Message]):
    """An iterator over messages; after each, `view` has everybody in view as they are then.

        with presence.watch(contact_list="sales") as watch:
            for message in watch:
                print({name: one.status for name, one in watch.view.items()})

    A lost connection is made again from `cursor`, the last message's `as_of`, and nothing is missed. It ends when it
    is closed, from any thread. PresenceRefused when the server refuses, such as a token that has expired.
    """

    def __init__(
        self,
        http: Transport,
        path: str,
        parameters: Mapping[str, Any],
        *,
        cursor: int | None = None,
        patience: float | None = None,
    ) -> None:
        super().__init__(http, path, parameters, patience=patience)
        self.cursor = cursor
        self.view: dict[str, Event] = {}

    def _headers(self) -> dict[str, str]:
        return {} if self.cursor is None else {"Last-Event-ID": str(self.cursor)}

    def _heard(self, event: ServerEvent) -> Message | None:
        if event.name != "presence":
            return None
        message = Message.of(json.loads(event.data))
        if message.snapshot:
            self.view.clear()
        for name in message.removed:
            self.view.pop(name, None)
        self.view.update((one.client, one) for one in message.clients)
        if not message.more:
            self.cursor = message.as_of
        return message
