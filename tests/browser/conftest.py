"""One deployment and two browsers for all scenarios; an account, a carrier, an app and tabs for each."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from callrouter.audio.wav import WavWriter
from tests.browser.chromium import HERE, Browser, Driver, Trust, missing
from tests.browser.world import ALICE_HZ, BOB_HZ, Launch, Play, World
from tests.support.deployment import Deployment, deployments


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    if lacking := missing():
        if os.environ.get("CI_REQUIRE_ALL") == "1":
            pytest.fail(lacking)
        pytest.skip(lacking)
    driver = Driver()
    yield driver
    driver.close()


@pytest.fixture(scope="session")
def shared_deployment(tmp_path_factory: pytest.TempPathFactory, driver: Driver) -> Iterator[Deployment]:
    yield from deployments(tmp_path_factory.mktemp("deployment"), development=True)


@pytest.fixture
def deployment(shared_deployment: Deployment) -> Deployment:
    """All its processes run, whatever the test before did to them."""
    shared_deployment.start(*{"presence", "voice", "router"} - set(shared_deployment.processes))
    return shared_deployment


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the client app's page."""
    silence = tone(tmp_path_factory.mktemp("site") / "silence.wav", 0)

    class Site(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            return str(silence) if path == "/silence.wav" else super().translate_path(path)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, directory=str(HERE))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/page.html"
        server.shutdown()


@pytest.fixture(scope="session")
def launch(
    driver: Driver, shared_deployment: Deployment, page: str, tmp_path_factory: pytest.TempPathFactory
) -> Launch:
    trust = trusted(shared_deployment.ca.parent, tmp_path_factory.mktemp("home"))
    return lambda hz: Browser(
        driver, page, tone(tmp_path_factory.mktemp("microphone") / f"{hz}.wav", hz), trust
    )


@pytest.fixture(scope="session")
def alices_browser(launch: Launch) -> Browser:
    return launch(ALICE_HZ)


@pytest.fixture(scope="session")
def bobs_browser(launch: Launch) -> Browser:
    return launch(BOB_HZ)


@pytest.fixture
def play(deployment: Deployment, alices_browser: Browser) -> Play:
    async def played(scenario: Callable[[World], Coroutine[Any, Any, None]]) -> None:
        async with World(deployment, alices_browser) as world:
            await scenario(world)

    return lambda scenario: asyncio.run(played(scenario))


def tone(path: Path, hz: int) -> Path:
    """Two seconds, which the fake microphone repeats without a seam."""
    wave = np.sin(2 * np.pi * hz * np.arange(16_000) / 8_000) * 10_000
    file = WavWriter(path)
    file.write(wave.astype(np.int16))
    file.close()
    return path


def trusted(tls: Path, home: Path) -> Trust:
    """The CA in a throw-away user's certificate store; without `certutil`, the server's key by a flag."""
    if certutil := shutil.which("certutil"):
        store, ca = home / ".pki" / "nssdb", tls / "ca.pem"
        store.mkdir(parents=True)
        for step in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "development", "-i", str(ca)]):
            subprocess.run([certutil, "-d", f"sql:{store}", *step], check=True, capture_output=True)
        return Trust(flags=(), environment={"HOME": str(home)})
    key = x509.load_pem_x509_certificate((tls / "leaf.pem").read_bytes()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    flag = f"--ignore-certificate-errors-spki-list={base64.b64encode(digest).decode()}"
    return Trust(flags=(flag,), environment={})
