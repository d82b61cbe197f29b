"""What the pages of numbers and short codes have in common: an address that is given once, a name, a carrier."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection

from callrouter.console.directory import choices
from callrouter.console.directory.fields import Field, Kind, url

T = TypeVar("T")
MESSAGES = "When a message comes"
MESSAGE_URLS = (
    url("sms_url", "Message URL", MESSAGES),
    url("sms_fallback_url", "Message fallback URL", MESSAGES),
)
CARRIER = Field(
    name="carrier",
    label="Carrier",
    kind=Kind.CHOICE,
    group="Operator",
    choices=choices.carriers,
    operator=True,
)


def address(name: str, label: str, hint: str, **more: Any) -> Field:
    """The number or code itself. Both directories say by the same codes that it is none, or an account's already."""
    return Field(name=name, label=label, hint=hint, codes=(21421, 21422), required=True, fixed=True, **more)


def named_after(create: Callable[..., T], name: str) -> Callable[..., T]:
    """The directory's `create`, as a Resource has it. Without a name of its own a thing is named after its address."""

    def made(connection: Connection, account_sid: str, sid: str, settings: dict[str, Any], now: float) -> T:
        columns = {key: value for key, value in settings.items() if value or key != "friendly_name"}
        own = {name: columns.pop(name, "")}
        return create(connection, account_sid=account_sid, sid=sid, settings=columns, now=now, **own)

    return made
