"""Calls to SIP addresses, as forms have them: the address as in <Dial><Sip>, with headers after a question mark."""

import re

from werkzeug.datastructures import MultiDict

from callrouter.api import params
from callrouter.api.params import parameter
from foundation.webserver.errors import ApiError
from instructions.attributes import SIP_URI
from instructions.commands import SipTarget
from instructions.verbs.dial_sip import Sip

LONGEST_LOGIN = 255
LOGIN = (
    parameter("SipAuthUsername", "username", params.text(LONGEST_LOGIN, 21221)),
    parameter("SipAuthPassword", "password", params.text(LONGEST_LOGIN, 21222)),
)
_CALLER = re.compile(r"[A-Za-z0-9+_.-]{1,255}")


def is_sip(address: str) -> bool:
    return address.lower().startswith(("sip:", "sips:"))


def target(
    address: str, form: MultiDict[str, str], code: int
) -> tuple[SipTarget, tuple[tuple[int, str], ...]]:
    """Whom to call, and warnings of headers that are not passed on; ApiError with `code` when it is no address."""
    try:
        uri = SIP_URI.read(address)
    except ValueError as error:
        raise ApiError(400, code, f"To: {error}.") from error
    login = {name: text for name, text in params.given(LOGIN, form).items() if text}
    noun = Sip(text=uri, **login)
    (found,) = noun.targets()
    return found, tuple((problem.code, problem.message) for problem in noun.check())


def caller(address: str, code: int) -> str:
    """Whoever is shown at a SIP address need not be a number of the account's."""
    if not _CALLER.fullmatch(address):
        raise ApiError(400, code, "From takes letters, digits, +, -, _ and . in a call to a SIP address.")
    return address
