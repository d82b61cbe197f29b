"""Runs a session: `advance(state, event)` is the whole of it, pure and total.

What every verb would otherwise repeat is done here, once: fetching and its fallback, answering before the
first verb that needs it, relative URLs, the end of the document, hang-up, replacement by REST, the cap on
documents, and the words to a caller whose application failed.
"""

from __future__ import annotations

import codecs
from dataclasses import replace
from functools import lru_cache

from instructions.answers import as_twiml
from instructions.commands import (
    Answer,
    Command,
    Fault,
    Fetch,
    Finish,
    FinishReason,
    Play,
    Speech,
    StopSounds,
    Warn,
)
from instructions.document import Document, parse
from instructions.elements import Verb
from instructions.errors import EMPTY, DocumentError
from instructions.events import (
    Answered,
    DocumentFailed,
    DocumentFetched,
    Event,
    HungUp,
    Replaced,
    SoundEnded,
    Started,
)
from instructions.outcomes import Call, Fail, Goto, Next, Outcome, Role, Stop, Wait
from instructions.roles import refusal
from instructions.state import Answering, Frame, Origin, Request, State, Waiting

MAX_DOCUMENTS = 500
"""Documents of one session: a redirect loop ends here."""
APOLOGY = Speech(
    text="We are sorry. Something went wrong with this service, and the call ends here.",
    markup=False,
    voice=None,
    language="en-US",
)
"""What a caller hears whose application failed for good."""


def new_session(
    *,
    url: str | None,
    method: str = "POST",
    twiml: str | None = None,
    fallback_url: str | None = None,
    fallback_method: str = "POST",
    answered: bool = False,
    role: Role = Role.CALL,
    caller: str = "",
) -> State:
    """A session that waits for Started. `twiml` goes before `url`; `caller` is the From of its own leg."""
    origin = Origin(
        url=url, method=method, twiml=twiml, fallback_url=fallback_url, fallback_method=fallback_method
    )
    answering = Answering.YES if answered else Answering.NO
    return State(role=Role(role), caller=caller, origin=origin, answering=answering)


def advance(state: State, event: Event) -> tuple[State, tuple[Command, ...]]:
    """The next state and what to do, in this order. Never raises; what means nothing now changes nothing."""
    session = _Session(state, event)
    if state.finished is None:
        session.handle()
    return session.state, tuple(session.commands)


@lru_cache(maxsize=256)
def _parse(body: bytes) -> Document:
    return parse(body)


