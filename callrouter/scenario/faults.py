"""What can be wrong with a scenario: its file, or what happened when it was played."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, order=True)
class Fault:
    """A place in a file, counted from 1, and what is wrong there with its remedy."""

    line: int
    column: int
    message: str


class WrongScenario(Exception):
    """The file is no scenario: `faults` are all that were found, in their order, at most one for a line."""

    def __init__(self, name: str, faults: list[Fault]) -> None:
        self.name, self.faults = name, sorted(faults)
        super().__init__(
            "\n".join(f"{name}:{fault.line}:{fault.column}: {fault.message}" for fault in self.faults)
        )


class Differs(AssertionError):
    """What was expected did not happen; the text says what did, in one line."""

    __module__ = "callrouter"  # in a test's summary the name is short

    def __init__(self, text: str) -> None:
        super().__init__("".join(c if c.isprintable() else " " for c in text))


class CannotPlay(Exception):
    """The scenario could not be tried at all: this machine, or an app that is not there. The text says what to do."""
