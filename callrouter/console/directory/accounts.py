"""Accounts and subaccounts: the operator's are all of them, an account's its own and its subaccounts."""

from flask import Blueprint, Response, request

from callrouter import models
from callrouter.console.access import viewer
from callrouter.console.context import Console
from callrouter.console.directory.resource import to
from callrouter.console.directory.secrets import shown_once
from callrouter.console.lists import listed
from callrouter.console.pages import page
from callrouter.directory import accounts, credentials
from callrouter.directory.accounts import Account, Status
from callrouter.directory.errors import Missing, Refused
from foundation.sids import ACCOUNT, is_sid, new_sid

ROOT = "/console/accounts"
TABLE = models.Account.__table__.c
NOTE = (
    "The auth token signs your webhooks, calls REST and signs in here. "
    "An operator can read it again: `callrouter account show AC… --reveal`."
)


def add(blueprint: Blueprint, console: Console) -> None:
    def _list(status: int = 200, fault: str = "") -> Response:
        query = accounts.listed(None if viewer().operator else viewer().home_sid)
        found = console.read(lambda c: listed(c, query, TABLE.date_created, TABLE.account_sid))
        return page("console/accounts.html", status, list=found, fault=fault, Status=Status)

    @blueprint.get("/accounts", endpoint="accounts")
    def list_() -> Response:
        return _list()

    @blueprint.post("/accounts", endpoint="accounts_create")
    def create() -> Response:
        """The operator makes accounts, and subaccounts of any; an account makes subaccounts of its own."""
        seen, secret, sid, now = viewer(), credentials.new_secret(), new_sid(ACCOUNT), console.now()
        owner = seen.home_sid or (seen.account_sid if "subaccount" in request.form else None)
        sealed, name = (
            credentials.seal(console.parts.keys, secret),
            request.form.get("friendly_name", "").strip(),
        )
        try:
            if not name:
                raise Refused(20002, "An account needs a name")
            console.write(
                lambda c: accounts.create(
                    c, sid=sid, friendly_name=name, credential=sealed, now=now, owner=owner
                )
            )
        except Refused as refused:
            return _list(400, f"{refused}.")
        return shown_once(f"Account {name}", {"Account SID": sid, "Auth token": secret}, back=ROOT, note=NOTE)

    @blueprint.post("/accounts/<sid>/name", endpoint="accounts_name")
    def rename(sid: str) -> Response:
        found, now, name = _fetched(sid), console.now(), request.form.get("friendly_name", "").strip()
        try:
            console.write(lambda c: accounts.change(c, found.account_sid, now=now, friendly_name=name))
        except Refused as refused:
            return _list(400, f"{refused}.")
        return to(ROOT)

    @blueprint.post("/accounts/<sid>/<any(active, suspended, closed):status>", endpoint="accounts_status")
    def set_status(sid: str, status: str) -> Response:
        found, now, by = _fetched(sid), console.now(), viewer().home_sid or None
        try:
            console.write(lambda c: accounts.change(c, found.account_sid, now=now, status=status, by=by))
        except Refused as refused:
            return _list(refused.status, f"{refused}.")
        return to(ROOT)

    def _fetched(sid: str) -> Account:
        """One that the viewer may manage."""
        found = console.read(lambda c: accounts.find(c, sid)) if is_sid(sid, ACCOUNT) else None
        mine = viewer().operator or (
            found and viewer().home_sid in (found.account_sid, found.owner_account_sid)
        )
        if found is None or not mine:
            raise Missing(f"Account {sid}")
        return found
