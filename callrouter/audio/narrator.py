"""How a simulated end of a call tells its operator what happens: words with the time of day, or JSON lines."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import click

from foundation.clock import utc_now


class Narrator:
    """JSON lines are `{"at", "text", "call"}` as it happens and `{"report": {…}}` at the end of a call."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json

    def say(self, text: str, call: str = "") -> None:
        now = utc_now().astimezone()
        if self._json:
            self._line({"at": now.isoformat(timespec="milliseconds"), "text": text, "call": call})
        else:
            click.echo(f"{now:%H:%M:%S}.{now.microsecond // 1000:03d}  {text}")

    def report(self, report: Any) -> None:
        """A frozen dataclass, field by field; None and empty fields are left out for people."""
        fields = {name.rstrip("_"): value for name, value in dataclasses.asdict(report).items()}
        if self._json:
            return self._line({"report": fields})
        for name, value in fields.items():
            if value not in (None, ""):
                click.echo(f"  {name.replace('_', ' '):<17}{value}")

    def _line(self, fields: Mapping[str, Any]) -> None:
        click.echo(json.dumps(fields))
