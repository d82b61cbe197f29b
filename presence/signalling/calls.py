"""Calls that belong to a client: bound to an identity, and to the socket of the device that has the audio.

A call outlives its socket for a grace (`book`); in that time a device re-attaches with the reconnect token that we
signed for (call, account, identity). Every message about a call is acted on only when it comes from the identity that
owns the call.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from foundation.failpoints import failpoint
from foundation.keys import Keys, TokenRefused
from presence.router_link import RouterAnswer, RouterUnreachable
from presence.signalling import frames
from presence.signalling.book import Book
from presence.signalling.call import Call, Handed
from presence.signalling.lanes import Lanes
from presence.signalling.moves import Moves
from presence.signalling.socket import Socket
from presence.signalling.teller import Teller

MOST = 10  # calls of one socket at once
RECONNECT = "reconnect"
RECONNECT_LIFE = 86_400 + 3_600  # seconds; calls end after a day
OVER = 31209


class Calls:
    """What clients and the router say in the calls of this node."""

    def __init__(self, keys: Keys, book: Book, moves: Moves, lanes: Lanes, teller: Teller) -> None:
        self._keys, self._book, self._moves = keys, book, moves
        self._lanes, self._teller = lanes, teller
        self.taken_over: Callable[[str, str, Socket], None] = lambda _account, _call, _socket: None

    def reconnect_token(self, account_sid: str, client: str, call_sid: str, ufrag: str = "") -> str:
        claims = {"call": call_sid, "account": account_sid, "identity": client, "ufrag": ufrag}
        return self._keys.sign(RECONNECT, claims)

    # What the router says

    async def frame(
        self, account_sid: str, call_sid: str, frame: dict[str, Any], wait: float = 2.0
    ) -> Handed:
        """Hands a frame to the call's socket."""
        call = await self._settled(account_sid, call_sid, wait)
        if call is None:
            return Handed.UNKNOWN
        kind, frame_id = frame["type"], frame.get("id")
        failpoint(f"frame.{kind}.before")
        if frame_id is not None and frame_id in call.frame_ids:
            return Handed.OVER
        socket = call.socket
        if socket is not None:
            socket.send(self._text(call, frame))
            if frame_id is not None:
                call.frame_ids.append(frame_id)
        if kind in ("hangup", "cancel"):
            self._book.forget(call)
        failpoint(f"frame.{kind}.after")
        return Handed.AWAY if socket is None else Handed.OVER

    async def _settled(self, account_sid: str, call_sid: str, wait: float) -> Call | None:
        """The call; when its making is under way, that is waited for: the router may speak before we know its SID."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while (call := self._book.get(account_sid, call_sid)) is None:
            lanes = {call_sid, *(one.lane for one in self._book.nameless(account_sid))}
            under_way = [task for lane in lanes if (task := self._lanes.running(lane))]
            left = deadline - loop.time()
            if not under_way or left <= 0:
                return None
            await asyncio.wait(under_way, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        return call

    def _text(self, call: Call, frame: dict[str, Any]) -> str:
        kind, call_sid = frame["type"], call.call_sid
        if kind in ("ringing", "answer"):
            call.named = True
        if kind == "ringing":
            return frames.ringing(call_sid, frame.get("sdp"))
        if kind == "answer":
            return frames.answer(call_sid, self._token(call), frame.get("sdp"))
        if kind == "hangup":
            known = call_sid if call.named else call.temporary_sid or call_sid
            return frames.hangup(known, frame.get("code"), frame.get("message"))
        if kind == "cancel":
            return frames.cancel(call_sid)
        if kind == "error":
            return frames.error(frame["code"], frame["message"], call_sid)
        if kind == "ack":
            return frames.ack(call_sid, frame["voiceeventsid"])
        return frames.message(
            call_sid,
            frame.get("content"),
            frame["contenttype"],
            frame["messagetype"],
            frame["voiceeventsid"],
        )

    # What clients say

    def dial(self, socket: Socket, frame: frames.NewCall) -> None:
        """An outgoing call: the application that the token names decides what happens (PR-65)."""
        grant = socket.grant
        call = Call(
            account_sid=grant.account_sid,
            client=grant.identity,
            endpoint_id=socket.endpoint_id,
            incoming=False,
            lane=":".join((grant.account_sid, grant.identity, frame.call_sid)),
            temporary_sid=frame.call_sid,
            ufrag=frames.ufrag(frame.sdp),
            socket=socket,
        )
        if self._book.dialling(call):
            return  # the same frame again
        if len(socket.calls) >= MOST:
            socket.send(frames.hangup(frame.call_sid, 31206, f"a device has {MOST} calls at most"))
            return
        self._book.dial(call)
        socket.calls.add(call)
        self._lanes.put(call.lane, lambda: self._dial(call, frame, grant.application_sid, dict(grant.params)))

    def hang_up(self, socket: Socket, frame: frames.Hangup) -> bool:
        """False when the identity has no such call."""
        call = self._book.find(socket, frame.call_sid)
        return call is not None and self._lanes.put(call.lane, lambda: self._hang_up(call, frame.message))

    def digits(self, socket: Socket, frame: frames.Dtmf) -> None:
        self._pass_on(socket, frame.call_sid, "dtmf", digits=frame.digits)

    def message(self, socket: Socket, frame: frames.CallMessage) -> None:
        self._pass_on(
            socket,
            frame.call_sid,
            "message",
            frame.event_sid,
            content=frame.content,
            contenttype=frame.content_type,
            messagetype=frame.message_type,
            voiceeventsid=frame.event_sid,
        )

    def restart(self, socket: Socket, frame: frames.Reinvite) -> None:
        """The device's audio path has died and it offers a new one."""
        call = self._book.find(socket, frame.call_sid)
        if call is None or not self._lanes.put(call.lane, lambda: self._restart(call, frame)):
            socket.send(frames.hangup(frame.call_sid, OVER, "the call is over"))

    def reattach(self, socket: Socket, frame: frames.Reattach) -> None:
        """A device is back on its call, or another device of the same client takes it over."""
        grant = socket.grant
        try:
            claims = self._keys.verify(RECONNECT, frame.token, RECONNECT_LIFE)
        except TokenRefused:
            claims = {}
        owner = (claims.get("call"), claims.get("account"), claims.get("identity"))
        if owner != (frame.call_sid, grant.account_sid, grant.identity):
            socket.send(frames.hangup(frame.call_sid, OVER, "the reconnect token is not for this call"))
            return
        call = self._book.get(grant.account_sid, frame.call_sid)
        lane = call.lane if call else frame.call_sid
        known = str(claims.get("ufrag", ""))
        if not self._lanes.put(lane, lambda: self._reattach(socket, frame, known)):
            socket.send(frames.hangup(frame.call_sid, OVER, "too many messages for one call"))

    async def _dial(
        self, call: Call, frame: frames.NewCall, application_sid: str, token_params: dict[str, str]
    ) -> None:
        try:
            answer = await self._teller.tell(
                "call",
                *call.whose,
                temporary_sid=call.temporary_sid,
                sdp=frame.sdp,
                params=dict(parse_qsl(frame.params, keep_blank_values=True)),
                application_sid=application_sid,
                token_params=token_params,
            )
        except RouterUnreachable:
            answer = RouterAnswer(
                status=504, body={"code": 31003, "message": "the call was not taken in time"}
            )
        call_sid = answer.body.get("call_sid")
        if answer.ok and isinstance(call_sid, str) and frames.CALL_SID.match(call_sid):
            call.call_sid = call_sid
            await self._book.keep(call)
        else:
            call.send(frames.hangup(call.temporary_sid, answer.code(31005), answer.message))
            self._book.forget(call)

    async def _hang_up(self, call: Call, message: str) -> None:
        if call.over:
            return
        self._book.forget(call)
        more = {"message": message} if message else {}
        await self._teller.insist("hangup", *call.whose, call_sid=call.call_sid, **more)

    def _pass_on(self, socket: Socket, call_sid: str, type: str, event_sid: str = "", **further: Any) -> None:
        call = self._book.find(socket, call_sid)
        if call is None:
            socket.send(frames.error(31404, "there is no such call", call_sid, event_sid))
        elif not self._lanes.put(call.lane, lambda: self._tell(call, socket, type, event_sid, further)):
            socket.send(frames.error(31206, "too many messages for one call", call_sid, event_sid))

    async def _tell(
        self, call: Call, socket: Socket, type: str, event_sid: str, further: dict[str, Any]
    ) -> None:
        if call.over:
            return
        try:
            answer = await self._teller.tell(type, *call.whose, call_sid=call.call_sid, **further)
        except RouterUnreachable:
            answer = RouterAnswer(status=504, body={"message": "not delivered in time"})
        if not answer.ok:
            socket.send(frames.error(answer.code(31005), answer.message, call.call_sid, event_sid))
        elif event_sid:
            socket.send(frames.ack(call.call_sid, event_sid))

    async def _restart(self, call: Call, frame: frames.Reinvite) -> None:
        if call.over:
            return
        try:
            answer = await self._teller.tell("restart", *call.whose, call_sid=call.call_sid, sdp=frame.sdp)
        except RouterUnreachable:  # the SDK offers again by itself for 30 s
            call.send(frames.error(31005, "not delivered in time", call.call_sid))
            return
        sdp = answer.body.get("sdp")
        if answer.ok and isinstance(sdp, str):
            call.ufrag = frames.ufrag(frame.sdp)
            await self._book.keep(call)
            call.send(frames.answer(call.call_sid, self._token(call), sdp))
        else:
            call.send(frames.hangup(call.call_sid, answer.code(OVER), answer.message))
            self._book.forget(call)

    async def _reattach(self, socket: Socket, frame: frames.Reattach, known: str) -> None:
        grant = socket.grant
        call, holder, theirs = self._book.find(socket, frame.call_sid), "", None
        if call is None:
            theirs, holder = await self._moves.call(grant, frame.call_sid)
            if theirs is not None and not holder:
                call = self._book.expect(theirs)
        if found := call or theirs:
            known = found.ufrag
        moved = not known or frames.ufrag(frame.sdp) != known
        whose = (grant.account_sid, grant.identity, socket.endpoint_id)
        try:
            answer = await self._teller.tell(
                "attached", *whose, call_sid=frame.call_sid, sdp=frame.sdp, moved=moved
            )
        except RouterUnreachable:
            # The audio of a device that only lost its signalling is well: do not end the call for the router's absence.
            alive = found is not None and not moved
            answer = RouterAnswer(status=200 if alive else 504, body={"message": "the router is not there"})
        sdp = answer.body.get("sdp")
        if not answer.ok or (moved and not isinstance(sdp, str)):
            socket.send(frames.hangup(frame.call_sid, answer.code(OVER), answer.message))
            if call is not None and not answer.unsure:
                self._book.forget(call)
            return
        before = call.socket if call else None
        if moved and before is not None and before is not socket:
            before.send(frames.cancel(frame.call_sid))
        call = await self._book.bind(
            socket, frame.call_sid, frames.ufrag(frame.sdp), incoming=found is None or found.incoming
        )
        if theirs is not None and holder:
            self._moves.took(holder, theirs, cancel=moved)
        if moved:
            self.taken_over(grant.account_sid, frame.call_sid, socket)
        socket.send(frames.answer(frame.call_sid, self._token(call), sdp if moved else None))

    def _token(self, call: Call) -> str:
        return self.reconnect_token(call.account_sid, call.client, call.call_sid, call.ufrag)
