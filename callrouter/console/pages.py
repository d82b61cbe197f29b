"""How pages are rendered: one layout, escaped texts, a strict policy, and errors in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import structlog
from flask import Blueprint, Response, jsonify, render_template, request
from markupsafe import Markup
from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from werkzeug.exceptions import HTTPException

from callrouter import models
from callrouter.console.access import SIGN_IN, Viewer, viewer, wants_json
from callrouter.console.context import Console
from callrouter.console.signal_line import signal_origin
from callrouter.directory import accounts
from callrouter.directory.accounts import Account
from callrouter.directory.errors import Missing, Refused
from callrouter.directory.rows import values
from foundation.clock import from_timestamp
from foundation.db import DatabaseOverloaded
from foundation.settings import Settings
from foundation.webserver.errors import CODES, ApiError, error_body

log = structlog.get_logger(__name__)

CHOICES = 50
"""Accounts that the header offers; the page of accounts has them all."""


@dataclass(frozen=True)
class Link:
    """A line of the navigation."""

    group: str
    label: str
    path: str
    operator: bool = False
    """the operator's only"""


def page(template: str, status: int = 200, **given: Any) -> Response:
    """The page made from a template of ours, such as `console/numbers.html`."""
    return Response(render_template(template, **given), status, content_type="text/html; charset=utf-8")


def policy(settings: Settings) -> str:
    """Content-Security-Policy: nothing runs but our own scripts, nothing is framed, and nothing is sent elsewhere."""
    signal = signal_origin(settings)
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src 'self' {signal}; media-src 'self' blob: mediastream:; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )


def furnish(blueprint: Blueprint, console: Console, links: tuple[Link, ...]) -> None:
    """Gives each page of the blueprint its headers, its navigation, its filters and its errors."""
    headers = {
        "Content-Security-Policy": policy(console.parts.settings),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }

    @blueprint.after_request
    def protect(response: Response) -> Response:
        response.headers.update(headers)
        if request.endpoint != "console.static":
            response.headers["Cache-Control"] = "no-store"
        return response

    @blueprint.context_processor
    def around() -> dict[str, Any]:
        try:
            seen = viewer()
        except AttributeError:  # nobody has signed in
            return {"viewer": None, "navigation": {}}
        navigation: dict[str, list[Link]] = {}
        for link in links:
            if seen.operator or not link.operator:
                navigation.setdefault(link.group, []).append(link)
        return {
            "viewer": seen,
            "csrf": seen.csrf,
            "navigation": navigation,
            "to_look_at": to_look_at(seen),
            "here": _current(links),
        }

    def to_look_at(seen: Viewer) -> list[Account]:
        """Nothing to choose from when the database is away: its fault is told in a page, too."""
        try:
            return console.read(lambda connection: _choices(connection, seen))
        except (OperationalError, DatabaseOverloaded):
            return []

    blueprint.app_template_filter("moment")(moment)
    blueprint.app_template_filter("duration")(duration)
    blueprint.app_template_filter("groupby_in_order")(groupby_in_order)

    def fault(status: int, code: int, message: str, headers: dict[str, str] | None = None) -> Response:
        if wants_json():
            response = jsonify(error_body(status, code, message))
            response.status_code = status
        else:
            response = page("console/fault.html", status, code=code, message=message, sign_in=SIGN_IN)
        response.headers.update(headers or {})
        return response

    @blueprint.errorhandler(ApiError)
    def refused(error: ApiError) -> Response:
        return fault(error.status, error.code, error.message, error.headers)

    @blueprint.errorhandler(Refused)
    def against_the_rules(error: Refused) -> Response:
        if isinstance(error, Missing):
            return fault(404, 20404, "There is no such thing in this account.")
        return fault(error.status, error.code, f"{error}.")

    @blueprint.errorhandler(IntegrityError)
    def conflict(_error: IntegrityError) -> Response:
        return fault(409, 20409, "Something else changed the same thing at the same moment; try again.")

    @blueprint.errorhandler(DataError)
    def unfit(_error: DataError) -> Response:
        """PostgreSQL takes no NUL in a text, and no number beyond its column."""
        return fault(400, 20001, "The request has a character or a number that the database cannot take.")

    @blueprint.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        status = error.code or 500
        return fault(status, CODES.get(status, 20500), error.description or error.name)

    @blueprint.errorhandler(OperationalError)
    @blueprint.errorhandler(DatabaseOverloaded)
    def busy(error: Exception) -> Response:
        log.warning("database unavailable", error=str(error))
        return fault(503, 20503, "The database is busy; nothing was stored. Try again.", {"Retry-After": "1"})

    @blueprint.errorhandler(Exception)
    def bug(error: Exception) -> Response:
        log.error("unexpected error", exc_info=error)
        return fault(500, 20500, "An internal error occurred; it has been logged.")


def moment(seconds: float | None) -> str:
    """A Unix time as a `<time>`, in UTC; page.js shows it in the reader's own zone."""
    if seconds is None:
        return Markup('<span class="none">–</span>')
    at = from_timestamp(seconds)
    return Markup('<time datetime="{}">{}</time>').format(
        at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), at.strftime("%Y-%m-%d %H:%M:%S UTC")
    )


def duration(seconds: float | None) -> str:
    """`0:42`, `12:05` or `1:02:03`; a dash for what has none."""
    if seconds is None:
        return "–"
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def groupby_in_order(items: Iterable[Any], name: str) -> list[tuple[Any, list[Any]]]:
    """Neighbours of the same value together; Jinja's own `groupby` would sort them."""
    return [(value, list(group)) for value, group in groupby(items, key=lambda item: getattr(item, name))]


def _choices(connection: Connection, seen: Viewer) -> list[Account]:
    """The accounts that the viewer may look at, the one looked at among them; the newest when there are many."""
    table = models.Account
    query = accounts.listed(None if seen.operator else seen.home_sid).where(
        table.status != accounts.Status.CLOSED
    )
    query = query.order_by(table.date_created.desc(), table.account_sid).limit(CHOICES)
    found = values(Account, connection, query)
    if seen.account and seen.account_sid not in [one.account_sid for one in found]:
        found.insert(0, seen.account)
    return found


def _current(links: tuple[Link, ...]) -> str:
    """The path of the navigation's line that the page belongs to."""
    below = [link.path for link in links if request.path.startswith(link.path)]
    return max(below, key=len, default="")
