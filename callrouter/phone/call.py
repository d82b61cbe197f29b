"""One call of the phone, as a client of the Voice SDK's protocol sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl

import structlog

from callrouter.phone.connection import Payload
from callrouter.phone.media import Media

log = structlog.get_logger(__name__)
Send = Callable[[str, Payload], None]


class State(StrEnum):
    """The SDK's `Call.State`, with `ringing` only for outgoing calls."""

    PENDING = "pending"
    CONNECTING = "connecting"
    RINGING = "ringing"
    OPEN = "open"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """`by` is `server`, `phone` or `line` (the socket was lost at a moment that a call does not survive).

    `how` is what did it: cancel, hangup, reject, ignore or lost. `code` and `message` are the server's, if any.
    """

    by: str
    how: str
    code: int | None = None
    message: str = ""


class CallOver(Exception):
    """The call ended before that could happen."""

    def __init__(self, ended: Ended) -> None:
        super().__init__(
            f"the call ended by {ended.by}, {ended.how}: {ended.code or ''} {ended.message}".rstrip()
        )
        self.ended = ended


class UnusableSdp(ValueError):
    """The server sent an SDP that no WebRTC stack can work with: its fault. The call has been hung up."""


class PhoneCall:
    """`ringing`, `answered` and `ended` may be awaited by anyone under a timeout of theirs.

    The first two raise CallOver once they can't happen any more. Fields are for reading.
    """

    def __init__(
        self,
        *,
        sid: str,
        incoming: bool,
        media: Media,
        send: Send,
        parameters: Mapping[str, str],
        offer: str = "",
        forget: Callable[[PhoneCall, asyncio.Task[None]], None],
    ) -> None:
        self.sid, self.incoming, self.media, self.parameters = sid, incoming, media, parameters
        self.state = State.PENDING if incoming else State.CONNECTING
        self.reconnect_token = ""
        self.messages: asyncio.Queue[Any] = asyncio.Queue(100)
        """Contents that came by call messages, oldest first; more than 100 unread are dropped."""
        self._temporary = sid
        self._send, self._offer, self._forget = send, offer, forget
        self._media_set = False
        loop = asyncio.get_running_loop()
        self._ringing: asyncio.Future[None] = loop.create_future()
        self._answered: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[Ended] = loop.create_future()
        self._reattached = asyncio.Event()

    @property
    def custom_parameters(self) -> dict[str, str]:
        """TwiML's <Parameter>s."""
        return dict(parse_qsl(self.parameters.get("Params", ""), keep_blank_values=True))

    @property
    def ringing(self) -> asyncio.Future[None]:
        return asyncio.shield(self._ringing)

    @property
    def answered(self) -> asyncio.Future[None]:
        return asyncio.shield(self._answered)

    @property
    def ended(self) -> asyncio.Future[Ended]:
        return asyncio.shield(self._ended)

    @property
    def over(self) -> bool:
        return self.state is State.CLOSED

    @property
    def talking(self) -> bool:
        """Answered, and not over."""
        return self.state in (State.OPEN, State.RECONNECTING)

    def is_called(self, sid: str) -> bool:
        """Whether the server means this call; the temporary sid stays valid."""
        return sid in (self.sid, self._temporary)

    @property
    def unnamed(self) -> bool:
        """Placed by us, and the server has not told its real sid yet."""
        return not self.incoming and self.sid == self._temporary

    async def answer(self) -> None:
        """Accepts an incoming call. CallOver if it is none any more; UnusableSdp for a wrong offer."""
        sdp, fault = "", None
        try:
            if not self.over:
                sdp = await self.media.answer(self._offer)
        except Exception as error:  # aiortc has no one exception for it
            fault = error
        if self.over:  # perhaps just now
            raise CallOver(self._ended.result()) from fault
        if fault:
            await self.hangup("the offer's SDP is not usable")
            raise UnusableSdp(str(fault)) from fault
        self._send("answer", {"callsid": self.sid, "sdp": sdp})
        self._open()

    async def reject(self) -> None:
        self._leave("reject", {})

    async def ignore(self) -> None:
        """Stops ringing here and says nothing, as the SDK does."""
        self._end(Ended(by="phone", how="ignore"))

    async def hangup(self, message: str = "") -> None:
        self._leave("hangup", {"message": message} if message else {})

    async def press(self, digits: str) -> None:
        """Keys as a `dtmf` message, exact: our SDP has no telephone-event. `w` is half a second."""
        if not digits or set(digits) - set("0123456789*#w"):
            raise ValueError(f"{digits!r} is no row of keys; 0-9, *, # and w are")
        self._send("dtmf", {"callsid": self.sid, "dtmf": digits})

    async def heard(self, seconds: float = 1.0) -> float | None:
        """Listens: the dominant frequency in Hz, None for silence. TimeoutError when no audio flows."""
        return await self.media.ear.heard(seconds)

    def reattach(self) -> None:
        """The line is back: claims the call again, signalling only (the ice-ufrag is the same)."""
        self._reattached.clear()
        fields = {"callsid": self.sid, "sdp": self.media.local_sdp, "reconnect": self.reconnect_token}
        self._send("invite", {**fields, "twilio": {}})

    async def reattached(self) -> None:
        """Returns once the server has confirmed the latest `reattach`."""
        await self._reattached.wait()

    def line_lost(self) -> None:
        """What a lost socket means for this call; audio goes on."""
        if self.reconnect_token and self.state in (State.OPEN, State.RECONNECTING):
            self.state = State.RECONNECTING
        else:
            self._end(Ended(by="line", how="lost"))

    async def receive(self, type: str, payload: Payload) -> None:
        """A message of the server about this call."""
        match type:
            case "ringing" if not self.incoming:
                self._named(payload)
                await self._accept(payload)
                self.state = State.RINGING
                _done(self._ringing)
            case "answer":
                self._named(payload)
                await self._accept(payload)
                if self._media_set:
                    self._open()
                    self._reattached.set()
            case "cancel" if self.incoming:
                self._end(Ended(by="server", how="cancel"))
            case "hangup" if self.state is not State.PENDING:  # the SDK is deaf to it before accept
                error = payload.get("error") or {}
                self._end(
                    Ended(by="server", how="hangup", code=error.get("code"), message=error.get("message", ""))
                )
            case "message" if not self.messages.full():
                self.messages.put_nowait(payload.get("content"))

    def _named(self, payload: Payload) -> None:
        self.sid = payload.get("callsid", self.sid)
        self.reconnect_token = payload.get("reconnect") or self.reconnect_token

    async def _accept(self, payload: Payload) -> None:
        """The first SDP for our offer counts; a re-attach's is ignored."""
        sdp = payload.get("sdp")
        if not sdp or self._media_set:
            return
        try:
            await self.media.accept(sdp)
        except Exception as fault:  # whatever aiortc makes of a wrong SDP
            log.warning("the server's SDP is not usable", call=self.sid, fault=str(fault))
            await self.hangup("the answer's SDP is not usable")
        else:
            self._media_set = True

    def _open(self) -> None:
        if not self.over:
            self.state, self._media_set = State.OPEN, True
            _done(self._ringing)
            _done(self._answered)

    def _leave(self, how: str, fields: Payload) -> None:
        if not self.over:
            self._send(how, {"callsid": self.sid, **fields})
            self._end(Ended(by="phone", how=how))

    def _end(self, ended: Ended) -> None:
        if self.over:
            return
        self.state = State.CLOSED
        self._ended.set_result(ended)
        for future in (self._ringing, self._answered):
            if not future.done():
                future.set_exception(CallOver(ended))
                future.exception()  # nobody need have waited for it
        self._forget(self, asyncio.create_task(self.media.close()))


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
