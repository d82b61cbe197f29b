"""Libraries in C that read what strangers sent: each in a process of its own, which may crash alone.

A request is a line of JSON and the bytes that its `bytes` counts; so is the answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any


class WorkerFailed(Exception):
    """The process ended, took too long, or answered rubbish. The next request starts another."""


class Worker:
    """One process; started when first needed, and again after a crash. For one thread at a time."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None

    def ask(
        self, request: Mapping[str, object], body: bytes = b"", *, seconds: float
    ) -> tuple[dict[str, Any], bytes]:
        """The answer's head and its bytes. WorkerFailed after `seconds` at the latest."""
        process = self._process = self._process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        watch = threading.Timer(seconds, process.kill)
        watch.start()
        try:
            process.stdin.write(json.dumps({**request, "bytes": len(body)}).encode() + b"\n" + body)
            process.stdin.flush()
            head = json.loads(process.stdout.readline())
            answer = process.stdout.read(head.get("bytes", 0))
            if len(answer) < head.get("bytes", 0):
                raise EOFError
        except (OSError, ValueError, EOFError) as error:
            self.close()
            raise WorkerFailed(f"{self._module} ended or took more than {seconds:.3g} s") from error
        finally:
            watch.cancel()
        return head, answer

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _started(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", self._module]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
