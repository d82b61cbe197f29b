"""Where a number is, as webhooks tell it: the country by the offline data of `phonenumbers`, the rest empty.

Twilio sends these parameters always, and empty where it does not know
(https://www.twilio.com/docs/voice/twiml#request-parameters).
"""

from functools import lru_cache

from callrouter.directory import e164

FIELDS = ("City", "State", "Zip", "Country")


def parameters(role: str, address: str) -> dict[str, str]:
    """`FromCity` and so on, for the role `From`; all are empty for a client, a name or a short code."""
    return {**dict.fromkeys((f"{role}{field}" for field in FIELDS), ""), f"{role}Country": _country(address)}


@lru_cache(maxsize=10_000)
def _country(address: str) -> str:
    return (e164.country(address) if e164.E164.fullmatch(address) else None) or ""
