"""A terminal in which what a page shows is typed, from its first line to its last, beside a deployment of its own.

A page's addresses are those of a callrouter with nothing set; here they are ports that are free. `CA…` stands for the
newest call, and `ACCOUNT_SID=…` for what an earlier line printed.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import requests
from docs_forked import forked

from callrouter.scenario.ports import free_ports
from tests.support.origin import Origin, Received, Script, reply
from tests.support.pages import ROOT, Block

PATIENCE = 120.0
SPEAKS = re.compile(r"callrouter (phone|simulate carrier|presence watch|listen)|flask ")
"""What goes on and says so when it is ready."""
PORTS = {
    "ROUTER_BIND": 8080,
    "PRESENCE_BIND": 8081,
    "SIGNAL_BIND": 8443,
    "MEDIA_BIND": 8082,
    "VOICE_CONTROL": 8090,
}
GATEWAYS, APP = (9100, 9000), 5000
PRELUDE = {
    "db upgrade": "callrouter db upgrade",
    "account create": 'callrouter account create "My company"',
    "key create": "callrouter key create clients",
    "app create": "callrouter app create --name page --voice-url http://127.0.0.1:5000/outgoing",
    "carrier create simulator": "callrouter carrier create simulator --control-url http://127.0.0.1:9100/simulator",
    "number create +14155550199": "callrouter number create +14155550199 --voice-url http://127.0.0.1:5000/voice"
    " --sms-url http://127.0.0.1:5000/sms",
    "carrier create acme": "callrouter carrier create acme --control-url http://127.0.0.1:9000/acme",
    "nothing: it runs": "callrouter up",
    "contacts create": "callrouter contacts create sales ann bob",
}
"""What a page takes for granted, unless it does it itself; one that makes its account does all of it."""
UNSERVED = re.compile(
    r"((callrouter (simulate .*\.scenario|carrier create |run smpp)|export |pip install ).*\n+)+"
)
"""A page whose commands ask no router: it is given none, since starting it takes longer than all of them."""
PRINTED = {
    "account create": {"ACCOUNT_SID": "account_sid", "AUTH_TOKEN": "auth_token"},
    "key create": {"API_KEY": "sid", "API_SECRET": "secret"},
    "app create": {"APP_SID": "sid"},
}
"""What a command prints that later lines name."""
GOES_ON = re.compile(
    r"callrouter (up|run|tail|listen|phone|presence watch|simulate carrier)|--watch|flask .*run$"
)
FORKABLE = re.compile(r"callrouter [^|&;<>*$~]+|python snippet")
"""What means the same without a shell."""
LISTS = {"CA": "calls", "SM": "messages", "PN": "number"}
"""What lists the newest thing with such a SID, which `CA…` stands for."""
TURNED_AWAY = 5
"""How a phone ends whose call was not taken."""
SNIPPET = """
import os, twilio.rest
from twilio.rest import Client
from presence.client import AccountPresence
account_sid, auth_token = os.environ["ACCOUNT_SID"], os.environ["AUTH_TOKEN"]
key_sid, key_secret, app_sid = (os.environ.get(name, "") for name in ("API_KEY", "API_SECRET", "APP_SID"))
client = Client(account_sid, auth_token)
client.api.base_url = client.messaging.base_url = "http://127.0.0.1:8080"
auth = (account_sid, auth_token)
presence = AccountPresence("http://127.0.0.1:8081", account_sid, auth)
"""
NODE_SNIPPET = "const accountSid = process.env.ACCOUNT_SID, authToken = process.env.AUTH_TOKEN;\n"

TLS = re.compile(r"https://(localhost|calls\.example\.com):8443")
NAMED = re.compile(r"(?:#|//) ([\w.]+\.(?:py|js|html|scenario))(?::.*)?\n")
"""The first line of a snippet that is a file."""


class Refused(AssertionError):
    """A command did not do what its page says; the message has what it printed."""


class Terminal:
    """A context manager: everything that it started ends with it."""

    def __init__(self, folder: Path, page: str) -> None:
        """`page`: all that is typed; `folder`: where, and where the data directory is made."""
        self._page, self._folder = page, folder
        self._app = Origin(_answer) if "flask --app" not in page else None
        ports = free_ports(len(PORTS) + len(GATEWAYS) + 2)
        names = dict(zip([*PORTS.values(), *GATEWAYS, APP], ports, strict=False))
        self._ports = {str(told): str(free) for told, free in names.items()}
        self.env = {
            **os.environ,
            **{f"CALLROUTER_{name}": f"127.0.0.1:{names[told]}" for name, told in PORTS.items()},
            "CALLROUTER_VOICE_WEBRTC_PORT": str(ports[-1]),
            "CALLROUTER_VOICE_RTP_PORTS": f"{30_000 + ports[0] % 200 * 20}-{30_019 + ports[0] % 200 * 20}",
            "CALLROUTER_DATA_DIR": str(folder / "var"),
            "CALLROUTER_OUTBOUND_ALLOW": "127.0.0.0/8",
            "FLASK_RUN_PORT": self._ports[str(APP)],
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "NODE_PATH": str(ROOT / "tests" / "browser" / "node_modules"),
            "PYTHONPATH": str(ROOT),
        }
        # What a shell starts in its background ignores Ctrl-C, and so would all that is started here.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._state: list[str] = []  # `cd` and `export`, which later lines build on
        self._going: list[tuple[str, subprocess.Popen[bytes], Path]] = []
        if self._app:
            self._ports[str(APP)] = str(self._app.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:  # the first fault is the one that is told
            if self._app:
                stack.callback(self._app.close)
            for going in self._going:
                stack.callback(self._end, going)

    def begin(self) -> None:
        """What the page takes for granted."""
        if "account create" in self._page:
            return
        for command, line in PRELUDE.items():
            if line == "callrouter up" and UNSERVED.fullmatch(self._page):
                return
            if command not in self._page:
                self.type(line)

    def new_window(self) -> None:
        """Forgets `cd` and `export`."""
        self._state.clear()

    def type(self, line: str) -> str:
        """Runs it, and answers what it printed; Refused for a fault. What goes on is left to go on."""
        line = self._filled(line)
        program = shlex.split(line, comments=True)
        if program[0] in ("cd", "export"):
            self._state.append(line)
            return ""
        if GOES_ON.search(shlex.join(program)):
            return self._start(line, shlex.join(program[:3]))
        code, said, complained = self._ran(line, program)
        expected = TURNED_AWAY if "# is turned away" in line else 0
        if code != expected or "Traceback" in complained:
            raise Refused(f"{line}\n  ended with {code}\n{said}{complained}")
        self._learn(line, said)
        return said

    def _ran(self, line: str, program: list[str]) -> tuple[int, str, str]:
        """How it ended, and what it printed on either stream."""
        if not self._state and FORKABLE.fullmatch(line.split(" #")[0]):
            return forked(program, self.env, self._folder, PATIENCE)
        said = subprocess.run(
            ["bash", "-c", self._script(line)],
            env=self.env,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return said.returncode, said.stdout, said.stderr

    def paste(self, block: Block) -> None:
        """A file of that name, when the snippet begins with one; else runs it with the names that pages use."""
        # A reader's server has a certificate that is known; here it is asked as a server beside it may, without.
        text = self._filled(TLS.sub("http://127.0.0.1:8081", block.text))
        if name := NAMED.match(text):
            (self._folder / name[1]).write_text(text)
            return
        node = block.language == "js"
        (self._folder / "snippet").write_text((NODE_SNIPPET if node else self._ported(SNIPPET)) + text)
        self.type("node --input-type=commonjs - < snippet" if node else "python snippet")

    def _filled(self, line: str) -> str:
        for name in ("ACCOUNT_SID", "AUTH_TOKEN", "API_KEY", "API_SECRET", "APP_SID"):
            line = line.replace(f"{name}=…", f"{name}={self.env.get(name, '…')}")
        for prefix, noun in LISTS.items():
            if f"{prefix}…" in line:
                newest = json.loads(self.type(f"callrouter {noun} list --json"))[0]["sid"]
                line = line.replace(f"{prefix}…", newest)
        line = line.replace("smsc.example.net", "127.0.0.1")
        return self._ported(line.replace("AC…", self.env.get("ACCOUNT_SID", "AC…")))

    def _ported(self, text: str) -> str:
        return re.sub(r"(?<=:)\d{4}\b", lambda port: self._ports.get(port[0], port[0]), text)

    def _script(self, line: str) -> str:
        return "\n".join(["set -e", *self._state, line])

    def _learn(self, line: str, said: str) -> None:
        """What it printed is what later lines and snippets name."""
        for command, names in PRINTED.items():
            if f"callrouter {command}" in line:
                for variable, field in names.items():
                    found = re.search(rf"^{field} +(\S+)$", said, re.MULTILINE)
                    self.env.setdefault(variable, found[1] if found else "")

    def _start(self, line: str, kind: str) -> str:
        """It goes on beside what follows, until the page ends or another of its kind begins."""
        if "callrouter up" in kind and any("callrouter up" in other for other, _, _ in self._going):
            return ""  # it runs already
        for other in [each for each in self._going if each[0] == kind]:
            self._going.remove(other)
            self._end(other)
        log = self._folder / f"{len(list(self._folder.glob('*.log')))}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["bash", "-c", self._script(f"exec {line}" if "=" not in line.split()[0] else line)],
                env=self.env,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._going.append((kind, process, log))
        if "callrouter up" in line:
            self._wait(self._ready, line, process, log)
        elif SPEAKS.search(line):
            self._wait(lambda: log.stat().st_size > 0, line, process, log)
        return ""

    def _wait(self, true: Callable[[], bool], line: str, process: subprocess.Popen[bytes], log: Path) -> None:
        ends = time.monotonic() + PATIENCE
        while not true():
            if process.poll() not in (None, 0):
                raise Refused(f"{line}\n  ended with {process.returncode}\n{log.read_text()}")
            if time.monotonic() > ends:
                raise Refused(f"{line}\n  is not ready within {PATIENCE} s\n{log.read_text()}")
            time.sleep(0.1)

    def _ready(self) -> bool:
        try:
            return all(
                requests.get(f"http://{self.env[f'CALLROUTER_{name}_BIND']}/livez", timeout=1).ok
                for name in ("ROUTER", "PRESENCE", "MEDIA")
            )
        except requests.RequestException:
            return False

    def _end(self, going: tuple[str, subprocess.Popen[bytes], Path]) -> None:
        """As Ctrl-C does."""
        kind, process, log = going
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired as late:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise Refused(f"{kind}: Ctrl-C does not end it\n{log.read_text()}") from late
        if "callrouter" in kind and "Traceback" in log.read_text():
            raise Refused(f"{kind}\n{log.read_text()}")


def _answer(request: Received) -> Script:
    """The customer's app of a page that brings none."""
    verbs = {"/voice": "<Dial><Client>alice</Client></Dial>", "/sms": "<Message>Until eight.</Message>"}
    return reply(body=f"<Response>{verbs.get(request.path, '')}</Response>".encode())
