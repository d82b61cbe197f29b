"""The recognition of what a leg's far end says, for the program that asked for it."""

from dataclasses import replace

from callrouter.calls import parameters
from callrouter.calls.running import Listening
from callrouter.calls.session import Leg
from callrouter.calls.steps.draft import Entry
from callrouter.calls.steps.streaming import Streaming
from instructions import commands as c


class Recognising(Streaming):
    """The part of a draft that is about speech."""

    def listen(self, leg: Leg, program: str, command: c.Listen | c.StopListening) -> None:
        running = self.session.listening.get(program)
        match command:
            case c.Listen():
                wanted = Listening(
                    id=self.entry_id(), leg=leg.name, name=command.listen, partial=command.partial
                )
                self._keep_listening(program, wanted)
                self.line("router", self.face(leg), "listens", language=command.language)
                self.send(
                    "listen",
                    leg,
                    listen=wanted.id,
                    language=command.language,
                    hints=list(command.hints),
                    silence=command.silence,
                    longest=command.longest,
                    partial=command.partial is not None,
                )
            case c.StopListening(listen=name) if running and running.name == name:
                self._keep_listening(program, None)
                self.send("listen.stop", leg, listen=running.id)

    def listener(self, id: str) -> tuple[str, Listening] | None:
        """The program that listens by this name of the voice node's; None when it does no more."""
        return next(((key, one) for key, one in self.session.listening.items() if one.id == id), None)

    def heard(self, leg: Leg, program: str, text: str) -> None:
        """The end of what was said."""
        self._keep_listening(program, None)
        self.line(self.face(leg), "router", f"says “{text}”" if text else "says nothing that is understood")

    def tell_partial(self, leg: Leg, partial: c.PartialCallback, text: str, number: int) -> None:
        """What is understood so far; nobody waits for the app's answer."""
        told = {
            **parameters.standard(self.session, leg),
            "UnstableSpeechResult": text,
            "SequenceNumber": str(number),
        }
        callback = {"call_sid": leg.call_sid, "url": partial.url, "method": partial.method}
        payload = {**callback, "parameters": told}
        self.outbox.append(Entry(kind="partial", lane=f"partial:{leg.call_sid}", payload=payload))

    def _keep_listening(self, program: str, wanted: Listening | None) -> None:
        others = {key: one for key, one in self.session.listening.items() if key != program}
        self.session = replace(
            self.session, listening=others if wanted is None else {**others, program: wanted}
        )
