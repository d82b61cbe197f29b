"""The voice node's reports of streams and of speech, as happenings."""

from typing import Any

from callrouter.calls import happenings as h
from callrouter.voice.contract import VoiceEvent

UNKNOWN_FAULT = 12400


def heard(leg: str, event: VoiceEvent, at: float) -> h.Heard | None:
    """None for what no call needs to know."""
    data = event.data
    match str(event.type):
        case "stream.up":
            return h.StreamUp(at=at, leg=leg, sid=data["stream"])
        case "stream.warning":
            code, reason = int(data["code"]), str(data["message"])
            return h.StreamDisturbed(at=at, leg=leg, sid=data["stream"], code=code, reason=reason)
        case "stream.done":
            return h.StreamOver(at=at, leg=leg, sid=data["stream"], **_fault(data))
        case "speech.started":
            return h.SpeechBegan(at=at, leg=leg, listen=data["listen"])
        case "speech.partial":
            number = int(data["sequence"])
            return h.SpeechSoFar(at=at, leg=leg, listen=data["listen"], text=data["text"], number=number)
        case "speech.done":
            return h.SpeechOver(
                at=at,
                leg=leg,
                listen=data["listen"],
                text=str(data.get("text") or ""),
                confidence=float(data.get("confidence") or 0.0),
                **_fault(data),
            )
        case _:
            return None


def _fault(data: Any) -> dict[str, Any]:
    """Whose fault the end is, when it is one."""
    if data.get("cause") != "failed":
        return {}
    code = int(data.get("code") or UNKNOWN_FAULT)
    return {"failed": True, "code": code, "reason": str(data.get("message", ""))}
