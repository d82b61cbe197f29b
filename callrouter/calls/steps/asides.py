"""Asides: documents that run on a leg while its program's verb waits, such as hold music or an announcement.

An aside is a program of its own. It shares the leg with the one that waits: its commands act there, and keys come to
both. Its name in the session is never used twice, so whatever comes late for an earlier one finds nobody.
"""

from dataclasses import replace

from callrouter.calls import stay
from callrouter.calls.session import Leg
from callrouter.calls.steps.dialling import Dialling
from instructions import commands as c
from instructions import events as e
from instructions.interpreter import advance, new_session
from instructions.outcomes import Role

APART = "|"
"""Between an aside's name and what it calls a sound of its own."""


class Asides(Dialling):
    """The part of a draft that is about asides."""

    def tell(self, program: str, event: e.Event) -> None:
        """See Program."""
        raise NotImplementedError

    def do(self, program: str, command: c.Command) -> None:
        """See Program."""
        raise NotImplementedError

    def run_aside(self, leg: Leg, command: c.RunAside) -> None:
        self.stop_aside(leg)
        if not leg.live:
            return
        program = stay.address(leg.name, self.session.commands + len(self.outbox))
        aside = stay.Aside(
            name=command.aside, url=command.url, parameters=dict(command.params), queue=command.queue
        )
        state = new_session(
            url=command.url,
            method=command.method,
            answered=True,
            role=Role(command.role),
            caller=leg.from_,
        )
        self.session = replace(self.session, asides={**self.session.asides, program: aside})
        self.session = self.session.with_program(program, state)
        self.tell(program, e.Started(at=self.at))

    def stop_aside(self, leg: Leg) -> None:
        """Whatever it has under way ends with it; what it would still ask the app for is not asked."""
        program = self.session.aside_on(leg.name)
        if program is None:
            return
        _, wanted = advance(self.session.programs[program], e.HungUp(at=self.at))
        self.drop_aside(program)
        for command in wanted:
            if not isinstance(command, c.Fetch | c.Finish):
                self.do(program, command)

    def aside_over(self, program: str, reason: c.FinishReason) -> None:
        """It came to its end by itself: its verb decides what follows."""
        aside = self.session.asides[program]
        self.drop_aside(program)
        self.tell(stay.leg_of(program), e.AsideEnded(at=self.at, aside=aside.name, reason=reason))

    def drop_aside(self, program: str) -> None:
        asides = {key: value for key, value in self.session.asides.items() if key != program}
        self.session = replace(self.session, asides=asides).with_program(program, None)


def apart(program: str, sound_id: str) -> str:
    """The voice node's name for a program's sound: an aside's tells whose it is."""
    return f"{program}{APART}{sound_id}" if "~" in program else sound_id


def together(leg: str, sound_id: str) -> tuple[str, str]:
    """The program that a sound of this leg is of, and what that calls it."""
    program, bar, name = sound_id.rpartition(APART)
    return (program, name) if bar else (leg, sound_id)
