"""The webhook options that numbers and applications share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

SHARED = (
    ("--name", "friendly_name", "What people call it."),
    ("--voice-url", "voice_url", "Asked for TwiML when a call comes."),
    ("--voice-method", "voice_method", "GET or POST."),
    ("--voice-fallback-url", "voice_fallback_url", "Asked when the voice URL fails."),
    ("--voice-fallback-method", "voice_fallback_method", "GET or POST."),
    ("--status-callback", "status_callback", "Told when a call has ended."),
    ("--status-callback-method", "status_callback_method", "GET or POST."),
    ("--sms-url", "sms_url", "Asked for TwiML when a message comes."),
    ("--sms-method", "sms_method", "GET or POST."),
    ("--sms-fallback-url", "sms_fallback_url", "Asked when the message URL fails."),
    ("--sms-fallback-method", "sms_fallback_method", "GET or POST."),
)
_NAME, *_REST = SHARED
SHORT_CODE = (
    _NAME,
    *(row for row in _REST if row[1].startswith("sms_")),
    ("--carrier", "carrier", "Carrier that sends its messages."),
)
NUMBER = (
    *SHARED,
    ("--app", "voice_application_sid", "Application that takes its calls instead of the voice URL."),
    ("--sms-app", "sms_application_sid", "Application that takes its messages instead of the message URL."),
    ("--carrier", "carrier", "Carrier that places calls from it."),
)
APPLICATION = (
    *SHARED,
    ("--message-status-callback", "message_status_callback", "Told how messages fare."),
)


def options(table: tuple[tuple[str, str, str], ...]) -> Callable[[F], F]:
    """Adds them all; a command gets every one as a keyword, None when it was not given."""

    def decorate(command: F) -> F:
        for flag, field, meaning in reversed(table):
            command = click.option(flag, field, help=meaning)(command)
        return command

    return decorate


def given(settings: dict[str, str | None]) -> dict[str, str]:
    return {field: text for field, text in settings.items() if text is not None}