class _Session:
    """One event's worth of a session: the state so far and the commands so far."""

    def __init__(self, state: State, event: Event) -> None:
        self.state = state
        self.event = event
        self.commands: list[Command] = []

    def handle(self) -> None:
        state, event = self.state, self.event
        match event:
            case HungUp():
                self._hung_up()
            case Replaced(url=url, twiml=twiml) if url is not None or twiml is not None:
                self._replaced(event)
            case Started() if state.waiting is Waiting.START:
                self._start()
            case Answered():
                self._set(answering=Answering.YES)
                if state.waiting is Waiting.ANSWER:
                    self._resume_document()
            case DocumentFetched(fetch=fetch) if state.request and state.request.fetch == fetch:
                self._load(event.body, event.content_type or "", event.url, state.request)
            case DocumentFailed(fetch=fetch) if state.request and state.request.fetch == fetch:
                self._broken(event.code, event.reason, None, event.url, state.request)
            case SoundEnded(sound_id=ended) if state.waiting is Waiting.FAREWELL:
                if ended == self._apology():
                    self._finish(FinishReason.APPLICATION_ERROR)
            case _ if state.waiting is Waiting.VERB:
                self._resume_verb()

    # -- documents

    def _start(self) -> None:
        origin = self.state.origin
        if origin.twiml is not None:
            self._set(documents=self.state.documents + 1)
            # Text has no encoding; with a byte order mark, whatever its XML declaration says does not matter.
            body = codecs.BOM_UTF8 + origin.twiml.removeprefix("\ufeff").encode("utf-8", "replace")
            self._load(body, None, None, None)
        elif origin.url is not None:
            self._request(Request(fetch="", url=origin.url, method=origin.method))
        else:
            self._broken(11100, "there is neither a URL nor a document to run", None, None, None)

    def _request(self, request: Request) -> None:
        number = self.state.documents + 1
        if number > MAX_DOCUMENTS:
            message = f"this call has asked for {MAX_DOCUMENTS} documents; it ends here, because they loop"
            self._fault(11215, message, None, request.url)
            return self._fail()
        request = replace(request, fetch=f"fetch-{number}")
        self._set(request=request, frames=(), waiting=Waiting.DOCUMENT, documents=number)
        self.commands.append(
            Fetch(
                fetch=request.fetch,
                url=request.url,
                method=request.method,
                params=request.params,
                leg=request.leg,
                recording=request.recording,
            )
        )

    def _load(self, body: bytes, content_type: str | None, url: str | None, request: Request | None) -> None:
        try:
            if content_type is not None:
                body = as_twiml(body, content_type, url or "")
            document = _parse(body)
        except DocumentError as fault:
            return self._broken(fault.code, fault.message, fault.line, url, request)
        for problem in document.warnings:
            self.commands.append(Warn(code=problem.code, message=problem.message, line=problem.line, url=url))
        self._set(request=None)
        self._run(document, Frame(document=body, url=url, cursor=0, verb=""))

    def _broken(
        self, code: int, message: str, line: int | None, url: str | None, request: Request | None
    ) -> None:
        """A document cannot be had or cannot run: the fallback, once for each (I9)."""
        failed = url or (request.url if request else None)
        self._fault(code, message, line, failed)
        origin = self.state.origin
        if origin.fallback_url is None or (request and request.fallback):
            if (
                code == EMPTY and self.state.role is Role.CALL
            ):  # nobody else may be put through by no document
                return self._finish(FinishReason.END_OF_DOCUMENT)
            return self._fail()
        errors = (("ErrorCode", str(code)), *([("ErrorUrl", failed)] if failed else ()))
        self._request(
            Request(
                fetch="",
                url=origin.fallback_url,
                method=origin.fallback_method,
                params=(*(request.params if request else ()), *errors),
                leg=request.leg if request else None,
                recording=request.recording if request else None,
                fallback=True,
            )
        )

    # -- verbs

    def _run(self, document: Document, frame: Frame) -> None:
        """Run verbs from the frame's cursor until one waits or leaves the document."""
        for cursor in range(frame.cursor, len(document.verbs)):
            verb = document.verbs[cursor]
            frame = replace(frame, cursor=cursor, verb=verb.tag, memory=None)
            if verb.needs_answer() and self.state.answering is not Answering.YES:
                if self.state.answering is Answering.NO:
                    self.commands.append(Answer())
                return self._set(answering=Answering.ASKED, waiting=Waiting.ANSWER, frames=(frame,))
            call = self._call(frame)
            if not self._done(refusal(verb, call) or verb.begin(call), frame, verb):
                return None
        self._finish(FinishReason.END_OF_DOCUMENT)

    def _done(self, outcome: Outcome, frame: Frame, verb: Verb) -> bool:
        """Carry an outcome out. True: the next verb of this document is to run."""
        self.commands.extend(outcome.commands)
        if any(isinstance(command, Answer) for command in outcome.commands):
            self._set(answering=Answering.ASKED)
        match outcome:
            case Next():
                return True
            case Wait(memory=memory):
                self._set(frames=(replace(frame, memory=memory),), waiting=Waiting.VERB)
            case Goto():
                self._goto(outcome, frame, verb)
            case Fail(code=code, message=message):
                self._broken(code, message, verb.line, frame.url, None)
            case Stop(reason=reason):
                self._finish(reason)
        return False

    def _goto(self, goto: Goto, frame: Frame, verb: Verb) -> None:
        url = self._call(frame).resolve(goto.url)
        if url is None:
            message = f"<{verb.tag}> goes to {goto.url[:80]!r}, but this document has no URL to start from"
            return self._broken(15004, message, verb.line, frame.url, None)
        self._request(
            Request(
                fetch="",
                url=url,
                method=goto.method,
                params=goto.params,
                leg=goto.leg,
                recording=goto.recording,
            )
        )

    def _running(self) -> tuple[Document, Frame, Verb] | None:
        """The running document again; None should an upgrade read it differently."""
        frame = self.state.frames[-1]
        try:
            document = _parse(frame.document)
            verb = document.verbs[frame.cursor]
        except (DocumentError, IndexError):
            return None
        return (document, frame, verb) if verb.tag == frame.verb else None

    def _reload(self) -> tuple[Document, Frame, Verb] | None:
        """The running document again. Should an upgrade read it differently, the call ends: nobody guesses."""
        found = self._running()
        if found is None:
            frame = self.state.frames[-1]
            self._leave()
            self._fault(12400, f"the stored document no longer has <{frame.verb}> here", None, frame.url)
            self._fail()
        return found

    def _resume_document(self) -> None:
        if found := self._reload():
            document, frame, _ = found
            self._run(document, frame)

    def _resume_verb(self) -> None:
        found = self._reload()
        if not found:
            return
        document, frame, verb = found
        outcome = verb.resume(self._call(frame), frame.remembered(), self.event)
        if outcome and self._done(outcome, frame, verb):
            self._run(document, replace(frame, cursor=frame.cursor + 1))

    # -- the call

    def _hung_up(self) -> None:
        """The own leg is gone."""
        self._hush()
        if self.state.waiting is Waiting.VERB and (found := self._reload()):
            self._part(found)
        if self.state.finished is None:
            self._finish(FinishReason.CALLER_HUNG_UP)

    def _replaced(self, event: Replaced) -> None:
        may_report = self.state.waiting is Waiting.VERB and self.state.documents < MAX_DOCUMENTS - 1
        if may_report and (found := self._running()):
            self._part(found)
        else:
            self._leave()
        old = self.state.origin
        keep = event.fallback_url is None
        origin = Origin(
            url=event.url,
            method=event.method,
            twiml=event.twiml,
            fallback_url=old.fallback_url if keep else event.fallback_url,
            fallback_method=old.fallback_method if keep else event.fallback_method,
        )
        self._set(origin=origin, request=None, frames=())
        self._start()

    def _part(self, found: tuple[Document, Frame, Verb]) -> None:
        """The running verb ends from outside. It may report to its `action`; the answer has no effect."""
        _, frame, verb = found
        outcome = verb.resume(self._call(frame), frame.remembered(), self.event)
        self.commands.extend(outcome.commands if outcome else frame.remembered().leave())
        if isinstance(outcome, Goto) and self._call(frame).resolve(outcome.url):
            self._goto(outcome, frame, verb)

    def _leave(self) -> None:
        self._hush()
        for frame in self.state.frames:
            self.commands.extend(frame.remembered().leave())

    def _call(self, frame: Frame) -> Call:
        return Call(
            at=self.event.at,
            url=frame.url,
            answered=self.state.answering is not Answering.NO,
            role=self.state.role,
            caller=self.state.caller,
            place=f"{self.state.documents}-{frame.cursor}",
        )

    def _fault(self, code: int, message: str, line: int | None, url: str | None) -> None:
        self.commands.append(Fault(code=code, message=message, line=line, url=url))

    def _fail(self) -> None:
        """The application failed for good: a caller who was answered is told before the call ends."""
        state = self.state
        gone = isinstance(self.event, HungUp)
        if gone or state.role is not Role.CALL or state.answering is not Answering.YES:
            return self._finish(FinishReason.APPLICATION_ERROR)
        documents = state.documents + 1  # it is the last of them, and gives the sound a name of its own
        self._set(waiting=Waiting.FAREWELL, request=None, frames=(), documents=documents)
        self.commands.append(Play(sound_id=self._apology(), sound=APOLOGY, loop=1))

    def _apology(self) -> str:
        return f"sound-{self.state.documents}-apology"

    def _hush(self) -> None:
        if self.state.waiting is Waiting.FAREWELL:
            self.commands.append(StopSounds())

    def _finish(self, reason: FinishReason) -> None:
        self._set(finished=reason, waiting=Waiting.NOTHING, request=None, frames=())
        self.commands.append(Finish(reason=reason))

    def _set(self, **changes: object) -> None:
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]
