"""The SMSC that a gateway speaks to, as a process."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

SECRET = "a-carrier-secret-of-these-tests"
PATIENCE = 20.0
"""Seconds for what must happen."""


class Smsc:
    """tests/smpp/smsc.py as a process; `events` are all that it told, in order."""

    def __init__(self, *certificate: str, port: int = 0) -> None:
        """With the files of a certificate and its key: over TLS."""
        self.events: list[dict[str, Any]] = []
        self._told = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("smsc.py")), str(port), *certificate],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        self.port: int = self.wait("listening")["port"]

    def order(self, **order: Any) -> None:
        """Returns when it is done."""
        count = len(self.all("obeyed"))
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        self.wait("obeyed", count + 1)

    def all(self, event: str) -> list[dict[str, Any]]:
        with self._told:
            return [each for each in self.events if each["event"] == event]

    def wait(self, event: str, count: int = 1) -> dict[str, Any]:
        """The `count`th event of that name."""
        with self._told:
            there = self._told.wait_for(lambda: len(self.all(event)) >= count, PATIENCE)
        assert there, f"the SMSC told no {event} number {count}: {self.events}"
        return self.all(event)[count - 1]

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.kill()
        self._process.wait(PATIENCE)
        self._thread.join(PATIENCE)
        self._process.stdout.close()

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            with self._told:
                self.events.append(json.loads(line))
                self._told.notify_all()
