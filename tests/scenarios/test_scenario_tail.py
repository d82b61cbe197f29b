"""Apps that break are understood from `callrouter tail` alone: whose fault, which code, which line, what to do."""

import asyncio

import pytest
from click.testing import CliRunner
from scene import CALLER, Scene

from callrouter.cli import main
from tests.support.origin import HANG, reply

FAULTS = {
    "/error": (
        reply(500, b"KeyError: 'lang'"),
        ("error 11200: the app answered 500", "answer: KeyError: 'lang'"),
    ),
    "/broken": (
        reply(body=b"<Response>\n  <Say>Hello</Sai>\n</Response>"),
        ("error 12100: ", "line 2: <Say>Hello</Sai>", "to do: Correct the line"),
    ),
    "/noun": (
        reply(body=b"<Response>\n  <Dial>\n    <Klient>alice</Klient></Dial>\n</Response>"),
        ("warning 13215: ", "line 3: <Klient>alice</Klient></Dial>", "whose: your document"),
    ),
    "/slow": ([HANG], ("error 11203: ", "to do: Answer at once")),
    "http://10.9.8.7/": ((), ("error 11205: ", "CALLROUTER_OUTBOUND_ALLOW")),
}
"""What each app answers, and what is printed."""


async def test_faults_of_apps(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = []
    for path, (answer, _) in FAULTS.items():
        scene.app.answers[path] = answer
        url = path if path.startswith("http") else scene.app.url(path)
        numbers.append(scene.tenant.number(url + ("#tt=600&rc=0" if path == "/slow" else "")))
    async with scene.carrier() as carrier:
        await asyncio.gather(*(carrier.call(CALLER, number) for number in numbers))
        await scene.over()
    for name, value in scene.deployment.environment.items():
        monkeypatch.setenv(name, value)
    printed = CliRunner().invoke(main, ["tail", "--since", "1h", "--for", "0", "--account", scene.tenant.sid])
    assert printed.exit_code == 0, printed.output
    for path, (_, parts) in FAULTS.items():
        for part in parts:
            assert part in printed.stdout, (path, part, printed.stdout)
    assert "call arrives" in printed.stdout
    assert "\x1b" not in printed.stdout
