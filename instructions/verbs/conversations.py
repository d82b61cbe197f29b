"""The services that <Connect> can hand a caller to."""

from __future__ import annotations

from instructions.attributes import (
    FLAG,
    LANGUAGE,
    METHOD,
    SOCKET_URL,
    URL,
    attribute,
    choice,
    seconds,
    text,
    words,
)
from instructions.elements import Noun
from instructions.verbs.parameter import Config, Parameter


class Room(Noun, content=text(128)):
    """A video room, by name."""

    participant_identity: str | None = attribute(text(256), default=None)


class Autopilot(Noun, content=text(128)):
    """An assistant (retired by Twilio)."""


class AiSession(Noun):
    """A session with an AI connector."""

    ai_connector: str | None = attribute(text(128), default=None)
    ai_session_configuration: str | None = attribute(text(128), default=None)


class ConversationRelaySession(Noun):
    """A relay session that was configured elsewhere."""

    connector: str | None = attribute(text(128), default=None)
    session_configuration: str | None = attribute(text(128), default=None)


class VirtualAgent(Noun, nests=(Config, Parameter)):
    """A virtual agent, by its connector."""

    connector_name: str | None = attribute(text(64), default=None)
    language: str | None = attribute(LANGUAGE, default=None)
    sentiment_analysis: bool = attribute(FLAG, default=False)
    status_callback: str | None = attribute(URL, default=None, code=11100)
    status_callback_method: str = attribute(METHOD, default="POST")


class Conversation(Noun):
    """A conversation of a conversations service."""

    service_instance_sid: str | None = attribute(text(64), default=None)
    inbound_autocreation: bool = attribute(FLAG, default=False)
    routing_assignment_timeout: int | None = attribute(seconds(), default=None)
    inbound_timeout: int | None = attribute(seconds(), default=None)
    url: str | None = attribute(URL, default=None, code=11100)
    method: str = attribute(METHOD, default="POST")
    record: str = attribute(
        choice(
            "do-not-record",
            "record-from-answer",
            "record-from-ringing",
            "record-from-answer-dual",
            "record-from-ringing-dual",
            "true",
            "false",
        ),
        default="do-not-record",
    )
    trim: str = attribute(choice("trim-silence", "do-not-trim"), default="do-not-trim")
    recording_status_callback: str | None = attribute(URL, default=None, code=13256)
    recording_status_callback_method: str = attribute(METHOD, default="POST")
    recording_status_callback_event: tuple[str, ...] = attribute(
        words("in-progress", "completed", "absent"), default=("completed",), code=13621
    )
    status_callback: str | None = attribute(URL, default=None, code=11100)
    status_callback_method: str = attribute(METHOD, default="POST")
    status_callback_event: tuple[str, ...] = attribute(
        words("call-initiated", "call-ringing", "call-answered", "call-completed"),
        default=("call-completed",),
    )


class Language(Noun):
    """How a relay speaks and hears one language."""

    code: str | None = attribute(LANGUAGE, default=None)
    tts_provider: str | None = attribute(text(64), default=None)
    voice: str | None = attribute(text(128), default=None)
    transcription_provider: str | None = attribute(text(64), default=None)
    speech_model: str | None = attribute(text(64), default=None)
    hints: str | None = attribute(text(50_500), default=None)
    asr_smart_format: bool | None = attribute(FLAG, default=None)
    tts_text_normalization: str | None = attribute(text(32), default=None)
    tts_language_text_normalization: str | None = attribute(text(32), default=None)


class ConversationRelay(Noun, nests=(Language, Parameter)):
    """Text in and out over a WebSocket, speech on the call."""

    url: str | None = attribute(SOCKET_URL, default=None, code=31922)
    language: str | None = attribute(LANGUAGE, default=None)
    tts_language: str | None = attribute(LANGUAGE, default=None)
    transcription_language: str | None = attribute(LANGUAGE, default=None)
    tts_provider: str | None = attribute(text(64), default=None)
    voice: str | None = attribute(text(128), default=None)
    transcription_provider: str | None = attribute(text(64), default=None)
    speech_model: str | None = attribute(text(64), default=None)
    profanity_filter: bool | None = attribute(FLAG, default=None)
    dtmf_detection: bool | None = attribute(FLAG, default=None)
    welcome_greeting: str | None = attribute(text(), default=None)
    partial_prompts: bool | None = attribute(FLAG, default=None)
    welcome_greeting_interruptible: str | None = attribute(text(32), default=None)
    interruptible: str | None = attribute(text(32), default=None)
    preemptible: bool | None = attribute(FLAG, default=None)
    hints: str | None = attribute(text(50_500), default=None)
    intelligence_service: str | None = attribute(text(128), default=None)
    report_input_during_agent_speech: str | None = attribute(text(32), default=None)
    elevenlabs_text_normalization: str | None = attribute(text(32), default=None)
    elevenlabs_language_text_normalization: str | None = attribute(text(32), default=None)
    interrupt_sensitivity: str | None = attribute(text(32), default=None)
    debug: str | None = attribute(text(128), default=None)
    background_noise_reduction: str | None = attribute(text(32), default=None)
    speech_timeout: int | str | None = attribute(text(32), default=None)
    deepgram_smart_format: bool | None = attribute(FLAG, default=None)
    asr_smart_format: bool | None = attribute(FLAG, default=None)
    ignore_backchannel: bool | None = attribute(FLAG, default=None)
    events: str | None = attribute(text(128), default=None)
    partial_prompt_on_hangup: bool | None = attribute(FLAG, default=None)
    eager_eot_threshold: str | None = attribute(text(32), default=None)
    tts_text_normalization: str | None = attribute(text(32), default=None)
    tts_language_text_normalization: str | None = attribute(text(32), default=None)
    include_in_prompt: str | None = attribute(text(128), default=None)
    customer_name: str | None = attribute(text(128), default=None)
    application_reconnect: str | None = attribute(text(128), default=None)
    echo_prompt_filtering: bool | None = attribute(FLAG, default=None)
    turn_detection: str | None = attribute(text(64), default=None)
