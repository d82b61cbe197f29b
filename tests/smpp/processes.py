"""`callrouter run smpp` as a process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.smpp.parties import PATIENCE, Smsc


class GatewayProcess:
    """`start` again after `kill`: it finds its store."""

    def __init__(
        self, folder: Path, smsc: Smsc, port: int, *options: str, environment: Mapping[str, str] | None = None
    ) -> None:
        """`port` is that of the control URL."""
        self._log, self._smsc, self._port = folder / "smpp.log", smsc, port
        self._environment = {**os.environ, "SMPP_PASSWORD": "secret", **(environment or {})}
        self._command = [sys.executable, "-m", "callrouter", "run", "smpp", "--system-id", "esme"]
        self._command += ["--smsc", f"127.0.0.1:{smsc.port}", "--rate", "1000", *options]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it is bound and listens."""
        bound = len(self._smsc.all("bound"))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        self._smsc.wait("bound", bound + 1)
        ends = time.monotonic() + PATIENCE
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self._port), 1).close()
            except OSError:
                assert time.monotonic() < ends, self._log.read_text()
                time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL: no last word."""
        assert self._process
        self._process.kill()
        self._process.wait(PATIENCE)
        self._process = None

    def stop(self) -> int | None:
        """SIGTERM; its exit code."""
        if self._process is None:
            return None
        self._process.terminate()
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(PATIENCE)
            raise AssertionError(f"it did not stop:\n{self._log.read_text()}") from None
