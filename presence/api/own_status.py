"""`/Clients/{name}/Status`: what a client says of itself, for all its devices now and later (PR-20, PR-22)."""

from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, jsonify

from foundation.sids import ACCOUNT
from presence import fields
from presence.access.refusals import AccessRefused, Refusal
from presence.access.tokens import demand_publish
from presence.api.registrations import LONGEST_NOTE, READERS
from presence.api.shared import Api, client_name, sid, stored
from presence.changes import ClientRow


def own_status(api: Api) -> Blueprint:
    routes = Blueprint(
        "own_status", __name__, url_prefix="/v1/Accounts/<account_sid>/Clients/<client>/Status"
    )
    store = api.store

    @routes.get("")
    def fetch(account_sid: str, client: str) -> Response:
        grant = api.access.asks(sid(account_sid, ACCOUNT), *READERS).grant
        if grant is not None and grant.identity != client:
            raise AccessRefused(Refusal.FOREIGN)
        row = store.registrations(account_sid, client_name(client)).client
        return jsonify(_shown(account_sid, client, row))

    @routes.put("")
    def put(account_sid: str, client: str) -> Response:
        grant = api.access.asks(sid(account_sid, ACCOUNT), *READERS).grant
        if grant is not None:
            demand_publish(grant, account_sid, client)
        client_name(client)
        body = fields.body()
        if "status" not in body:
            raise fields.invalid("status must be the name of a status, or null for none of its own.")
        status = "" if body["status"] is None else fields.text(body, "status", 64)
        note, based_on = fields.text(body, "note", LONGEST_NOTE, default=""), fields.version(body)
        chosen = store.choose(account_sid, client, status, note, api.now(), based_on=based_on)
        row = ClientRow(version=stored(chosen), chosen_status=status, chosen_note=note)
        return jsonify(_shown(account_sid, client, row))

    return routes


def _shown(account_sid: str, client: str, row: ClientRow) -> dict[str, Any]:
    return {
        "account_sid": account_sid,
        "client": client,
        "status": row.chosen_status or None,
        "chosen": bool(row.chosen_status),
        "note": row.chosen_note,
        "version": row.version,
        "uri": f"/v1/Accounts/{account_sid}/Clients/{quote(client, safe='')}/Status",
    }
