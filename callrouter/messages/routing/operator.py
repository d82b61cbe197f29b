"""What the operator says about all routes, by settings: the same for as long as a process lives."""

from dataclasses import dataclass

from foundation.settings import Settings


@dataclass
class Wishes:
    """`report_seconds`: so long after its hand-off a message that nobody reported counts as lost (MR-4).
    `explored`: the share of messages that try out routes that do not lead (MR-7); with 0 none does."""

    report_seconds: float = 600.0
    explored: float = 0.05


wishes = Wishes()


def follow(settings: Settings) -> None:
    """Once, when the process starts."""
    wishes.report_seconds, wishes.explored = settings.message_report_seconds, settings.message_exploration
