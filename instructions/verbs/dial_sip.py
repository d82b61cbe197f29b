"""The noun of <Dial> for SIP addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from instructions.attributes import METHOD, SIP_URI, attribute, count, text
from instructions.commands import Params, SipTarget
from instructions.elements import Noun, Problem
from instructions.verbs.dial_nouns import Detecting

MAX_URIS = 10
MAX_HEADERS = 1023
"""Characters of all headers together (Twilio: less than 1,024)."""

_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,256}")
_PASSED_ON = re.compile(
    "x-.*|user-to-user|remote-party-id|p-preferred-identity|p-called-party-id", re.IGNORECASE
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LAST = 65_536


class Uri(Noun, content=SIP_URI, content_code=13243):
    """One of several SIP addresses of the same callee."""

    priority: int | None = attribute(count(0, 65_535), default=None)
    weight: int | None = attribute(count(0, 65_535), default=None)
    username: str | None = attribute(text(256), default=None, code=13249)
    password: str | None = attribute(text(256), default=None, code=13249)

    def order(self) -> tuple[int, int]:
        """Where it stands among the others: the lowest priority first, of equals the greatest weight."""
        return (_LAST if self.priority is None else self.priority, -(self.weight or 0))


class Header(Noun):
    """One SIP header."""

    name: str = attribute(text(256), default="", code=13252)
    value: str = attribute(text(1024), default="")


class Headers(Noun, nests=(Header,)):
    """SIP headers for the callee."""


class Sip(Detecting, nests=(Uri, Headers), content=SIP_URI, content_code=13243):
    """A SIP address, with headers after a `?` or in <Headers>: X-… and a few others are passed on.

    Several <Uri> are tried one after another where this is the only noun; among others they ring with them.
    """

    method: str = attribute(METHOD, default="POST", code=13241)
    username: str | None = attribute(text(256), default=None, code=13249)
    password: str | None = attribute(text(256), default=None, code=13249)

    def check(self) -> Iterator[Problem]:
        for address in self._addresses():
            for code, message in self._headers(address)[1]:
                yield Problem(code=code, message=message, line=self.line)
        if len(self._uris()) > MAX_URIS:
            message = f"<Sip> has {len(self._uris())} addresses; the first {MAX_URIS} are tried"
            yield Problem(code=13250, message=message, line=self.line)

    def targets(self) -> tuple[SipTarget, ...]:
        return tuple(
            SipTarget(
                uri=address.text.partition("?")[0],
                headers=self._headers(address)[0],
                username=address.username or self.username,
                password=address.password or self.password,
            )
            for address in self._addresses()
            if address.text
        )

    def _addresses(self) -> tuple[Sip | Uri, ...]:
        return (self, *self._uris()[:MAX_URIS])

    def _uris(self) -> list[Uri]:
        return sorted((child for child in self.children if isinstance(child, Uri)), key=Uri.order)

    def _headers(self, address: Sip | Uri) -> tuple[Params, list[tuple[int, str]]]:
        """Those of an address, and in front the common ones, with what is wrong; faults are told once, for the Sip."""
        common = [child for child in self.children if isinstance(child, Headers)]
        named = [one for group in common for one in group.children if isinstance(one, Header)]
        pairs = [(header.name, header.value) for header in named]
        own = [_pair(part) for part in (address.text or "").partition("?")[2].split("&") if part]
        faults = [*_faults(own), *(_faults(pairs) if address is self else ())]
        headers = tuple(pair for pair in (*pairs, *own) if not any(_faults([pair])))
        length = sum(len(name) + len(value) for name, value in headers)
        if length <= MAX_HEADERS:
            return headers, faults
        message = f"the SIP headers have {length} characters, more than {MAX_HEADERS}: all are left out"
        return (), [*faults, (13253, message)]


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return unquote(name, errors="replace"), unquote(value, errors="replace")


def _faults(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[int, str]]:
    for name, value in pairs:
        if not _TOKEN.fullmatch(name) or _CONTROL.search(value):
            yield 13252, f"the SIP header {name[:80]!r} is not valid: left out"
        elif not _PASSED_ON.fullmatch(name):
            yield 32113, f"the SIP header {name[:80]!r} is not passed on: left out"
