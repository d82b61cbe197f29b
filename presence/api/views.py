"""`/Presence` and `/Reach`: who is there (PR-26 to PR-39)."""

from flask import Blueprint, Response, request

from foundation.db import Database
from foundation.keys import Keys
from foundation.permissions import Scope
from foundation.sids import ACCOUNT
from foundation.webserver.errors import ApiError
from presence import fields
from presence.access.callers import Caller, Kind
from presence.api import answers, asking
from presence.api.answers import Headers
from presence.api.asking import MOST_NAMES, Asked, Page
from presence.api.shared import Api, client_name, sid
from presence.reading.reach import Wanted, reach
from presence.reading.rendering import message_text, presence_text, reach_text
from presence.reading.rosters import Manner, Rosters
from presence.reading.since import CursorGone, News, news
from presence.reading.snapshots import glimpse, viewed
from presence.reading.views import View


def views(api: Api, keys: Keys) -> Blueprint:
    routes = Blueprint("views", __name__, url_prefix="/v1")
    database = api.store.database
    rosters = Rosters(database)

    @routes.get("/Accounts/<account_sid>/Presence/<client>")
    def fetch(account_sid: str, client: str) -> Response:
        caller = api.access.asks(sid(account_sid, ACCOUNT))
        now, capability = api.now(), asking.capability(request.args)
        selection = Scope(clients=frozenset({client_name(client)}))
        seen = Asked(selection=selection).seen_by(caller)
        found = glimpse(database, account_sid, seen, client, now)
        text = presence_text(account_sid, client, found, now, capability=capability, detail=seen.detail)
        return _answer(*answers.one(text, found, now))

    @routes.get("/Accounts/<account_sid>/Reach/<name>")
    def fetch_reach(account_sid: str, name: str) -> Response:
        api.access.asks(sid(account_sid, ACCOUNT), Kind.SERVICE)
        now = api.now()
        wanted = Wanted(account_sid, client_name(name), True)
        with database.read() as connection:
            (found,) = reach(connection, [wanted], now)
        return _answer(*answers.many(reach_text(wanted.name, found, now)))

    @routes.get("/Accounts/<account_sid>/Presence")
    def fetch_many(account_sid: str) -> Response:
        caller = api.access.asks(sid(account_sid, ACCOUNT))
        return _answer(*answers.many(message(caller, asking.in_address(request.args.to_dict()))))

    @routes.post("/Accounts/<account_sid>/Presence/query")
    def query(account_sid: str) -> Response:
        caller = api.access.asks(sid(account_sid, ACCOUNT))
        return Response(message(caller, asking.in_body(fields.body())) + "\n", mimetype="application/json")

    def message(caller: Caller, asked: Asked) -> str:
        """The one message: all whom the caller may see of those asked for."""
        account_sid, seen, now = caller.account_sid, asked.seen_by(caller), api.now()
        if asked.by_name and not seen.limits:
            manner = Manner(seen.hidden, asked.capability, seen.detail)
            as_of, texts = rosters.named(account_sid, asked.names, now, manner)
            return message_text(as_of, texts, (), "")
        page = asking.page_of(keys, account_sid, asked)
        try:
            found = _found(database, account_sid, asked, seen, page, now)
        except CursorGone as gone:
            raise ApiError(410, 20410, f"Take a snapshot, without since: {gone}.") from gone
        as_of = page.as_of if page else found.as_of
        next_page = Page(as_of=as_of, after=found.rest)
        token = asking.page_token(keys, account_sid, asked, next_page) if found.rest else ""
        entries = (
            presence_text(account_sid, name, client, now, capability=asked.capability, detail=seen.detail)
            for name, client in found.clients.items()
        )
        return message_text(as_of, entries, found.removed, token)

    return routes


def _found(
    database: Database, account_sid: str, asked: Asked, seen: View, page: Page | None, now: float
) -> News:
    """The clients of a page."""
    after, size = page.after if page else "", asked.page_size
    if asked.since is not None:
        most = size or MOST_NAMES
        return news(database, account_sid, seen, asked.since, now, after=after, limit=most)
    if size is None:
        there = viewed(database, account_sid, seen, now)
        named = {name: there.clients[name] for name in asked.names if name in there.clients}
        return News(as_of=there.as_of, clients=named)
    began = page.as_of if page else None
    there = viewed(database, account_sid, seen, now, after=after, limit=size + 1, changed_since=began)
    names = list(there.clients)
    if len(names) > size:
        there.clients.pop(names[size])
    return News(as_of=there.as_of, clients=there.clients, rest=names[size - 1] if len(names) > size else "")


def _answer(body: bytes, headers: Headers) -> Response:
    """The bytes, or 304 for who has them already."""
    if request.if_none_match.contains(dict(headers)["ETag"].strip('"')):
        return Response(status=304, headers=[one for one in headers if not one[0].startswith("Content-")])
    return Response(body, headers=headers)
