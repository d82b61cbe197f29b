"""The verbs and nouns of an answer to a message (https://www.twilio.com/docs/messaging/twiml/message).

Twilio's rule for calls, a bad value counts as its default, would send to the wrong person here: a `<Message>` with an
`to`, `from` or body that is not valid is not sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal

from instructions.attributes import (
    IDENTITY,
    METHOD,
    PHONE,
    URL,
    Kind,
    attribute,
    choice,
    either,
    seconds,
    text,
)
from instructions.elements import Element, Noun, Problem

MAX_BODY = 1600
MAX_MEDIA = 10
LONGEST_SESSION = 604_800
"""Seconds: a week."""
CLIENT = "client:"


class Unusable(str):
    """A given address that is none."""


def _recipient(value: str) -> str:
    value = value.strip()
    if value.startswith(CLIENT):
        return CLIENT + IDENTITY.read(value.removeprefix(CLIENT))
    return PHONE.read(value)


def _sender(value: str) -> str:
    value = value.strip()
    # An alphanumeric sender has a letter, or it would be a number.
    if re.fullmatch(r"(?=.*[A-Za-z])[A-Za-z0-9 +_&-]{1,11}", value):
        return value
    return PHONE.read(value)


def _address(name: str, read: Callable[[str], str], example: str) -> Kind[str]:
    def usable(value: str) -> str:
        try:
            return read(value)
        except ValueError:
            return Unusable(value[:80])

    return Kind(name=name, read=usable, example=example)


TO = _address("a phone number, or client:identity", _recipient, "client:alice")
FROM = _address("a phone number, a short code, or a name of at most 11 characters", _sender, "ACME")
OTHERWISE = either(choice("hold", "tell"), PHONE)


class Body(Noun, content=text(MAX_BODY), content_code=14103):
    """The text of a message."""


class Media(Noun, content=URL):
    """The URL of a picture or another file to send along."""

    def check(self) -> Iterator[Problem]:
        if self.text == "":
            yield Problem(code=12200, message="<Media> has no URL: it is left out", line=self.line)


class Message(Element, nests=(Body, Media), content=text(MAX_BODY), content_code=14103):
    """Sends a message: to whoever wrote, from the number that they wrote to, if nothing else is said. With an `action`
    that is asked what to do next, once the message is queued. Ours are the last three: `otherwise` is for a client who
    is not there (hold it, tell the app, or send it to a number instead), `session` lets phone and client write to each
    other until that many seconds pass without a message, and `media` says what to do where media can't go: send a link
    to them, or fail."""

    to: str | None = attribute(TO, default=None, code=14101)
    from_: str | None = attribute(FROM, default=None, code=14102)
    action: str | None = attribute(URL, default=None, code=11100)
    method: str = attribute(METHOD, default="POST", code=14104)
    status_callback: str | None = attribute(URL, default=None, code=14105)
    otherwise: str | None = attribute(OTHERWISE, default=None)
    session: int | None = attribute(seconds(1, LONGEST_SESSION), default=None)
    media: Literal["link", "required"] = attribute(choice("link", "required"), default="link")

    @property
    def body(self) -> str | None:
        """None when it is not valid."""
        bodies = [child.text for child in self.children if isinstance(child, Body)]
        return bodies[0] if bodies else self.text

    @property
    def media_urls(self) -> tuple[str, ...]:
        urls = [child.text for child in self.children if isinstance(child, Media) and child.text]
        return tuple(urls[:MAX_MEDIA])

    @property
    def sendable(self) -> bool:
        """False for what a warning was given about when the document was read."""
        known = not isinstance(self.to, Unusable) and not isinstance(self.from_, Unusable)
        return known and self.body is not None and bool(self.body or self.media_urls)

    def check(self) -> Iterator[Problem]:
        what = f"<{self.tag}>"
        if isinstance(self.to, Unusable):
            yield self._problem(14101, f"{what} to={self.to!r}: expected {TO.name}; it is not sent")
        if isinstance(self.from_, Unusable):
            yield self._problem(14102, f"{what} from={self.from_!r}: expected {FROM.name}; it is not sent")
        if self.body == "" and not self.media_urls:
            yield self._problem(14103, f"{what} has neither a text nor media: it is not sent")
        if sum(isinstance(child, Body) for child in self.children) > 1:
            yield self._problem(12200, f"{what} has several <Body>: the first is sent")
        if sum(isinstance(child, Media) for child in self.children) > MAX_MEDIA:
            yield self._problem(12200, f"{what} has more than {MAX_MEDIA} <Media>: the first ones are sent")

    def _problem(self, code: int, message: str) -> Problem:
        return Problem(code=code, message=message, line=self.line)


class Sms(Message, nests=()):
    """`<Message>` by its old name, text only (deprecated by Twilio)."""


class Redirect(Element, content=URL, content_code=11100):
    """Goes on with another document; without a URL, with this one again."""

    method: str = attribute(METHOD, default="POST", code=13710)


class Response(Element, nests=(Message, Redirect, Sms), nest_code=14110):
    """The root: verbs, run from top to bottom. Text between them means nothing."""
