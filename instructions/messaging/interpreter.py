"""Runs the session of an inbound message: `advance(state, event)` is the whole of it, pure and total."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urljoin

from instructions.answers import TWIML_TYPES, text_of
from instructions.commands import Fault, Finish, FinishReason, Params, Warn
from instructions.document import read, refuse_size
from instructions.elements import Element
from instructions.errors import DocumentError
from instructions.messaging.commands import Command, Fetch, Reply
from instructions.messaging.events import DocumentFailed, DocumentFetched, Event, Sent, Started
from instructions.messaging.state import Action, Origin, Request, State, Waiting
from instructions.messaging.verbs import MAX_BODY, Message, Redirect, Response

MAX_DOCUMENTS = 50
"""Documents of one session (14106)."""
MAX_REPLIES = 10
"""Replies of one session (14109)."""
_OF_ALL = ("AccountSid", "ApiVersion", "MessagingServiceSid")
"""Parameters of the inbound message that are true of its replies as well."""


def new_session(
    *,
    url: str,
    method: str = "POST",
    fallback_url: str = "",
    fallback_method: str = "POST",
    params: Params = (),
) -> State:
    """A session that waits for Started. `params` are those of the inbound message (twilio-surface 4.5)."""
    origin = Origin(
        url=url, method=method, fallback_url=fallback_url, fallback_method=fallback_method, params=params
    )
    return State(origin=origin)


def advance(state: State, event: Event) -> tuple[State, tuple[Command, ...]]:
    """The next state and what to do, in this order. Never raises; what means nothing now changes nothing."""
    session = _Session(state)
    session.handle(event)
    return session.state, tuple(session.commands)


class _Session:
    """One event's worth of a session: the state so far and the commands so far."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.commands: list[Command] = []

    def handle(self, event: Event) -> None:
        origin, request, action = self.state.origin, self.state.request, self.state.action
        match event:
            case Started() if self.state.waiting is Waiting.START:
                self._request(Request(fetch="", url=origin.url, method=origin.method))
            case DocumentFetched(fetch=fetch) if request and request.fetch == fetch:
                self._load(event, request)
            case DocumentFailed(fetch=fetch) if request and request.fetch == fetch:
                self._broken(event.code, event.reason, None, event.url, request)
            case Sent(reply=reply) if action and action.reply == reply:
                about = self._delivery(event, action)
                self._request(Request(fetch="", url=action.url, method=action.method, about=about))

    # -- documents

    def _request(self, request: Request) -> None:
        number = self.state.documents + 1
        if number > MAX_DOCUMENTS:
            message = f"this message has asked for {MAX_DOCUMENTS} documents; it ends here, because they loop"
            self.commands.append(Warn(code=14106, message=message, line=None, url=request.url))
            return self._finish(FinishReason.APPLICATION_ERROR)
        request = replace(request, fetch=f"fetch-{number}")
        self.state = replace(
            self.state, waiting=Waiting.DOCUMENT, request=request, action=None, documents=number
        )
        params = (*(request.about or self.state.origin.params), *request.errors)
        self.commands.append(
            Fetch(fetch=request.fetch, url=request.url, method=request.method, params=params)
        )
        return None

    def _load(self, answer: DocumentFetched, request: Request) -> None:
        media_type = (answer.content_type or "").partition(";")[0].strip().lower()
        try:
            if not answer.body.strip():
                return self._finish(FinishReason.END_OF_DOCUMENT)
            refuse_size(answer.body)
            if media_type == "text/plain":
                return self._say(text_of(answer.body, answer.content_type or ""), answer.url)
            if not media_type:
                raise DocumentError(11200, "the answer has no Content-Type; send text/xml")
            if media_type not in TWIML_TYPES:
                message = f"{media_type[:80]} can't answer a message; send text/xml or text/plain"
                raise DocumentError(12300, message)
            response, warnings = read(answer.body, Response)
        except DocumentError as fault:
            return self._broken(fault.code, fault.message, fault.line, answer.url, request)
        for problem in warnings:
            self._warn(problem.code, problem.message, problem.line, answer.url)
        return self._run(response, answer.url, request)

    def _broken(self, code: int, message: str, line: int | None, url: str, request: Request) -> None:
        """A document cannot be had or cannot run: the fallback, once for each (I9)."""
        failed = url or request.url
        self.commands.append(Fault(code=code, message=message, line=line, url=failed))
        origin = self.state.origin
        if request.errors or not origin.fallback_url:
            return self._finish(FinishReason.APPLICATION_ERROR)
        errors = (("ErrorCode", str(code)), ("ErrorUrl", failed))
        return self._request(
            replace(request, url=origin.fallback_url, method=origin.fallback_method, errors=errors)
        )

    # -- verbs

    def _run(self, response: Element, url: str, request: Request) -> None:
        for verb in response.children:
            match verb:
                case Redirect():
                    return self._redirect(verb, url, request)
                case Message() if verb.sendable and self._reply(verb, url):
                    return None
        return self._finish(FinishReason.END_OF_DOCUMENT)

    def _redirect(self, verb: Redirect, url: str, request: Request) -> None:
        target = None if verb.text is None else _resolved(url, verb.text)
        if target is None:
            return self._broken(11100, "<Redirect> has no valid URL to go to", verb.line, url, request)
        return self._request(Request(fetch="", url=target, method=verb.method))

    def _reply(self, verb: Message, url: str) -> bool:
        """Whether the rest of the document is out of reach, because the reply's action goes on."""
        index = self.state.replies
        if index >= MAX_REPLIES:
            if index == MAX_REPLIES:
                message = f"a message gets at most {MAX_REPLIES} replies: this one and others are not sent"
                self._warn(14109, message, verb.line, url)
                self.state = replace(self.state, replies=index + 1)
            return False
        action = _resolved(url, verb.action) if verb.action is not None else None
        callback = _resolved(url, verb.status_callback) if verb.status_callback else None
        media = tuple(found for each in verb.media_urls if (found := _resolved(url, each)))
        self.commands.append(
            Reply(
                index=index,
                to=verb.to,
                from_=verb.from_,
                body=verb.body or "",
                media=media,
                status_callback=callback,
                otherwise=verb.otherwise,
                session=verb.session,
                media_required=verb.media == "required",
                wanted_action=action is not None,
            )
        )
        self.state = replace(self.state, replies=index + 1)
        if action is None:
            return False
        to, from_ = verb.to or "", verb.from_ or ""
        after = Action(reply=index, url=action, method=verb.method, to=to, from_=from_)
        self.state = replace(self.state, waiting=Waiting.REPLY, request=None, action=after)
        return True

    def _say(self, text: str, url: str) -> None:
        """An answer that is no TwiML is a reply as it is."""
        if len(text) > MAX_BODY:
            message = (
                f"the answer has {len(text)} characters; a message has at most {MAX_BODY}: it is not sent"
            )
            self._warn(14103, message, None, url)
        elif text.strip():
            self._reply(Message(text=text), url)
        self._finish(FinishReason.END_OF_DOCUMENT)

    def _delivery(self, sent: Sent, action: Action) -> Params:
        """What an action is told about its reply."""
        inbound = dict(self.state.origin.params)
        about = {name: inbound[name] for name in _OF_ALL if name in inbound}
        about |= {"MessageSid": sent.sid, "SmsSid": sent.sid} if sent.sid else {}
        about |= {"MessageStatus": sent.status, "SmsStatus": sent.status}
        about["To"] = sent.to or action.to or inbound.get("From", "")
        about["From"] = sent.from_ or action.from_ or inbound.get("To", "")
        if sent.error_code is not None:
            about["ErrorCode"] = str(sent.error_code)
        return tuple(about.items())

    def _warn(self, code: int, message: str, line: int | None, url: str) -> None:
        self.commands.append(Warn(code=code, message=message, line=line, url=url))

    def _finish(self, reason: FinishReason) -> None:
        self.state = replace(self.state, waiting=Waiting.NOTHING, request=None, action=None, finished=reason)
        self.commands.append(Finish(reason=reason))


def _resolved(base: str, reference: str) -> str | None:
    """An absolute URL; None when there is none."""
    try:
        whole = urljoin(base, reference)
    except ValueError:
        return None
    return whole if whole.lower().startswith(("http://", "https://")) else None
