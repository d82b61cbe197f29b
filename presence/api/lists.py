"""`/ContactLists` and their members (PR-33)."""

from typing import Any

from flask import Blueprint, Response, jsonify

from foundation.sids import ACCOUNT
from presence import fields
from presence.access.callers import Caller, Kind
from presence.access.refusals import AccessRefused, Refusal
from presence.api import paging
from presence.api.shared import Api, client_name, sid, stored
from presence.definitions.lists import MOST_CLIENTS, NAME, ContactList, ContactLists, absent
from presence.identity import LONGEST
from presence.reading.rendering import moment


def lists(api: Api) -> Blueprint:
    routes = Blueprint("lists", __name__, url_prefix="/v1/Accounts/<account_sid>/ContactLists")
    stock = ContactLists(api.store)

    def owner(account_sid: str, name: str | None = None) -> None:
        api.access.asks(sid(account_sid, ACCOUNT), Kind.SERVICE, Kind.ACCOUNT)
        if name is not None and not NAME.match(name):
            raise absent(name)

    def reader(account_sid: str, name: str | None = None) -> Caller:
        """Who may read lists, and this one; any other is absent for them (PR-31)."""
        caller = api.access.asks(sid(account_sid, ACCOUNT))
        read = caller.permissions.read
        if not read:
            raise AccessRefused(Refusal.READ)
        if name is not None and not (NAME.match(name) and (read.everyone or name in read.lists)):
            raise absent(name)
        return caller

    @routes.get("")
    def fetch_all(account_sid: str) -> Response:
        read = reader(account_sid).permissions.read
        after, size = paging.asked()
        only = None if read.everyone else read.lists
        found = stock.all(account_sid, after=after, most=size + 1, only=only)
        shown, more = paging.page(found, size, lambda one: one.name)
        return jsonify(contact_lists=[_shown(account_sid, one) for one in shown], next_page_token=more)

    @routes.post("")
    def create(account_sid: str) -> tuple[Response, int]:
        owner(account_sid)
        body = fields.body()
        name = _name(body)
        clients = fields.texts(body, "clients", MOST_CLIENTS, LONGEST, default=[])
        stored(stock.create(account_sid, name, [client_name(one) for one in clients], api.now()))
        return jsonify(_shown(account_sid, stock.find(account_sid, name))), 201

    @routes.get("/<name>")
    def fetch(account_sid: str, name: str) -> Response:
        reader(account_sid, name)
        return jsonify(_shown(account_sid, stock.find(account_sid, name)))

    @routes.post("/<name>")
    def rename(account_sid: str, name: str) -> Response:
        owner(account_sid, name)
        to = _name(fields.body())
        stored(stock.rename(account_sid, name, to, api.now()))
        return jsonify(_shown(account_sid, stock.find(account_sid, to)))

    @routes.delete("/<name>")
    def delete(account_sid: str, name: str) -> tuple[str, int]:
        owner(account_sid, name)
        stored(stock.delete(account_sid, name, api.now()))
        return "", 204

    @routes.get("/<name>/Clients")
    def members(account_sid: str, name: str) -> Response:
        reader(account_sid, name)
        after, size = paging.asked()
        found = stock.clients(account_sid, name, after=after, most=size + 1)
        shown, more = paging.page(found, size, str)
        return jsonify(clients=shown, next_page_token=more)

    @routes.put("/<name>/Clients/<client>")
    def put(account_sid: str, name: str, client: str) -> tuple[str, int]:
        owner(account_sid, name)
        stored(stock.put(account_sid, name, client_name(client), api.now()))
        return "", 204

    @routes.delete("/<name>/Clients/<client>")
    def take(account_sid: str, name: str, client: str) -> tuple[str, int]:
        owner(account_sid, name)
        stored(stock.take(account_sid, name, client_name(client), api.now()))
        return "", 204

    return routes


def _name(body: dict[str, Any]) -> str:
    name = fields.text(body, "name", 64)
    if not NAME.match(name):
        raise fields.invalid("name takes 1 to 64 of letters, digits and _ . -")
    return name


def _shown(account_sid: str, one: ContactList) -> dict[str, Any]:
    return {
        "account_sid": account_sid,
        "name": one.name,
        "clients": one.clients,
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
        "uri": f"/v1/Accounts/{account_sid}/ContactLists/{one.name}",
    }
