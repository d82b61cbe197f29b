"""One client's connection as a state machine: frames and time go in, actions come out; nothing here does I/O.

    CONNECTING --listen--> VERIFYING --verified--> LIVE --the token ends--> UNAUTHORISED
        |                     |    ^                 |                          |
        |                     |    +----listen-------+<--------listen-----------+
        +-- 5 s -> CLOSED <---+ refused, and never was LIVE

* What arrives before the first token is verified is held and done in order afterwards: SDKs send `register`,
  `hangup` and `invite` at once after `listen` (voice-sdk-protocol 2 and 5).
* A refused token on a connection that was LIVE leaves everything as it was; on a new one it ends the connection.
* UNAUTHORISED keeps the socket and its calls: only registering and calling out need a valid token.
* The heartbeat is ours to send; a client that is silent for DEAD seconds is gone.
"""

from dataclasses import dataclass
from enum import StrEnum

from presence.access.refusals import AccessRefused, Refusal
from presence.access.tokens import Grant
from presence.client_messages.frames import Capabilities, SendText, TextFrame
from presence.signalling import frames, presence_frames
from presence.signalling.frames import (
    CallFrame,
    ClientFrame,
    FrameRefused,
    Listen,
    NewCall,
    PresenceFrame,
    Register,
    SetStatus,
    Subscribe,
)

FIRST_FRAME = 5.0  # seconds until a verified listen (reliability-security 4.14)
HEARTBEAT = 8.0  # seconds between ours; the SDK gives up after 15 s without a message
DEAD = 20.0  # seconds of silence after which the client is gone
HELD = 32  # frames kept while the first token is verified
BURST, RATE = 60.0, 20.0  # frames at once, and per second
WARNING = 30.0  # seconds before the token's end at which the client hears of it (PR-8)
FLOOD = 200  # frames over the rate before the connection is closed


class Phase(StrEnum):
    CONNECTING = "connecting"
    VERIFYING = "verifying"
    LIVE = "live"
    UNAUTHORISED = "unauthorised"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class Send:
    """Send this text frame."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Verify the token, then call `verified` or `refused`."""

    listen: Listen


@dataclass(frozen=True, kw_only=True)
class Enlist:
    """Register the client's device; answer `ready` once that is stored."""


@dataclass(frozen=True, kw_only=True)
class Delist:
    """End the device's registration."""


