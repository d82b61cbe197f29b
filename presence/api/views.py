"""`/Presence`: who is there (PR-26 to PR-39)."""

from flask import Blueprint, Response, jsonify

from foundation.sids import ACCOUNT
from presence import fields, rendering
from presence.access import Kind
from presence.api.shared import Api, client_name, sid
from presence.identity import LONGEST
from presence.snapshots import Client, snapshot

MOST_NAMES = 1000


def views(api: Api) -> Blueprint:
    routes = Blueprint("views", __name__, url_prefix="/v1")
    database = api.store.database

    @routes.get("/Accounts/<account_sid>/Presence/<client>")
    def fetch(account_sid: str, client: str) -> Response:
        api.access.asks(sid(account_sid, ACCOUNT), Kind.SERVICE)
        now = api.now()
        found = snapshot(database, account_sid, [client_name(client)], now).clients.get(client, Client())
        return jsonify(rendering.presence(account_sid, client, found, now))

    @routes.post("/Accounts/<account_sid>/Presence/query")
    def query(account_sid: str) -> Response:
        api.access.asks(sid(account_sid, ACCOUNT), Kind.SERVICE)
        names = fields.texts(fields.body(), "clients", MOST_NAMES, LONGEST)
        now = api.now()
        there = snapshot(database, account_sid, map(client_name, names), now)
        nobody = Client()
        clients = [
            rendering.presence(account_sid, name, there.clients.get(name, nobody), now) for name in names
        ]
        return jsonify(as_of=there.as_of, clients=clients)

    return routes
