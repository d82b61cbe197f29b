"""The media service's settings, and what the doctor says of them."""

from __future__ import annotations

import importlib.util

import pytest

from callrouter.cli import checks
from callrouter.cli.checks import State
from callrouter.media.speech import engines, espeak
from callrouter.media.speech.command import CommandSpeaker
from callrouter.media.speech.service import ServiceSpeaker
from foundation.settings import Settings, SettingsError, load


@pytest.mark.parametrize(
    ("engine", "kind"),
    [
        ("none", None),
        ("auto", espeak.EspeakSpeaker),
        ("espeak", espeak.EspeakSpeaker),
        ("command:say {text}", CommandSpeaker),
        ("http://127.0.0.1:5002/tts", ServiceSpeaker),
    ],
)
def test_each_engine_has_its_setting(monkeypatch: pytest.MonkeyPatch, engine: str, kind: type | None) -> None:
    monkeypatch.setenv("CALLROUTER_SPEECH_ENGINE", engine)
    speaker = engines.speaker(load().speech_engine)
    if kind is None:
        assert speaker is None
    else:
        assert isinstance(speaker, kind)
        speaker.close()


@pytest.mark.parametrize("engine", ["festival", "command:", "http://", "ftp://a.example/", "auto "])
def test_an_engine_that_is_none_is_a_fault(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    monkeypatch.setenv("CALLROUTER_SPEECH_ENGINE", engine)
    with pytest.raises(SettingsError, match="CALLROUTER_SPEECH_ENGINE"):
        load()


def test_the_router_finds_it_where_it_is_bound_or_where_it_is_said_to_be() -> None:
    assert Settings(media_bind="127.0.0.1:9").media_base() == "http://127.0.0.1:9"
    assert Settings(media_url="https://media.example/").media_base() == "https://media.example"


def test_the_doctor_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.speech(Settings()).state is State.OK
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    found = checks.speech(Settings())
    assert (found.state, "callrouter[tts]" in found.detail) == (State.NOTE, True)
    assert engines.speaker("auto") is None
    assert checks.speech(Settings(speech_engine="command:say {text}")).state is State.OK