@dataclass(frozen=True, kw_only=True)
class Perform:
    """Act on a frame about a call; whose call it is remains to be checked."""

    frame: CallFrame


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Act on a frame about presence; the token permits it."""

    frame: PresenceFrame


@dataclass(frozen=True, kw_only=True)
class Pass:
    """Act on a frame about messages; the token permits it."""

    frame: TextFrame


@dataclass(frozen=True, kw_only=True)
class Unwatch:
    """The token permits nothing any more: end the subscriptions (PR-47)."""

    refusal: Refusal


@dataclass(frozen=True, kw_only=True)
class Close:
    code: int
    reason: str


Action = Send | Verify | Enlist | Delist | Perform | Watch | Pass | Unwatch | Close


class Connection:
    """The protocol's state of one connection. Moments are seconds of any steady clock, the token's end included."""

    def __init__(self, now: float) -> None:
        self.phase = Phase.CONNECTING
        self.grant: Grant | None = None
        self.refusal = Refusal.EXPIRED
        self._opened = self._heard = self._sent = self._refilled = now
        self._token_ends = self._warning = float("inf")
        self._held: list[ClientFrame] = []
        self._allowance = BURST
        self._flood = 0

    def receive(self, text: str, now: float) -> list[Action]:
        """What a frame from the client leads to."""
        self._heard = now
        if text == frames.HEARTBEAT or self.phase is Phase.CLOSED:
            return []
        if limited := self._limit(now):
            return limited
        try:
            frame = frames.parse(text)
        except FrameRefused as refused:
            return [Send(text=refused.frame)]
        return [] if frame is None else self._take(frame)

    def verified(self, grant: Grant, connected: str, ends: float) -> list[Action]:
        """The token of the last `listen` is good until the moment `ends`; `connected` is the frame that says so."""
        if self.grant and (grant.account_sid, grant.identity) != (
            self.grant.account_sid,
            self.grant.identity,
        ):
            return self.refused(AccessRefused(Refusal.FOREIGN))
        self.phase, self.grant, self._token_ends = Phase.LIVE, grant, ends
        # `connected` has just said how long a short-lived one lasts.
        self._warning = ends - WARNING if ends - WARNING > self._heard else float("inf")
        held, self._held = self._held, []
        return [Send(text=connected), *(action for frame in held for action in self._take(frame))]

    def refused(self, refused: AccessRefused) -> list[Action]:
        """The token of the last `listen` is not good."""
        told = Send(text=frames.error(refused.codes.signal, refused.message))
        if self.grant is not None:
            self.phase = Phase.LIVE if self._token_ends < float("inf") else Phase.UNAUTHORISED
            return [told]
        self.phase = Phase.CLOSED
        return [told, Send(text=frames.close()), Close(code=1000, reason="the token was refused")]

    def revoked(self, refusal: Refusal) -> list[Action]:
        """The grant is over before its time, or at its time: the device is offline, its calls go on."""
        if self.phase not in (Phase.LIVE, Phase.VERIFYING) or self.grant is None:
            return []
        self.phase, self.refusal = Phase.UNAUTHORISED, refusal
        self._token_ends = self._warning = float("inf")
        codes = refusal.value
        told = [Send(text=frames.error(codes.signal, codes.message)), Send(text=frames.offline())]
        return [*told, Unwatch(refusal=refusal), Delist()]

    def tick(self, now: float) -> list[Action]:
        """What is due by now; call it at `due()` or later."""
        if self.phase is Phase.CLOSED:
            return []
        if self.grant is None and now >= self._opened + FIRST_FRAME:
            self.phase = Phase.CLOSED
            return [Close(code=1008, reason="no valid listen in time")]
        if now >= self._heard + DEAD:
            self.phase = Phase.CLOSED
            return [Close(code=1001, reason="no heartbeat")]
        actions: list[Action] = []
        if now >= self._warning:
            self._warning = float("inf")
            actions.append(Send(text=presence_frames.expiring(max(0, round(self._token_ends - now)))))
        if now >= self._token_ends:
            actions += self.revoked(Refusal.EXPIRED)
        if now >= self._sent + HEARTBEAT:
            self._sent = now
            actions.append(Send(text=frames.HEARTBEAT))
        return actions

    def due(self) -> float:
        """When `tick` has something to do."""
        first = self._opened + FIRST_FRAME if self.grant is None else float("inf")
        return min(first, self._heard + DEAD, self._sent + HEARTBEAT, self._token_ends, self._warning)

    def _take(self, frame: ClientFrame) -> list[Action]:
        if isinstance(frame, Listen):
            self.phase = Phase.VERIFYING
            return [Verify(listen=frame)]
        if self.grant is None:
            if len(self._held) >= HELD:
                self.phase = Phase.CLOSED
                return [Close(code=1008, reason="too many frames before listen")]
            self._held.append(frame)
            return []
        if isinstance(frame, Register):
            return self._register(frame)
        if isinstance(frame, NewCall):
            return self._new_call(frame)
        if isinstance(frame, PresenceFrame):
            return self._presence(self.grant, frame)
        if isinstance(frame, TextFrame):
            return self._text(self.grant, frame)
        return [Perform(frame=frame)]

    def _register(self, frame: Register) -> list[Action]:
        if not frame.audio:
            return [Delist(), Send(text=frames.offline())]
        refusal = self.refusal if self.phase is Phase.UNAUTHORISED else None
        if refusal is None and self.grant and not self.grant.publishes:
            refusal = Refusal.INCOMING
        if refusal is None:
            return [Enlist()]
        codes = refusal.value
        return [Send(text=frames.error(codes.signal, codes.message)), Send(text=frames.offline())]

    def _new_call(self, frame: NewCall) -> list[Action]:
        refusal = self.refusal if self.phase is Phase.UNAUTHORISED else None
        if refusal is None and self.grant and not self.grant.application_sid:
            refusal = Refusal.OUTGOING
        if refusal is None:
            return [Perform(frame=frame)]
        codes = refusal.value
        return [Send(text=frames.hangup(frame.call_sid, codes.signal, codes.message))]

    def _presence(self, grant: Grant, frame: PresenceFrame) -> list[Action]:
        refusal = self.refusal if self.phase is Phase.UNAUTHORISED else None
        if isinstance(frame, Subscribe):
            if refusal is None and not grant.permissions.read:
                refusal = Refusal.READ
            if refusal is None and not grant.permissions.subscribe:
                refusal = Refusal.SUBSCRIBE
        elif isinstance(frame, SetStatus) and refusal is None and not grant.publishes:
            refusal = Refusal.INCOMING
        if refusal is None:
            return [Watch(frame=frame)]
        about = "" if isinstance(frame, SetStatus) else frame.id
        return [Send(text=frames.error(refusal.value.signal, refusal.value.message, id=about))]

    def _text(self, grant: Grant, frame: TextFrame) -> list[Action]:
        """What a device has shown counts whatever has become of its token."""
        refusal, about = None, ""
        if isinstance(frame, Capabilities):
            refusal = None if grant.publishes else Refusal.INCOMING
        elif isinstance(frame, SendText):
            refusal, about = (None if grant.permissions.send else Refusal.SEND), frame.sending.id
        if self.phase is Phase.UNAUTHORISED and isinstance(frame, Capabilities | SendText):
            refusal = self.refusal
        if refusal is None:
            return [Pass(frame=frame)]
        return [Send(text=frames.error(refusal.value.signal, refusal.value.message, id=about))]

    def _limit(self, now: float) -> list[Action]:
        self._allowance = min(BURST, self._allowance + (now - self._refilled) * RATE)
        self._refilled = now
        if self._allowance >= BURST:
            self._flood = 0  # only a real pause is forgiven
        if self._allowance >= 1:
            self._allowance -= 1
            return []
        self._flood += 1
        if self._flood > FLOOD:
            self.phase = Phase.CLOSED
            return [Close(code=1008, reason="too many frames")]
        return [Send(text=frames.error(Refusal.RATE.value.signal, Refusal.RATE.value.message))]
