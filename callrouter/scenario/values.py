"""What stands for the capital words of a sentence, and how each is read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from callrouter.scenario.words import Word, unquoted

NUMBER = re.compile(r"\+[1-9][0-9]{4,14}|[0-9]{3,8}")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.@-]*")
_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_PATH = re.compile(r"/[^\s\"]*|https?://[^\s\"]+")
_PAIR = re.compile(r'([A-Za-z][A-Za-z0-9_.-]*)=(".*"|[^"]*)', re.DOTALL)
LONGEST = 3600.0

CALL_STATUSES = ("queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled")
MESSAGE_STATUSES = (
    *("accepted", "scheduled", "queued", "sending", "sent", "delivered", "undelivered", "failed"),
    *("receiving", "received", "read", "canceled"),
)


class Unread(Exception):
    """The word is not what belongs here; the text says what does."""


def text(word: Word) -> str:
    if not word.quoted:
        raise Unread('a text in quotation marks, such as "Hello"')
    return unquoted(word.text)


def time(word: Word) -> float:
    """Seconds."""
    found = _TIME.fullmatch(word.text)
    if found is None:
        raise Unread("a time such as 5s, 500ms or 2m")
    seconds = float(found[1]) * _UNITS[found[2]]
    if seconds > LONGEST:
        raise Unread("a time of an hour at most")
    return seconds


def number(word: Word) -> str:
    if NUMBER.fullmatch(word.text) is None:
        raise Unread("a phone number such as +14155550100")
    return word.text


def end(word: Word) -> str:
    """A phone number, a client's name, or `caller`."""
    if not (NUMBER.fullmatch(word.text) or NAME.fullmatch(word.text)):
        raise Unread("a phone number, the name of a client, or `the caller`")
    return word.text


def keys(word: Word) -> str:
    if not word.text or set(word.text) - set("0123456789*#w"):
        raise Unread("keys such as 1 or 2580# (w waits half a second)")
    return word.text


def path(word: Word) -> str:
    if _PATH.fullmatch(word.text) is None:
        raise Unread("a path of the app such as /voice, or a whole URL")
    return word.text


def url(word: Word) -> str:
    if not word.text.startswith(("http://", "https://")) or _PATH.fullmatch(word.text) is None:
        raise Unread("the URL of the app, such as http://127.0.0.1:5000")
    return word.text


def hertz(word: Word) -> float:
    if not (word.text.isascii() and word.text.isdigit() and 50 <= int(word.text) < 4000):
        raise Unread("a frequency from 50 to 3999")
    return float(word.text)


def code(word: Word) -> str:
    if not (word.text.isascii() and word.text.isdigit() and len(word.text) == 5):
        raise Unread("a code of five digits, such as 11200")
    return word.text


def http_status(word: Word) -> int:
    if not (word.text.isascii() and word.text.isdigit() and 100 <= int(word.text) <= 599):
        raise Unread("an HTTP status such as 500")
    return int(word.text)


def pair(word: Word) -> tuple[str, str]:
    found = _PAIR.fullmatch(word.text)
    if found is None:
        raise Unread('a parameter and its value, such as Digits=1 or SpeechResult="to sales"')
    return found[1], unquoted(found[2]) if found[2].startswith('"') else found[2]


def word(given: Word) -> str:
    if NAME.fullmatch(given.text) is None:
        raise Unread("a word")
    return given.text


def _one_of(words: tuple[str, ...]) -> Callable[[Word], str]:
    def read(given: Word) -> str:
        if given.text not in words:
            raise Unread(f"one of {', '.join(words)}{hint(given.text, words)}")
        return given.text

    return read


def hint(wrong: str, words: Iterable[str]) -> str:
    """`; did you mean X?` when one of the words is near."""
    near = difflib.get_close_matches(wrong, list(words), n=1, cutoff=0.6)
    return f"; did you mean `{near[0]}`?" if near else ""


READERS: Mapping[str, Callable[[Word], Any]] = MappingProxyType(
    {
        "TEXT": text,
        "TIME": time,
        "NUMBER": number,
        "END": end,
        "KEYS": keys,
        "PATH": path,
        "URL": url,
        "HZ": hertz,
        "CODE": code,
        "HTTP": http_status,
        "PAIR": pair,
        "WORD": word,
        "STATUS": _one_of(CALL_STATUSES),
        "DELIVERY": _one_of(MESSAGE_STATUSES),
        "CALLBACK": _one_of(
            tuple(dict.fromkeys((*CALL_STATUSES, *MESSAGE_STATUSES, "initiated", "answered")))
        ),
    }
)
EXPLAINED: Mapping[str, str] = MappingProxyType(
    {
        "TEXT": '`"in quotation marks"`; `\\"`, `\\\\` and `\\n` inside',
        "TIME": "`5s`, `500ms`, `2m`",
        "NUMBER": "`+14155550100`, or a short code",
        "END": "a phone number, the name of a client, or `the caller`",
        "KEYS": "`1`, `2580#`; `w` waits half a second",
        "PATH": "`/voice`, or a whole URL",
        "URL": "`http://127.0.0.1:5000`",
        "HZ": "a frequency in hertz",
        "CODE": "one of Twilio's codes, such as `11200`",
        "HTTP": "an HTTP status, such as `500`",
        "PAIR": '`Digits=1`, `SpeechResult="to sales"`; more of them are joined by `and`',
        "WORD": "a word",
        "STATUS": ", ".join(f"`{status}`" for status in CALL_STATUSES),
        "DELIVERY": ", ".join(f"`{status}`" for status in MESSAGE_STATUSES),
        "CALLBACK": "a status of a call or message, as the callback says it",
    }
)
