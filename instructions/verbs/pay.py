from __future__ import annotations

from instructions.attributes import (
    FLAG,
    LANGUAGE,
    METHOD,
    URL,
    attribute,
    choice,
    count,
    seconds,
    text,
    words,
)
from instructions.elements import Verb
from instructions.verbs.parameter import Parameter
from instructions.verbs.pause import Pause
from instructions.verbs.play import Play
from instructions.verbs.say import Say

_CARDS = words("visa", "mastercard", "amex", "maestro", "discover", "optima", "jcb", "diners-club", "enroute")


class Prompt(Verb, nests=(Say, Play, Pause)):
    """What <Pay> says at one step. Twilio's libraries also write it as a verb."""

    for_: str | None = attribute(
        choice(
            "payment-card-number",
            "expiration-date",
            "security-code",
            "postal-code",
            "payment-processing",
            "bank-account-number",
            "bank-routing-number",
        ),
        default=None,
    )
    error_type: tuple[str, ...] = attribute(
        words(
            "timeout",
            "invalid-card-number",
            "invalid-card-type",
            "invalid-date",
            "invalid-security-code",
            "internal-error",
            "input-matching-failed",
        ),
        default=(),
    )
    card_type: tuple[str, ...] = attribute(_CARDS, default=())
    attempt: str | None = attribute(text(64), default=None)
    require_matching_inputs: bool = attribute(FLAG, default=False)


class Pay(Verb, nests=(Prompt, Parameter)):
    """Takes a card payment by phone."""

    input: str = attribute(choice("dtmf"), default="dtmf")
    action: str | None = attribute(URL, default=None, code=11100)
    bank_account_type: str = attribute(
        choice("consumer-checking", "consumer-savings", "commercial-checking", "commercial-savings"),
        default="consumer-checking",
    )
    status_callback: str | None = attribute(URL, default=None, code=11100)
    status_callback_method: str = attribute(METHOD, default="POST")
    timeout: int = attribute(seconds(), default=5)
    max_attempts: int = attribute(count(1, 100), default=1)
    security_code: bool = attribute(FLAG, default=True)
    postal_code: str = attribute(text(16), default="true")
    min_postal_code_length: int | None = attribute(count(0, 16), default=None)
    payment_connector: str = attribute(text(64), default="Default")
    payment_method: str = attribute(choice("credit-card", "ach-debit"), default="credit-card")
    token_type: str = attribute(choice("one-time", "reusable", "payment-method"), default="reusable")
    charge_amount: str | None = attribute(text(16), default=None)
    currency: str = attribute(text(8), default="usd")
    description: str | None = attribute(text(512), default=None)
    valid_card_types: tuple[str, ...] = attribute(_CARDS, default=("visa", "mastercard", "amex"))
    language: str = attribute(LANGUAGE, default="en-US")
