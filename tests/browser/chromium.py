"""A real Chromium as the scenarios see it: browsers, tabs with a `Device` each, and their calls.

Everything waits at most some seconds and then says what did not come.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SDK = HERE / "node_modules" / "@twilio" / "voice-sdk" / "dist" / "twilio.min.js"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "chromium"
PATIENCE = 25.0
"""Seconds for an event in a page; the SDK itself may pause for up to 20 before it reconnects."""
COMMAND_SECONDS = 45.0
"""Seconds for a command to the driver; a page's own waits are shorter."""

FLAGS = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-pings",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    # Nothing can leave the machine: no other name has an address.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE *.localhost , EXCLUDE 127.0.0.1",
)


def missing() -> str:
    """What these tests need and this machine lacks; empty when all is there."""
    if shutil.which("node") is None:
        return "Node is not on the path"
    if shutil.which(CHROMIUM) is None:
        return f"{CHROMIUM} is not here: install Chromium or name it by CHROMIUM"
    if not SDK.exists():
        return "the npm packages are not installed: `npm ci` in tests/browser"
    return ""


class PageFault(Exception):
    """A page, or the driver, refused or waited in vain; the message is its own."""


class Driver:
    """The Node process; its answers come on a thread and may be awaited in any event loop."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", str(HERE / "driver.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[Any]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def post(self, what: str, **fields: Any) -> Future[Any]:
        number, answer = next(self._numbers), Future[Any]()
        answer.set_running_or_notify_cancel()  # who stops waiting leaves it to be answered all the same
        self._waiting[number] = answer
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps({"id": number, "do": what, **fields}) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise PageFault("the driver has ended: see what it wrote to standard error") from error
        return answer

    def close(self) -> None:
        """Ends the browsers and removes their profiles."""
        assert self._process.stdin
        with suppress(OSError):  # it has ended by itself
            self._process.stdin.close()
        try:
            self._process.wait(COMMAND_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join(PATIENCE)
            assert self._process.stdout
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            answer = json.loads(line)
            waiting = self._waiting.pop(answer["id"])
            if "error" in answer:
                waiting.set_exception(PageFault(answer["error"]))
            else:
                waiting.set_result(answer["result"])
        for waiting in self._waiting.values():
            waiting.set_exception(PageFault("the driver ended"))


class Browser:
    """One Chromium with a profile of its own, whose microphone plays `microphone` for ever."""

    def __init__(self, driver: Driver, page: str, microphone: Path, trust: Trust) -> None:
        self._driver, self._page = driver, page
        flags = [*FLAGS, *trust.flags, f"--use-file-for-fake-audio-capture={microphone}"]
        launched = driver.post("launch", executable=CHROMIUM, flags=flags, env=trust.environment)
        self._number: int = launched.result(COMMAND_SECONDS)

    async def tab(self) -> Tab:
        number = await self._ask("open", browser=self._number, url=self._page)
        return Tab(self, number)

    async def visit(self, url: str) -> Site:
        """A page that is somebody else's."""
        return Site(self, await self._ask("visit", browser=self._number, url=url))

    async def traffic(self) -> list[dict[str, Any]]:
        """Every request of every tab so far: `url`, `method`, and `outcome`, a status or what failed."""
        requests: list[dict[str, Any]] = await self._ask("traffic", browser=self._number)
        return requests

    async def _ask(self, what: str, **fields: Any) -> Any:
        return await asyncio.wait_for(asyncio.wrap_future(self._driver.post(what, **fields)), COMMAND_SECONDS)


@dataclass(frozen=True, kw_only=True)
class Trust:
    """How a browser comes to trust the deployment's CA."""

    flags: Sequence[str]
    environment: Mapping[str, str]


class Tab:
    """A page with one `Device`. Names of events and members are the SDK's."""

    def __init__(self, browser: Browser, number: int) -> None:
        self._browser, self._number = browser, number

    async def do(self, name: str, *args: Any) -> Any:
        """`window.app[name](...args)` of page.js."""
        return await self._browser._ask("call", page=self._number, name=name, args=args)

    async def wait(self, event: str, patience: float = PATIENCE, *, call: int | None = None) -> Any:
        """The next such event of the device (or of a call) that nobody has waited for yet."""
        return await self.do("wait", call, event, patience)

    async def open(self, token: str, signal: str, **options: Any) -> None:
        """Makes the `Device`; it opens its socket when it registers or connects."""
        await self.do("open", token, {"chunderw": signal, **options})

    async def incoming(self) -> TabCall:
        return TabCall(self, await self.wait("incoming"))

    async def connect(self, **options: Any) -> TabCall:
        return TabCall(self, await self.do("connect", options))

    async def state(self) -> str:
        return str((await self.do("device"))["state"])

    async def run(self, text: str) -> Any:
        """What this script answers in the page; a promise is awaited."""
        return await self._browser._ask("run", page=self._number, text=text)

    async def close(self) -> None:
        """As a user closes a tab: the page may still say good-bye."""
        await self._browser._ask("close", page=self._number)

    async def crash(self) -> None:
        """Its process dies; it says nothing more."""
        await self._browser._ask("crash", page=self._number)


