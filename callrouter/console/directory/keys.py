"""API keys: a key's secret signs access tokens and authenticates REST requests; it is shown once."""

from flask import Blueprint, Response, request

from callrouter import models
from callrouter.console.access import viewer
from callrouter.console.context import Console
from callrouter.console.directory.resource import demand_active, to
from callrouter.console.directory.secrets import shown_once
from callrouter.console.lists import listed
from callrouter.console.pages import page
from callrouter.directory import credentials, keys
from callrouter.directory.errors import Missing, Refused
from foundation.sids import API_KEY, is_sid, new_sid

ROOT = "/console/keys"
TABLE = models.ApiKey.__table__.c
NOTE = "Give it to whatever mints access tokens for your clients, or calls REST with the key's SID as the user name."


def add(blueprint: Blueprint, console: Console) -> None:
    def _list(status: int = 200, fault: str = "") -> Response:
        mine = viewer().account_sid
        found = console.read(lambda c: listed(c, keys.listed(mine), TABLE.date_created, TABLE.sid))
        return page("console/keys.html", status, list=found, fault=fault)

    @blueprint.get("/keys", endpoint="keys")
    def list_() -> Response:
        return _list()

    @blueprint.post("/keys", endpoint="keys_create")
    def create() -> Response:
        demand_active()
        secret, sid, now, mine = (
            credentials.new_secret(),
            new_sid(API_KEY),
            console.now(),
            viewer().account_sid,
        )
        sealed = credentials.seal(console.parts.keys, secret)
        name, main = request.form.get("friendly_name", "").strip(), "main" in request.form
        try:
            console.write(
                lambda c: keys.create(
                    c,
                    account_sid=mine,
                    sid=sid,
                    credential=sealed,
                    now=now,
                    friendly_name=name,
                    main=main,
                )
            )
        except Refused as refused:
            return _list(400, f"{refused}.")
        return shown_once("The new API key", {"SID": sid, "Secret": secret}, back=ROOT, note=NOTE)

    @blueprint.post("/keys/<sid>/delete", endpoint="keys_delete")
    def delete(sid: str) -> Response:
        demand_active()
        if not is_sid(sid, API_KEY):
            raise Missing("API key")
        mine, now = viewer().account_sid, console.now()
        console.write(lambda c: keys.remove(c, mine, sid, now))
        return to(ROOT)
