"""Customers' sound files: fetched under the address guard, converted, and kept as their origin allows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from callrouter.media import freshness
from callrouter.media.conversion import MOST_BYTES, to_mulaw
from callrouter.media.flights import Flights
from callrouter.media.sheet import Sheet
from callrouter.media.shelf import Shelf
from callrouter.media.sound import Outcome, Sound, digest
from foundation.clock import Clock
from foundation.outbound import Fault, Fetcher, OutboundError, OutboundRequest, OutboundResponse
from foundation.outbound.overrides import split
from foundation.webserver.errors import ApiError

PROFILE = "mulaw-8000-1"
"""Part of every key: another conversion is another sound."""
TEMPORARY = (302, 303, 307)
STATUS = {Fault.CUSTOMER: 422, Fault.ORIGIN: 502, Fault.PLATFORM: 503}
"""What a fetch that failed is answered with, by whose fault it was."""


class _OriginFailed(ApiError):
    """The file may still be there: what is kept may be played meanwhile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    account: str
    url: str
    key: str
    shown: str
    """The URL without credentials, as it may be stored."""
    arrived: float


class Files:
    """Sound by URL."""

    def __init__(self, fetcher: Fetcher, shelf: Shelf, clock: Clock) -> None:
        self._fetcher = fetcher
        self._shelf = shelf
        self._clock = clock
        self._flights: Flights[Sound] = Flights("file")

    def sound(self, account: str, url: str) -> Sound:
        """ApiError with the code of what went wrong: the fetch's (foundation.outbound.errors; 11200 for a status
        other than 200) or the conversion's."""
        wanted = self._wanted(account, url)
        return self._kept(wanted) or self._flights.run(account, wanted.key, lambda: self._refreshed(wanted))

    def shown(self, url: str) -> str:
        """The URL under which a file is kept: without credentials and fragment."""
        return self._wanted("", url).shown

    def _wanted(self, account: str, url: str) -> _Wanted:
        try:
            checked = self._fetcher.guard.check_url(split(url)[0])
        except OutboundError as error:
            raise _fault(error) from error
        where = (*checked.origin, checked.target, checked.username, checked.password, PROFILE)
        key = hashlib.sha256(repr(where).encode()).hexdigest()
        return _Wanted(account=account, url=url, key=key, shown=checked.url, arrived=self._now())

    def _kept(self, wanted: _Wanted) -> Sound | None:
        """What is fresh, or was fetched after this request came in."""
        kept = self._shelf.get(wanted.account, wanted.key)
        if kept is None:
            return None
        age, lifetime = self._now() - kept.facts["at"], _judge(kept).lifetime
        if 0 <= age < lifetime or kept.facts["at"] >= wanted.arrived:
            return self._sound(wanted, kept, Outcome.HIT)
        return None

    def _refreshed(self, wanted: _Wanted) -> Sound:
        if sound := self._kept(wanted):  # it came while this request waited for its turn
            return sound
        kept = self._shelf.get(wanted.account, wanted.key)
        try:
            return self._fetched(wanted, kept)
        except _OriginFailed as failure:
            if kept is None:
                raise
            judged, age = _judge(kept), self._now() - kept.facts["at"]
            if not 0 <= age < judged.lifetime + judged.stale:
                raise failure
            return self._sound(wanted, kept, Outcome.STALE)
        except ApiError:
            self._shelf.drop(wanted.account, wanted.key)
            raise

    def _fetched(self, wanted: _Wanted, kept: Sheet | None) -> Sound:
        response = self._answer(wanted, kept)
        headers = freshness.relevant(response.headers)
        if any(attempt.status in TEMPORARY for attempt in response.attempts):
            # A temporary redirect may lead elsewhere next time, whatever the file at its end says.
            store = "no-store" in headers.get("cache-control", "").lower()
            headers["cache-control"] = "no-store" if store else "max-age=0"
        if response.status == 304 and kept is not None:
            headers = freshness.updated(kept.facts["headers"], headers)
            facts = {**kept.facts, "at": self._now(), "headers": headers}
            sheet, outcome = Sheet(facts=facts, body=kept.body), Outcome.REVALIDATED
        else:
            body = to_mulaw(response.body, response.header("Content-Type"))
            facts = {"url": wanted.shown, "at": self._now(), "headers": headers, "etag": digest(body)}
            sheet, outcome = Sheet(facts=facts, body=body), Outcome.MISS
        if _judge(sheet).store:
            self._shelf.put(wanted.account, wanted.key, sheet)
        else:
            self._shelf.drop(wanted.account, wanted.key)
        return self._sound(wanted, sheet, outcome)

    def _answer(self, wanted: _Wanted, kept: Sheet | None) -> OutboundResponse:
        """A 200, or a 304 to our question about what is kept."""
        conditions = {}
        if kept is not None:
            stored = kept.facts["headers"]
            named = (("etag", "If-None-Match"), ("last-modified", "If-Modified-Since"))
            conditions = {asked: stored[name] for name, asked in named if name in stored}
        request = OutboundRequest(url=wanted.url, method="GET", headers=conditions, max_bytes=MOST_BYTES)
        try:
            response = self._fetcher.fetch(request)
        except OutboundError as error:
            raise _fault(error) from error
        if response.status == 200 or (response.status == 304 and conditions):
            return response
        fault = _OriginFailed if response.status >= 500 else ApiError
        raise fault(502, 11200, f"The sound file was answered with status {response.status}.")

    def _sound(self, wanted: _Wanted, sheet: Sheet, outcome: Outcome) -> Sound:
        judged, age = _judge(sheet), self._now() - sheet.facts["at"]
        left = int(judged.lifetime - age)
        control = f"private, max-age={left}" if left > 0 else "no-cache"
        return Sound(
            key=wanted.key,
            body=sheet.body,
            etag=sheet.facts["etag"],
            cache_control=control if judged.store else "no-store",
            outcome=outcome,
        )

    def _now(self) -> float:
        return self._clock().timestamp()


def _judge(kept: Sheet) -> freshness.Freshness:
    return freshness.judge(kept.facts["headers"], kept.facts["at"])


def _fault(error: OutboundError) -> ApiError:
    """A name that does not resolve for a while is as good as a server that does not answer."""
    passing = error.fault is not Fault.CUSTOMER or error.code == 11210
    kind = _OriginFailed if passing and error.code != 11750 else ApiError
    return kind(STATUS[error.fault], error.code, f"{error.reason}.")
