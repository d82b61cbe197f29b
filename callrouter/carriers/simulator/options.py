"""Options that the simulator's commands share, their exit codes, and how they tell what happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from callrouter.audio.narrator import Narrator
from callrouter.carriers.simulator.events import Tell
from callrouter.carriers.simulator.texts import Line, Receipts, TextScript

REFUSED, UNREACHABLE, BUSY, UNANSWERED, DEAF, INTERRUPTED = 3, 4, 5, 6, 7, 130
"""Exit codes; 2 is click's own for wrong options. UNREACHABLE also when the control address is taken."""

Command = Callable[..., Any]
SHARE = click.FloatRange(0.0, 1.0)
SECONDS = click.FloatRange(min=0.0)
PER_SECOND = click.FloatRange(min=0.0, min_open=True)


def tell(narrator: Narrator) -> Tell:
    return lambda about, text: narrator.say(text, about.id)


def carrier_options(command: Command) -> Command:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON object per line."),
        click.option(
            "--listen", metavar="HOST:PORT", help="Where commands arrive; the carrier's control URL."
        ),
        click.option("--router", "router_url", metavar="URL", help="The router's base URL."),
        click.option("--secret", help="The carrier's secret.", envvar="CALLROUTER_CARRIER_SECRET"),
    ):
        command = option(command)
    return command


def texting_options(command: Command) -> Command:
    """What becomes of messages; for `texting_script`."""
    usual = TextScript()
    for option in (
        click.option("--seed", type=int, default=0, show_default=True, help="Of the lots that are drawn."),
        click.option(
            "--line",
            type=click.Choice([line.value for line in Line]),
            default=usual.line.value,
            show_default=True,
            help="Messages: down takes none, mute takes them and never answers.",
        ),
        click.option("--refusal", type=int, default=usual.refusal, show_default=True, metavar="30xxx"),
        click.option("--final", is_flag=True, help="No other carrier may take what is refused."),
        click.option("--refused", type=SHARE, default=0.0, help="Share of messages that are refused."),
        click.option("--early", is_flag=True, help="Reports come before the answer to the hand-over."),
        click.option("--unreported", type=SHARE, default=0.0, help="Share without any report."),
        click.option(
            "--receipt-after", type=SECONDS, default=usual.receipt_after, show_default=True, metavar="S"
        ),
        click.option(
            "--receipts",
            type=click.Choice([kind.value for kind in Receipts]),
            default=usual.receipts.value,
            show_default=True,
            help="What is reported about messages.",
        ),
        click.option("--error-code", type=int, default=usual.error_code, show_default=True, metavar="30xxx"),
        click.option(
            "--delivered", type=SHARE, default=1.0, show_default=True, help="Share that reaches its phone."
        ),
        click.option(
            "--message-rate", "rate", type=PER_SECOND, help="Messages taken in a second; more have to wait."
        ),
    ):
        command = option(command)
    return command


def texting_script(options: Mapping[str, Any]) -> TextScript:
    return TextScript(
        line=Line(options["line"]),
        receipts=Receipts(options["receipts"]),
        **{name: value for name, value in options.items() if name not in ("line", "receipts", "seed")},
    )
