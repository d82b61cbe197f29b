"""The webhook parameters that numbers and applications share (twilio-surface 5.9).

Texts are only measured here: `callrouter.directory` judges URLs and methods, for the command line as well.
"""

from typing import Any, Protocol

from callrouter.api import params
from callrouter.api.params import parameter
from callrouter.api.render import API_VERSION, date

_URL = params.text(8192, 21402)
_METHOD = params.text(8, 21403)

NAME = parameter("FriendlyName", "friendly_name", params.text(64, 20002))
WEBHOOKS = (
    NAME,
    parameter("VoiceUrl", "voice_url", _URL),
    parameter("VoiceMethod", "voice_method", _METHOD),
    parameter("VoiceFallbackUrl", "voice_fallback_url", _URL),
    parameter("VoiceFallbackMethod", "voice_fallback_method", _METHOD),
    parameter("VoiceCallerIdLookup", "voice_caller_id_lookup", params.flag),
    parameter("StatusCallback", "status_callback", params.text(8192, 21502)),
    parameter("StatusCallbackMethod", "status_callback_method", _METHOD),
    parameter("SmsUrl", "sms_url", _URL),
    parameter("SmsMethod", "sms_method", _METHOD),
    parameter("SmsFallbackUrl", "sms_fallback_url", _URL),
    parameter("SmsFallbackMethod", "sms_fallback_method", _METHOD),
)


class Webhooks(Protocol):
    """What a number and an application have in common; read-only, as their classes are frozen."""

    @property
    def account_sid(self) -> str: ...
    @property
    def sid(self) -> str: ...
    @property
    def friendly_name(self) -> str: ...
    @property
    def date_created(self) -> float: ...
    @property
    def date_updated(self) -> float: ...


def shown(it: Webhooks) -> dict[str, Any]:
    """The properties that both have, under Twilio's names."""
    fields = [one.field for one in WEBHOOKS if one is not NAME]
    return {
        "account_sid": it.account_sid,
        "sid": it.sid,
        "friendly_name": it.friendly_name,
        "api_version": API_VERSION,
        "date_created": date(it.date_created),
        "date_updated": date(it.date_updated),
        **{name: getattr(it, name) for name in fields},
    }
