"""What a caller hears while a dialled leg rings: the ringback of a country, as `<Dial ringTone>` names them."""

import phonenumbers
from phonenumbers import NumberParseException

from callrouter.voice.media.ringback import RINGBACKS

UNITED_STATES = "ringback"
_NAMES = {"GB": "uk"}


def tone(country: str | None, to: str) -> str:
    """The voice node's name of the tone: of that country, else of where the number is, else the American one."""
    name = country or _country(to)
    return f"ringback-{name}" if name in RINGBACKS else UNITED_STATES


def _country(to: str) -> str:
    if not to.startswith("+"):
        return ""
    try:
        code = phonenumbers.parse(to).country_code
    except NumberParseException:
        return ""
    region = phonenumbers.region_code_for_country_code(code or 0)
    return _NAMES.get(region, region.lower())