class Site:
    """A page as its user sees it. Selectors are Playwright's."""

    def __init__(self, browser: Browser, number: int) -> None:
        self._browser, self._number = browser, number

    async def shows(self, selector: str) -> None:
        """Until there is one such visible element."""
        await self._act(selector, "waitFor", {"timeout": PATIENCE * 1000})

    async def gone(self, selector: str) -> None:
        """Until there is none."""
        await self._act(selector, "waitFor", {"state": "detached", "timeout": PATIENCE * 1000})

    async def fill(self, selector: str, text: str) -> None:
        await self._act(selector, "fill", text)

    async def click(self, selector: str) -> None:
        await self._act(selector, "click")

    async def press(self, selector: str, key: str) -> None:
        await self._act(selector, "press", key)

    async def type(self, text: str) -> None:
        """Key by key, into whatever has the focus."""
        await self._act(":focus", "pressSequentially", text)

    async def run(self, text: str) -> Any:
        """What this script answers in the page."""
        return await self._browser._ask("run", page=self._number, text=text)

    async def choose(self, selector: str, label: str) -> None:
        """An option of a list, by what it shows."""
        await self._act(selector, "selectOption", {"label": label})

    async def attribute(self, selector: str, name: str) -> str:
        """Of the first such element; empty when it has none."""
        return str(await self._act(selector, "getAttribute", name) or "")

    async def value(self, selector: str) -> str:
        """What a field holds."""
        return str(await self._act(selector, "inputValue"))

    async def texts(self, selector: str) -> list[str]:
        """Of all such elements, in their order, without waiting."""
        found: list[str] = await self._act(selector, "allInnerTexts")
        return found

    async def go(self, url: str) -> None:
        await self._browser._ask("go", page=self._number, url=url)

    async def look(self, width: int, height: int, scheme: str = "light") -> None:
        """In a window of this size, by `light` or `dark`."""
        await self._browser._ask("look", page=self._number, width=width, height=height, scheme=scheme)

    async def shoot(self, path: Path) -> None:
        """A PNG of what the window shows."""
        await self._browser._ask("shoot", page=self._number, path=str(path))

    async def judge(self) -> list[dict[str, Any]]:
        """What axe-core finds wrong: `rule`, `impact`, `help` and the `nodes` as HTML."""
        found: list[dict[str, Any]] = await self._browser._ask("judge", page=self._number)
        return found

    async def links(self) -> list[str]:
        """Where its links lead, as whole URLs."""
        found: list[str] = await self._browser._ask("links", page=self._number)
        return found

    async def complaints(self) -> list[str]:
        """Errors of the page's scripts, and what its policy refused, since it was opened."""
        said: list[str] = await self._browser._ask("complaints", page=self._number)
        return said

    async def close(self) -> None:
        await self._browser._ask("close", page=self._number)

    async def _act(self, selector: str, action: str, *args: Any) -> Any:
        return await self._browser._ask("act", page=self._number, selector=selector, action=action, args=args)


class TabCall:
    """A call of a tab."""

    def __init__(self, tab: Tab, number: int) -> None:
        self._tab, self._number = tab, number

    async def do(self, name: str, *args: Any) -> Any:
        """`accept`, `reject`, `ignore`, `disconnect`, `press`, `send`."""
        return await self._tab.do(name, self._number, *args)

    async def wait(self, event: str, patience: float = PATIENCE) -> Any:
        return await self._tab.wait(event, patience, call=self._number)

    async def state(self) -> dict[str, Any]:
        """`status`, `parameters`, `custom` for the custom parameters, `connectToken`."""
        state: dict[str, Any] = await self._tab.do("call", self._number)
        return state

    async def hears(self, hz: float, patience: float = PATIENCE) -> None:
        """Listens until this is the strongest frequency; AssertionError says what was heard instead."""
        heard: list[float | None] = []
        ends = asyncio.get_running_loop().time() + patience
        while not (heard and heard[-1] is not None and abs(heard[-1] - hz) < 20):
            assert asyncio.get_running_loop().time() < ends, f"heard {heard[-10:]} and not {hz}"
            heard.append(await self._tab.do("hears", self._number))
            await asyncio.sleep(0.1)

    async def tones(self) -> list[float]:
        """All that it hears just now, in Hz, the strongest first."""
        heard: list[float] = await self._tab.do("tones", self._number)
        return heard
