"""/AvailablePhoneNumbers: what the operator offers and no account has (twilio-surface 5.9).

Where a number is at home is not known here, so a search by place finds nothing.
"""

from itertools import islice
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from callrouter.api import params
from callrouter.api.context import api
from callrouter.api.paging import LARGEST_PAGE, PAGE_SIZE, Page
from callrouter.api.params import parameter
from callrouter.api.render import Kind, not_found, path, respond, respond_all, respond_list
from callrouter.api.routes import View, route
from callrouter.directory import pool
from callrouter.directory.e164 import Market, country, market, national

KIND = Kind(one="AvailablePhoneNumber", many="AvailablePhoneNumbers", key="available_phone_numbers")
COUNTRY = Kind(one="Country", many="Countries", key="countries")
COLLECTION = "/Accounts/<account_sid>/AvailablePhoneNumbers"
CAPABILITIES = {"voice": True, "sms": True, "mms": True, "fax": False}
PLACES = ("InPostalCode", "InRegion", "InRateCenter", "InLata", "InLocality", "NearNumber", "NearLatLong")
PATTERN = r"\+?[0-9*]{2,16}"
FILTERS = (
    parameter("AreaCode", "area_code", params.matching("[0-9]{3}", "three digits", 21451)),
    parameter("Contains", "contains", params.matching(PATTERN, "at least two digits, with * for any", 21421)),
    parameter("PageSize", "size", params.integer(1, LARGEST_PAGE, 20007)),
    *(parameter(f"{name.title()}Enabled", name, params.flag) for name in CAPABILITIES),
)
UNKNOWN = dict.fromkeys(
    ("lata", "locality", "rate_center", "latitude", "longitude", "region", "postal_code"), None
)

routes = Blueprint("available", __name__)


@route(routes, "GET", COLLECTION)
def list_countries(account_sid: str) -> Response:
    """All of them: Twilio describes no pages here."""
    found = api().read(lambda c: {country(number) for number in pool.available(c)})
    codes = sorted(code for code in found if code)
    here = path(account_sid, "AvailablePhoneNumbers")
    return respond_all(COUNTRY, [_country(account_sid, code) for code in codes], here)


@route(routes, "GET", f"{COLLECTION}/<country_code>")
def fetch_country(account_sid: str, country_code: str) -> Response:
    code = country_code.upper()
    if not api().read(lambda c: any(country(number) == code for number in pool.available(c))):
        raise not_found()
    return respond(COUNTRY, _country(account_sid, code))


def _list(type: Market) -> View:
    def list_available(account_sid: str, country_code: str) -> Response:
        if len(country_code) != 2 or not country_code.isascii() or not country_code.isalpha():
            raise not_found()
        wanted = params.given(FILTERS, request.args)
        size = wanted.get("size", PAGE_SIZE)
        found = api().read(lambda c: _found(c, type, country_code.upper(), wanted, size))
        page = Page(rows=[], number=0, size=size, next_token=None, previous_token=None)
        return respond_list(KIND, page, [_shown(number) for number in found])

    list_available.__name__ += f"_{type.name.lower()}"
    return list_available


for _type in Market:
    route(routes, "GET", f"{COLLECTION}/<country_code>/{_type}")(_list(_type))


def _found(
    connection: Connection, type: Market, country_code: str, wanted: dict[str, Any], size: int
) -> list[str]:
    if any(request.args.get(place) for place in PLACES):
        return []
    if any(wanted.get(name) and not able for name, able in CAPABILITIES.items()):
        return []
    area, contains = wanted.get("area_code"), wanted.get("contains", "")
    numbers = (
        number
        for number in pool.available(connection, pattern=f"*{contains}*")
        if country(number) == country_code
        and market(number) is type
        and (area is None or number.startswith(f"+1{area}"))
    )
    return list(islice(numbers, size))


def _country(account_sid: str, code: str) -> dict[str, Any]:
    """Its name is known to no library of ours, so its code stands for it; all seven lists are there."""
    here = ("AvailablePhoneNumbers", code)
    return {
        "country_code": code,
        "country": code,
        "beta": False,
        "uri": path(account_sid, *here),
        "subresource_uris": {each.name.lower(): path(account_sid, *here, each) for each in Market},
    }


def _shown(number: str) -> dict[str, Any]:
    return {
        **UNKNOWN,
        "friendly_name": national(number),
        "phone_number": number,
        "iso_country": country(number),
        "address_requirements": "none",
        "beta": False,
        "capabilities": CAPABILITIES,
    }
