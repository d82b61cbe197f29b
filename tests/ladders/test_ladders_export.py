"""Ladders and requests as text for other programs: a report, Mermaid, a shell."""

from __future__ import annotations

import re
import shlex
from types import SimpleNamespace
from typing import Any

import pytest

from callrouter.console.replaying import curl
from callrouter.ladders import mermaid, text
from callrouter.ladders.parties import parties

HOSTILE = "\x1b[2J%% end;\nBob->>Eve: hi #quot; <br> ~~~"


def ladder(*rows: tuple[str, str, str], caller: str = "+1") -> dict[str, Any]:
    shown = [
        {"key": str(n), "at": f"2026-01-01T00:00:0{n}.500+00:00", "source": a, "target": b, "summary": what}
        for n, (a, b, what) in enumerate(rows)
    ]
    return {"call_sid": "CA1", "rows": shown, "parties": parties(shown, caller), "notifications": []}


def test_parties_stand_in_the_order_of_columns() -> None:
    made = ladder(
        ("client:bob", "router", "x"), ("router", "app", "x"), ("+1", "queue", "x"), ("+2", "rest", "x")
    )
    assert [(one["name"], one["column"]) for one in made["parties"]] == [
        *(("+1", "caller"), ("router", "router"), ("queue", "router")),
        *(("app", "app"), ("rest", "app"), ("client:bob", "client"), ("+2", "callee")),
    ]


def test_seconds_count_from_the_first_row() -> None:
    lines = text.render(ladder(("+1", "router", "call arrives"), ("router", "app", "POST /"))).splitlines()
    assert lines == [
        "call CA1",
        "",
        "    0.000      +1 → router  call arrives",
        "    1.000  router → app     POST /",
    ]


@pytest.mark.parametrize("render", [text.render, mermaid.render])
def test_no_name_and_no_text_breaks_out(render: Any) -> None:
    drawn = render(ladder((HOSTILE, "router", HOSTILE), caller=HOSTILE))
    assert "\x1b" not in drawn
    assert not re.search(r"^\s*Bob", drawn, re.MULTILINE)
    if render is mermaid.render:
        assert not re.search(r"[<>~%](?!>)", drawn.replace("->>", ""))
        assert len(drawn.splitlines()) == 4


def test_an_empty_ladder_has_no_rows() -> None:
    assert text.render(ladder()) == "call CA1\n\n"
    assert mermaid.render(ladder()) == "sequenceDiagram\n"


@pytest.mark.parametrize("value", ["'; touch /tmp/x; '", "$(id)", "`id`", "a\nb", "@/etc/passwd", "-o/tmp/x"])
def test_a_command_is_one_command(value: str) -> None:
    """Whatever the parameters say; `--data-urlencode NAME=@…` reads no file, for the name stands before."""
    row = SimpleNamespace(
        url=f"https://u:secret@a.example/{value}#tt=1000",
        method="POST",
        parameters={"Body": value},
        request_headers={"X-Twilio-Signature": value, "Host": "a.example"},
    )
    words = shlex.split(curl(row))  # type: ignore[arg-type]
    assert words[:3] == ["curl", "--include", "--globoff"]
    assert words[3:7] == ["--header", f"X-Twilio-Signature: {value}", "--data-urlencode", f"Body={value}"]
    assert words[7:] == ["--url", f"https://u:***@a.example/{value}"]


def test_what_is_no_web_address_is_not_handed_to_a_shell() -> None:
    row = SimpleNamespace(url="file:///etc/passwd", method="GET", parameters={}, request_headers=None)
    assert shlex.split(curl(row)) == ["curl", "--include", "--globoff", "--get", "--url", "http://invalid/"]  # type: ignore[arg-type]
