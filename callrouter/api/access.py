"""Who may ask for what: authentication, accounts and subaccounts, suspended accounts, caps on a request."""

from flask import g, request

from callrouter.api.context import api, principal
from callrouter.api.render import not_found
from callrouter.directory import accounts
from callrouter.directory.authentication import authenticate
from foundation.sids import is_sid
from foundation.webserver.errors import ApiError

FORMS = ("", "application/x-www-form-urlencoded", "multipart/form-data")
FIELDS = 1000
CHALLENGE = {"WWW-Authenticate": 'Basic realm="Twilio API"'}


def check_form() -> None:
    """A cap on fields, and a clear word to whoever posts JSON (reliability-security 4.19)."""
    if request.method == "POST" and request.content_length and request.mimetype not in FORMS:
        raise ApiError(415, 20001, "The body must be application/x-www-form-urlencoded.")
    if sum(1 for _ in request.values.items(multi=True)) > FIELDS:
        raise ApiError(400, 20001, f"A request takes at most {FIELDS} parameters.")


def check_access() -> None:
    """Leaves the principal and the account in `flask.g`, or refuses.

    401/20003 wrong credentials; 404/20404 an account that is not the principal's, as if there were none;
    403/20005 an account that is suspended or closed, which its owner may read but not use.
    """
    sids = {name: given for name, given in (request.view_args or {}).items() if name.endswith("sid")}
    with api().database.read() as connection:
        asking = authenticate(connection, *_credentials())
        if asking is None:
            raise ApiError(401, 20003, "Authenticate", CHALLENGE)
        if not all(map(is_sid, sids.values())):  # PostgreSQL can't even be asked for some texts
            raise not_found()
        wanted, own = sids.get("account_sid"), asking.account
        named = own if wanted in (None, own.account_sid) else accounts.find(connection, wanted)
    if not asking.account.active:
        raise ApiError(403, 20005, "The account is not active.")
    if named is None or not asking.may_act_on(named):
        raise not_found()
    g.principal, g.account = asking, named


def _credentials() -> tuple[str, str]:
    given = request.authorization
    if given is None or given.type != "basic":
        return "", ""
    return given.username or "", given.password or ""


def demand_active() -> None:
    """Nothing is changed in a suspended or closed subaccount."""
    if request.method not in ("GET", "HEAD") and not g.account.active:
        raise ApiError(403, 20005, "The account is not active.")


def demand_management() -> None:
    """Accounts and keys are closed to standard keys (twilio-surface 5.2)."""
    if not principal().may_manage:
        raise ApiError(403, 20003, "A standard API key cannot manage accounts and keys; use the auth token.")
