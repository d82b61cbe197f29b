"""A session as a conversation: `tell` it an event, get the commands; its state goes through JSON each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from instructions import snapshot
from instructions.commands import Command, Fault, Fetch, Warn
from instructions.events import Answered, DocumentFailed, DocumentFetched, Event, Started
from instructions.interpreter import advance, new_session

APP = "https://app.test/voice"


class Conversation:
    def __init__(self, **options: Any) -> None:
        self.state = new_session(**{"url": APP, "caller": "+15550100"} | options)
        self.now = 1000.0
        self.commands: list[Command] = []

    def tell(self, kind: type[Event], *, after: float = 0.0, **facts: Any) -> tuple[Command, ...]:
        self.now += after
        self.state, commands = advance(self.state, kind(at=self.now, **facts))
        assert snapshot.loads(snapshot.dumps(self.state)) == self.state
        self.commands += commands
        return commands

    def start(self) -> tuple[Command, ...]:
        return self.tell(Started)

    def reply(
        self, twiml: str, *, content_type: str | None = "text/xml", url: str | None = None
    ) -> tuple[Command, ...]:
        """The application's answer to the last Fetch."""
        fetch = self.last(Fetch)
        body = f"<Response>{twiml}</Response>".encode()
        return self.tell(
            DocumentFetched, fetch=fetch.fetch, url=url or fetch.url, body=body, content_type=content_type
        )

    def fail(self, code: int = 11200) -> tuple[Command, ...]:
        fetch = self.last(Fetch)
        return self.tell(DocumentFailed, fetch=fetch.fetch, url=fetch.url, code=code, reason="no answer")

    def run(self, twiml: str) -> tuple[Command, ...]:
        """Start, reply, and answer the call if asked to."""
        self.start()
        commands = self.reply(twiml)
        return self.tell(Answered) if self.state.waiting == "answer" else commands

    def last(self, kind: type[Any]) -> Any:
        return [command for command in self.commands if isinstance(command, kind)][-1]

    def codes(self) -> list[int]:
        return [command.code for command in self.commands if isinstance(command, Warn | Fault)]


@pytest.fixture
def conversation() -> Callable[..., Conversation]:
    return Conversation
