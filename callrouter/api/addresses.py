"""Whom a call or a message is for or from, as customers write it: phone numbers with the usual separators, clients."""

import re

from callrouter.directory.e164 import e164
from callrouter.directory.errors import Refused
from foundation.webserver.errors import ApiError
from instructions.attributes import IDENTITY

CLIENT = "client:"
SEPARATORS = re.compile(r"[ ().-]")


def phone(name: str, text: str, code: int) -> str:
    """The number in E.164; ApiError 400 with that code when it is none."""
    try:
        return e164(SEPARATORS.sub("", text))
    except Refused as error:
        raise ApiError(400, code, f"{name}: {error}.") from error


def client(name: str, address: str, code: int) -> str:
    """`client:` and an identity; ApiError 400 with that code when it is none."""
    try:
        return CLIENT + IDENTITY.read(address.removeprefix(CLIENT))
    except ValueError as error:
        raise ApiError(400, code, f"{name}: {error}.") from error
