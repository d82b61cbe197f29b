"""Every sentence of the language, in one table: the parser, the player's method and the reference page come from it.

Capital words stand for values (`values.READERS`), what is in brackets may be left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from callrouter.scenario.values import READERS, Unread, hint
from callrouter.scenario.words import Word

PHONE, CLIENT, NOBODY, APP, EXPECT, SETTING = "phone", "client", "nobody", "app", "expect", "setting"
ENDS = (PHONE, CLIENT)


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """`by`: who may be its subject. `does`: the name of what the player does."""

    by: tuple[str, ...]
    pattern: str
    does: str
    means: str


def _say(by: str | tuple[str, ...], pattern: str, does: str, means: str) -> Sentence:
    return Sentence(by=(by,) if isinstance(by, str) else by, pattern=pattern, does=does, means=means)


SENTENCES = (
    _say(PHONE, "calls NUMBER", "call", "A call from that phone to a number of the account."),
    _say(CLIENT, "calls END", "call", "A call from the client, by the document that `clients run` names."),
    _say(
        APP,
        "calls END from NUMBER [with PATH]",
        "app_calls",
        "The app places a call by REST; PATH is its `Url`.",
    ),
    _say(CLIENT, "is registered", "register", "The client's device registers with an access token."),
    _say(CLIENT, "registers", "register", "The same."),
    _say(CLIENT, "is not registered", "nothing", "Says who is meant by the name; does nothing."),
    _say(CLIENT, "leaves", "leave", "The device unregisters."),
    _say(
        CLIENT, "sets status WORD", "set_status", "`away`, `dnd` or a status of the account, on all devices."
    ),
    _say(ENDS, "rings [within TIME]", "rings", "It is called, and rings."),
    _say(ENDS, "rings for TIME", "rings_for", "It rings, and still does after that time."),
    _say(
        ENDS, "does not ring [for TIME]", "does_not_ring", "It does not begin to ring within that time (2s)."
    ),
    _say(ENDS, "stops ringing [within TIME]", "stops_ringing", "The ringing ends, without an answer."),
    _say(ENDS, "answers", "answer", "Answers what rings, or the next that does."),
    _say(ENDS, "rejects", "reject", "Refuses what rings, or the next that does."),
    _say(PHONE, "is busy", "busy", "The carrier says that it is busy."),
    _say(CLIENT, "ignores", "ignore", "The device stops to ring and says nothing."),
    _say(
        NOBODY, "answers for TIME", "nobody_answers", "So long, no call is answered by an end of this file."
    ),
    _say(ENDS, "is connected [within TIME]", "connected", "The call that it placed is answered."),
    _say(
        ENDS,
        "hears TEXT [within TIME]",
        "hears",
        "A `<Say>` with this text in it is spoken to it, and sound comes.",
    ),
    _say(ENDS, "hears sound [within TIME]", "hears_sound", "Anything but silence."),
    _say(ENDS, "hears silence [within TIME]", "hears_silence", "Nothing, for half a second."),
    _say(ENDS, "hears END [within TIME]", "hears_end", "The other end makes a tone, and this one hears it."),
    _say(
        ENDS,
        "does not hear END",
        "does_not_hear",
        "The other end makes a tone for a second; it is not heard.",
    ),
    _say(
        ENDS, "hears HZ Hz [within TIME]", "hears_hertz", "A tone of this frequency, such as of a `<Play>`."
    ),
    _say(ENDS, "presses KEYS", "press", "Keys, as a phone or the Voice SDK sends them."),
    _say(ENDS, "says TEXT", "say", "Speaks these words (needs `callrouter[tts]`)."),
    _say(ENDS, "plays TEXT", "play_file", "Plays a WAV file, named as seen from this file, into the call."),
    _say(ENDS, "talks TIME", "wait", "The call goes on for so long."),
    _say(ENDS, "waits TIME", "wait", "The same."),
    _say(ENDS, "hangs up", "hang_up", "Ends its call."),
    _say(ENDS, "is hung up [within TIME]", "hung_up", "The other side, or the document, ends its call."),
    _say(PHONE, "gets busy [within TIME]", "gets_busy", "Its call is refused as busy."),
    _say(PHONE, "gets rejected [within TIME]", "gets_rejected", "Its call is refused."),
    _say(PHONE, "texts NUMBER TEXT", "text", "A message from that phone to a number of the account."),
    _say(CLIENT, "texts NUMBER TEXT", "text", "A message from the client to a phone."),
    _say(CLIENT, "texts TEXT", "text", "A message in the client's only session."),
    _say(APP, "texts END from NUMBER TEXT", "app_texts", "The app sends a message by REST."),
    _say(
        ENDS,
        "gets text TEXT [from END] [within TIME]",
        "gets_text",
        "A message with this text in it arrives.",
    ),
    _say(ENDS, "gets no text [for TIME]", "gets_no_text", "None arrives within that time (2s)."),
    _say(EXPECT, "status STATUS", "expect_status", "The status of the latest call, once it is that."),
    _say(
        EXPECT, "dial status STATUS", "expect_dial", "What became of its latest `<Dial>`: `DialCallStatus`."
    ),
    _say(EXPECT, "message status DELIVERY", "expect_message", "The status of the latest message."),
    _say(EXPECT, "alert CODE", "expect_alert", "A notification of this code."),
    _say(EXPECT, "no alerts", "expect_no_alerts", "No notification at all."),
    _say(EXPECT, "callback PATH CALLBACK", "expect_callback", "The app was told this status at this path."),
    _say(
        EXPECT,
        "request PATH [with PAIR]",
        "expect_request",
        "The app was asked at this path, with these parameters.",
    ),
    _say(EXPECT, "no request PATH", "expect_no_request", "The app was not asked at this path."),
    _say(EXPECT, "row TEXT", "expect_row", "The ladder has a row with this text in it."),
)

SETTINGS = (
    _say(
        SETTING, "app URL", "app", "The app under test runs there; without, the documents below are the app."
    ),
    _say(
        SETTING,
        "number NUMBER [voice PATH] [texts PATH] [status PATH] [fallback PATH]",
        "number",
        "A number of the account. One that is only called or written to has `/voice`, `/sms` and, if there is "
        "such a document, `/status`.",
    ),
    _say(
        SETTING,
        "clients run PATH",
        "clients",
        "The document of calls that clients place; without, `/outgoing`.",
    ),
    _say(
        SETTING,
        "document PATH [when PAIR]",
        "document",
        "TwiML in the indented lines below. The first that fits.",
    ),
    _say(SETTING, "document PATH [when PAIR] answers after TIME", "document_late", "The same, but late."),
    _say(
        SETTING,
        "document PATH [when PAIR] fails with HTTP",
        "document_fails",
        "An error instead of a document.",
    ),
    _say(
        SETTING, "document PATH [when PAIR] is slow", "document_slow", "No answer before the router gives up."
    ),
)


class Mismatch(Exception):
    """How far a sentence fitted: `at` is the index of the first word that did not, `wanted` what belongs there."""

    def __init__(self, at: int, wanted: str) -> None:
        super().__init__(wanted)
        self.at, self.wanted = at, wanted


@dataclass(kw_only=True)
class _Reading:
    words: list[Word]
    at: int = 0
    values: dict[str, Any] = field(default_factory=dict)

    def take(self, part: str) -> None:
        """One part of a pattern; Mismatch if the next word is not that."""
        given = self.words[self.at] if self.at < len(self.words) else None
        reader = READERS.get(part)
        if reader is None:
            if given is None or given.text != part:
                raise Mismatch(self.at, f"`{part}`{hint(given.text, [part]) if given else ''}")
            self.at += 1
            return
        if given is None:
            raise Mismatch(self.at, _wanted(part))
        try:
            value = reader(given)
        except Unread as unread:
            raise Mismatch(self.at, str(unread)) from None
        self.at += 1
        if part == "PAIR":
            self._pairs(value)
        else:
            name = part if part not in self.values else f"{part}2"
            self.values[name] = value

    def _pairs(self, first: tuple[str, str]) -> None:
        self.values.setdefault("PAIRS", {}).update([first])
        if self.at + 1 < len(self.words) and self.words[self.at].text == "and":
            self.at += 1
            self.take("PAIR")


_PARTS = re.compile(r"\[([^\]]+)\]|(\S+)")


def read(pattern: str, words: list[Word]) -> dict[str, Any]:
    """The values of a sentence, by capital word; in a bracket with a literal in front, by that. Mismatch if not it."""
    reading = _Reading(words=words)
    furthest = Mismatch(0, "")
    for group, part in _PARTS.findall(pattern):
        if part:
            reading.take(part)
            continue
        name, _, value = group.partition(" ")
        if reading.at < len(words) and words[reading.at].text == name:
            inner = _Reading(words=words, at=reading.at)
            inner.take(name)
            inner.take(value)
            reading.at = inner.at
            reading.values[name] = inner.values.get(value, inner.values.get("PAIRS"))
        else:
            furthest = Mismatch(reading.at, f"`{name}`")
    if reading.at < len(words):
        extra = words[reading.at].text
        more = hint(extra, [furthest.wanted.strip("`")]) if furthest.at == reading.at else ""
        raise Mismatch(reading.at, f"the end of the sentence{more}")
    return reading.values


def _wanted(part: str) -> str:
    try:
        READERS[part](Word(text="", column=0))
    except Unread as unread:
        return str(unread)
    return part
