"""The reference page is made from the tables that parse."""

from __future__ import annotations

import subprocess
import sys

from instructions.errors import CATALOGUE, is_warning
from instructions.messaging.verbs import Response
from instructions.reference import acts, elements, page


def test_every_element_and_attribute_is_on_the_page() -> None:
    text = page()
    for cls in elements():
        assert f"## `<{cls.tag}>`" in text
        for row in cls.table:
            assert f"| `{row.name}` |" in text


def test_the_page_says_what_acts() -> None:
    silent = {cls.tag for cls in elements() if not acts(cls)}
    assert silent == {
        "AiSession",
        "Autopilot",
        "Config",
        "Conversation",
        "ConversationRelay",
        "ConversationRelaySession",
        "Language",
        "Pay",
        "Prompt",
        "Refer",
        "Room",
        "Sim",
        "Sip",  # that of <Refer>
        "Siprec",
        "Task",
        "Transcription",
        "VirtualAgent",
        "WhatsApp",
    }
    assert "| `timeout` | whole seconds, 5 to 600 | `30` | 13212 | acts |" in page()
    assert "| `ringTone` | a country's two letters, or us-old | none | 13220 | acts |" in page()
    assert "| `hangupOnStar` | true or false | `false` | 13213 | acts |" in page()
    assert (
        "| `action` | an http or https URL, absolute or relative | this document | 11100 | acts |" in page()
    )
    hints = "at most 500 phrases of at most 100 characters, with commas between"
    assert f"| `hints` | {hints} | none | 13330 | acts |" in page()
    assert "| `callReason` | at most 50 characters | none | 12200 | checked only |" in page()


def test_it_is_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "instructions.reference"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == page().strip()


def test_the_dial_table_is_on_the_page() -> None:
    row = "| ringing | leg answered | bridged | stop timer, cancel others, bridge |"
    assert row in page().splitlines()


def test_the_answers_to_messages_are_on_the_page() -> None:
    messages = page().partition("# In the answer to a message")[2]
    for cls in elements(Response):
        assert f"## `<{cls.tag}>`" in messages
        for row in cls.table:
            assert f"| `{row.name}` | " in messages
    assert "checked only" not in messages


def test_levels() -> None:
    assert is_warning(12200)
    assert not is_warning(12100)
    assert all(10_000 <= code < 40_000 for code in CATALOGUE)
