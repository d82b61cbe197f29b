"""The nouns of <Dial>, but for SIP addresses and queues. WhatsApp and Sim are known, and skipped with a warning."""

from __future__ import annotations

from instructions.attributes import (
    FLAG,
    IDENTITY,
    LABEL,
    METHOD,
    PHONE,
    SEND_DIGITS,
    URL,
    attribute,
    choice,
    count,
    milliseconds,
    seconds,
    sid,
    text,
    words,
)
from instructions.commands import ApplicationTarget, ClientTarget, NumberTarget, SipTarget
from instructions.elements import Noun
from instructions.verbs.parameter import Parameter, parameters

Target = NumberTarget | ClientTarget | SipTarget | ApplicationTarget


class Callee(Noun):
    """A noun that becomes a leg with a whisper document (`url`) and progress callbacks."""

    url: str | None = attribute(URL, default=None, code=11100)
    method: str = attribute(METHOD, default="POST")
    status_callback_event: tuple[str, ...] = attribute(
        words("initiated", "ringing", "answered", "completed"), default=("completed",)
    )
    status_callback: str | None = attribute(URL, default=None, code=11100)
    status_callback_method: str = attribute(METHOD, default="POST")

    def target(self) -> Target | None:
        """Whom to ring; None when the noun names nobody, or does not act yet."""
        return None

    def targets(self) -> tuple[Target, ...]:
        """Whom to ring, where a noun may have several addresses."""
        target = self.target()
        return () if target is None else (target,)


class Detecting(Callee):
    """A callee that may turn out to be a machine."""

    machine_detection: str | None = attribute(choice("Enable", "DetectMessageEnd"), default=None, acts=False)
    amd_status_callback: str | None = attribute(URL, default=None, code=11100, acts=False)
    amd_status_callback_method: str = attribute(METHOD, default="POST", acts=False)
    machine_detection_timeout: int = attribute(seconds(3, 60), default=30, acts=False)
    machine_detection_speech_threshold: int = attribute(milliseconds(1000, 6000), default=2400, acts=False)
    machine_detection_speech_end_threshold: int = attribute(milliseconds(500, 5000), default=1200, acts=False)
    machine_detection_silence_timeout: int = attribute(milliseconds(2000, 10_000), default=5000, acts=False)


class Number(Detecting, content=PHONE, content_code=13223):
    """A telephone number."""

    send_digits: str | None = attribute(SEND_DIGITS, default=None, code=13222)
    method: str = attribute(METHOD, default="POST", code=13221)
    byoc: str | None = attribute(sid("BY"), default=None, code=21300, acts=False)

    def target(self) -> NumberTarget | None:
        return NumberTarget(number=self.text, send_digits=self.send_digits) if self.text else None


class Identity(Noun, content=IDENTITY):
    """The client's name, beside its parameters."""


class Client(Callee, nests=(Identity, Parameter), content=IDENTITY):
    """A registered client, by identity: the text, or the <Identity> child; or a destination, which stands for several.

    Two attributes are callrouter's own, not Twilio's. ringMode: which of the client's devices ring: all of them at
    once; or by the priority with which they registered, the highest first; or the most recently active first, one after
    the other. ringEvery: for how many seconds each of these groups rings before the next one.
    """

    client_notification_url: str | None = attribute(URL, default=None, code=11100, acts=False)
    ring_mode: str = attribute(choice("all", "priority", "recent"), default="all")
    ring_every: int = attribute(seconds(5, 60), default=15)

    def target(self) -> ClientTarget | None:
        names = [child.text for child in self.children if isinstance(child, Identity)]
        identity = names[0] if names else self.text
        if not identity:
            return None
        return ClientTarget(
            identity=identity,
            parameters=parameters(self),
            ring_mode=self.ring_mode,
            ring_every=self.ring_every,
        )


class Conference(Noun, content=text(128), content_code=13237):
    """A conference of the account, by name. It must be alone in its <Dial>."""

    muted: bool = attribute(FLAG, default=False, code=13230)
    beep: str = attribute(choice("true", "false", "onEnter", "onExit"), default="true", code=13235)
    start_conference_on_enter: bool = attribute(FLAG, default=True, code=13232)
    end_conference_on_exit: bool = attribute(FLAG, default=False, code=13231)
    wait_url: str | None = attribute(URL, default=None, code=13233)
    wait_method: str = attribute(METHOD, default="POST", code=13234)
    max_participants: int = attribute(count(1, 250), default=250)
    record: str = attribute(
        choice("do-not-record", "record-from-start", "true", "false"), default="do-not-record"
    )
    recording_configuration_id: str | None = attribute(text(64), default=None, acts=False)
    region: str | None = attribute(
        choice("us1", "us2", "ie1", "sg1", "br1", "au1", "jp1", "de1"), default=None, acts=False
    )
    coach: str | None = attribute(sid("CA"), default=None, code=13240)
    trim: str = attribute(choice("trim-silence", "do-not-trim"), default="trim-silence", code=13239)
    status_callback_event: tuple[str, ...] = attribute(
        words("start", "end", "join", "leave", "mute", "hold", "modify", "speaker", "announcement"),
        default=(),
    )
    status_callback: str | None = attribute(URL, default=None, code=11100)
    status_callback_method: str = attribute(METHOD, default="POST")
    recording_status_callback: str | None = attribute(URL, default=None, code=13256)
    recording_status_callback_method: str = attribute(METHOD, default="POST")
    recording_status_callback_event: tuple[str, ...] = attribute(
        words("in-progress", "completed", "absent"), default=("completed",), code=13621
    )
    event_callback_url: str | None = attribute(URL, default=None, code=16011, acts=False)
    jitter_buffer_size: str = attribute(
        choice("off", "small", "medium", "large"), default="large", acts=False
    )
    participant_label: str | None = attribute(LABEL, default=None, code=16025)


class ApplicationSid(Noun, content=sid("AP")):
    """The application, beside its parameters."""


class Application(Callee, nests=(ApplicationSid, Parameter), content=sid("AP")):
    """Another TwiML application, by its SID: what its document says and asks, the caller hears and answers."""

    customer_id: str | None = attribute(text(256), default=None, acts=False)
    copy_parent_to: bool = attribute(FLAG, default=False, acts=False)

    def target(self) -> ApplicationTarget | None:
        sids = [child.text for child in self.children if isinstance(child, ApplicationSid)]
        application = sids[0] if sids else self.text
        if not application:
            return None
        return ApplicationTarget(application_sid=application, parameters=parameters(self))


class WhatsApp(Callee, content=PHONE, content_code=13223):
    """A WhatsApp account, by number."""


class Sim(Noun, content=sid("DE")):
    """A programmable SIM card."""
