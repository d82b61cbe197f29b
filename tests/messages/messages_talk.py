"""The session of an inbound message as a conversation: tell it events, get its commands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from instructions.errors import is_warning
from instructions.messaging import (
    Command,
    DocumentFetched,
    Event,
    Fault,
    Fetch,
    Finish,
    FinishReason,
    Reply,
    Started,
    Warn,
    advance,
    dumps,
    loads,
    new_session,
)
from instructions.messaging.state import Waiting

APP = "https://app.test/sms/in"
FALLBACK = "https://app.test/fallback"
PARAMS = (
    ("MessageSid", "SM1"),
    ("AccountSid", "AC1"),
    ("From", "+15550100"),
    ("To", "+15550199"),
    ("Body", "hello"),
    ("ApiVersion", "2010-04-01"),
)
END, ERROR = Finish(reason=FinishReason.END_OF_DOCUMENT), Finish(reason=FinishReason.APPLICATION_ERROR)


class Talk:
    """Tells a session events; its state goes through JSON each time."""

    def __init__(self, **options: Any) -> None:
        self.state = new_session(**{"url": APP, "params": PARAMS, **options})
        self.commands: list[Command] = []

    def tell(self, event: Event) -> list[Command]:
        self.state, commands = advance(loads(dumps(self.state)), event)
        self.commands += commands
        return list(commands)

    def start(self) -> list[Command]:
        return self.tell(Started())

    def answer(
        self, body: str | bytes, content_type: str | None = "text/xml", url: str = ""
    ) -> list[Command]:
        fetch = self.last(Fetch)
        raw = body.encode() if isinstance(body, str) else body
        return self.tell(
            DocumentFetched(fetch=fetch.fetch, body=raw, content_type=content_type, url=url or fetch.url)
        )

    def run(self, twiml: str) -> list[Command]:
        if self.state.waiting is Waiting.START:
            self.start()
        return self.answer(f"<Response>{twiml}</Response>")

    def last(self, kind: type[Any]) -> Any:
        return [command for command in self.commands if isinstance(command, kind)][-1]


def codes(commands: list[Command]) -> list[int]:
    found = [command for command in commands if isinstance(command, Warn | Fault)]
    assert all(is_warning(each.code) == isinstance(each, Warn) for each in found)
    return [each.code for each in found]


def replies(commands: list[Command]) -> list[Reply]:
    return [command for command in commands if isinstance(command, Reply)]


def reply(body: str, index: int = 0, **fields: Any) -> Reply:
    plain = Reply(
        index=index,
        to=None,
        from_=None,
        body=body,
        media=(),
        status_callback=None,
        otherwise=None,
        session=None,
        media_required=False,
        wanted_action=False,
    )
    return replace(plain, **fields)
