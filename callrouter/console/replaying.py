"""A request to a customer's server, sent once more by hand: same URL, method and parameters, signed anew."""

import shlex
import threading
import time
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, select

from callrouter.console.context import Console
from callrouter.ladders.shown import masked
from callrouter.models import Account
from foundation.outbound.errors import OutboundError
from foundation.outbound.fetch import Fetcher
from foundation.outbound.message import OutboundRequest
from foundation.webserver.errors import ApiError

AT_A_TIME = 4
"""Each holds a thread of the web server for 15 seconds at most."""
SHOWN = 64_000
REPEATED = ("X-Twilio-Signature", "I-Twilio-Idempotency-Token", "User-Agent")


class Replaying:
    """Goes out under the same policy of addresses as all that we ask of customers' servers."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._free = threading.BoundedSemaphore(AT_A_TIME)

    def again(self, row: Row[Any]) -> dict[str, Any]:
        """What came back: `status`, `headers`, `body`, or `code` and `reason`; and `duration_ms`.

        ApiError 429: too many are under way.
        """
        token = self._console.read(lambda c: self._token(c, row.account_sid))
        asked = OutboundRequest(
            url=row.url,
            method=row.method,
            params=tuple((str(name), str(value)) for name, value in row.parameters.items()),
            auth_token=token,
        )
        if not self._free.acquire(blocking=False):
            raise ApiError(429, 20429, "Too many requests are being sent again; wait a moment.")
        settings, began = self._console.parts.settings, time.monotonic()
        try:
            with closing(
                Fetcher(allow=settings.outbound_allow, ca_bundle=settings.outbound_ca or None)
            ) as fetcher:
                answer = fetcher.fetch(asked)
        except OutboundError as error:
            return {"code": error.code, "reason": error.reason, "duration_ms": _since(began)}
        finally:
            self._free.release()
        return {
            "status": answer.status,
            "ok": answer.ok,
            "headers": answer.headers,
            "body": answer.body[:SHOWN].decode("utf-8", "replace"),
            "duration_ms": _since(began),
        }

    def _token(self, connection: Connection, account_sid: str) -> str:
        sealed = select(Account.auth_token_sealed).where(Account.account_sid == account_sid)
        return self._console.parts.keys.open(connection.execute(sealed).scalar_one())


def curl(row: Row[Any]) -> str:
    """The request as a command for a shell, with the signature that it bore; without passwords."""
    url = masked(row.url).partition("#")[0]
    sent = row.request_headers or {}
    parts = ["curl", "--include", "--globoff"]
    if row.method == "GET":
        parts.append("--get")
    elif row.method != "POST":
        parts += ["--request", row.method]
    for name in REPEATED:
        if name in sent:
            parts += ["--header", f"{name}: {sent[name]}"]
    for name, value in row.parameters.items():
        parts += ["--data-urlencode", f"{name}={value}"]
    if row.method == "POST" and not row.parameters:
        parts += ["--data", ""]
    # What is no web address is nothing that we hand to a shell.
    parts += ["--url", url if urlsplit(url).scheme in ("http", "https") else "http://invalid/"]
    return " ".join(map(shlex.quote, parts))


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
