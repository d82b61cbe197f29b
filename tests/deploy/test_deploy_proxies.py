"""The samples of nginx and Caddy in front of real processes: two routers, TLS, and a phone on wss."""

import asyncio
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from callrouter.audio.sources import Tone
from callrouter.scenario.ports import free_ports
from foundation.clock import utc_now
from foundation.settings import Settings
from presence import tls
from tests.support.deployment import Deployment
from tests.support.origin import Origin, reply

pytestmark = pytest.mark.slow

PROXY = Path(__file__).parents[2] / "docs" / "deploy" / "proxy"
SECONDS = 20
WAITS = b"<Response><Pause length='60'/></Response>"


@dataclass(frozen=True, kw_only=True)
class Site:
    """Two routers and a presence server behind a proxy."""

    deployment: Deployment
    second: Deployment
    calls: str
    signal: str
    standby: bool
    """the second router is only for when the first is not ready"""

    def get(self, url: str) -> requests.Response:
        return requests.get(url, verify=str(self.deployment.ca), timeout=SECONDS)


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployment, Deployment]]:
    first = Deployment(tmp_path_factory.mktemp("proxied"), signal_bind="off")
    tls.certificate(Settings(data_dir=first.folder), utc_now())
    its = first.environment
    second = Deployment(
        tmp_path_factory.mktemp("second-router"),
        router_name="router-2",
        router_database=its["CALLROUTER_ROUTER_DATABASE_URL"],
        presence_url=first.presence_url,
        media_url=first.media_url,
        voice_control=its["CALLROUTER_VOICE_CONTROL"],
    )
    try:
        first.start("presence", "media", "voice", "router")
        second.start("router")
        yield first, second
    finally:
        second.close()
        first.close()


def _nginx(folder: Path, text: str) -> list[str]:
    for name in ("calls", "signal"):
        text = text.replace(f"/etc/ssl/callrouter/{name}.pem", str(folder / "leaf.pem"))
        text = text.replace(f"/etc/ssl/callrouter/{name}.key", str(folder / "leaf.key"))
    places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    own = "".join(f"{place}_temp_path {folder}/{place};" for place in places)
    main = (
        f"daemon off; pid {folder}/pid; error_log stderr; events {{}} http {{ access_log off; {own} {text} }}"
    )
    (folder / "nginx.conf").write_text(main)
    return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def _caddy(folder: Path, text: str) -> list[str]:
    pair = f"\n\ttls {folder}/leaf.pem {folder}/leaf.key"
    text = re.sub(r"^(https://localhost:\d+ \{)$", lambda found: found[1] + pair, text, flags=re.MULTILINE)
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https off\n}\n" + text)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


COMMANDS: dict[str, tuple[str, Callable[[Path, str], list[str]]]] = {
    "nginx": ("nginx.conf", _nginx),
    "caddy": ("Caddyfile", _caddy),
}


@pytest.fixture(params=COMMANDS)
def site(
    request: pytest.FixtureRequest, processes: tuple[Deployment, Deployment], tmp_path: Path
) -> Iterator[Site]:
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not on this machine")
    sample, command = COMMANDS[request.param]
    first, second = processes
    for name in ("leaf.pem", "leaf.key"):
        shutil.copy(first.folder / "tls" / name, tmp_path)
    calls, signal = free_ports(2)
    text = _here((PROXY / sample).read_text(), calls, signal, first, second)
    site = Site(
        deployment=first,
        second=second,
        calls=f"https://localhost:{calls}",
        signal=f"localhost:{signal}",
        standby=request.param == "caddy",
    )
    with _running(command(tmp_path, text), tmp_path, lambda: site.get(f"{site.calls}/livez").ok):
        yield site


def _here(text: str, calls: int, signal: int, first: Deployment, second: Deployment) -> str:
    """The sample with this machine's addresses."""
    routers = [one.router_url.removeprefix("http://") for one in (first, second)]
    text = text.replace("127.0.0.1:8080", routers[0]).replace("127.0.0.1:8180", routers[1])
    text = text.replace("127.0.0.1:8081", first.presence_url.removeprefix("http://"))
    for name, port in (("calls", calls), ("signal", signal)):
        text = re.sub(
            rf"listen 443 ssl;\s+server_name {name}\.example\.com", f"listen 127.0.0.1:{port} ssl", text
        )
        text = text.replace(f"\n{name}.example.com {{", f"\nhttps://localhost:{port} {{", 1)
    return text.replace("signal.example.com {", f"https://localhost:{signal} {{")


@contextmanager
def _running(command: list[str], folder: Path, up: Callable[[], bool]) -> Iterator[None]:
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        ends = time.monotonic() + SECONDS
        while True:
            try:
                if up():
                    break
            except requests.RequestException:
                pass
            said = (folder / "log").read_text()
            assert process.poll() is None, said
            assert time.monotonic() < ends, said
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(SECONDS)


def test_only_what_is_for_strangers_is_reached(site: Site) -> None:
    assert site.get(f"{site.calls}/readyz").json()["status"] == "ok"
    assert site.get(f"{site.calls}/metrics").status_code == 404
    signal = f"https://{site.signal}"
    assert site.get(f"{signal}/presence.js").ok
    for hidden in ("/metrics", "/readyz", "/v1/Nodes", "/v1/Accounts/AC1/Invites", "/v1/Keys/SK1"):
        assert site.get(f"{signal}{hidden}").status_code == 404, hidden


def test_calls_of_either_router_are_reached_through_any(site: Site) -> None:
    """A call is at one router. Whoever asks another one about it is passed on, and never sees a 503."""
    tenant, app = site.deployment.tenant(), Origin(lambda _request: reply(body=WAITS))
    number = tenant.number(app.url("/voice"))
    url = f"{site.calls}/2010-04-01/Accounts/{tenant.sid}/Calls"

    async def story(router: Deployment) -> None:
        async with router.carrier() as carrier:
            router.adopt(carrier)
            for _ in range(3):
                call = await carrier.call("+14155550100", number)
                answer = await asyncio.to_thread(
                    requests.post,
                    f"{url}/{call.call_sid}.json",
                    data={"Status": "completed"},
                    auth=(tenant.sid, tenant.auth_token),
                    verify=str(site.deployment.ca),
                    timeout=SECONDS,
                )
                assert answer.status_code == 200, answer.text
                await asyncio.wait_for(call.ended, SECONDS)

    try:
        for router in [site.deployment] if site.standby else [site.deployment, site.second]:
            asyncio.run(story(router))
    finally:
        app.close()


def test_a_phone_registers_and_rings_through_the_proxy(site: Site) -> None:
    deployment = site.deployment
    tenant = deployment.tenant()
    app = Origin(lambda _request: reply(body=b"<Response><Dial><Client>alice</Client></Dial></Response>"))
    number = tenant.number(app.url("/voice"))

    async def story() -> None:
        deployment.signal = site.signal
        async with deployment.carrier() as carrier, tenant.phone("alice", source=Tone(hz=1000.0)) as phone:
            deployment.adopt(carrier)
            await phone.register()
            call = await carrier.call("+14155550100", number, source=Tone(hz=600.0))
            ringing = await asyncio.wait_for(phone.incoming(), SECONDS)
            await ringing.answer()
            while await ringing.heard(0.5) is None:
                pass
            await ringing.hangup()
            await asyncio.wait_for(call.ended, SECONDS)

    try:
        asyncio.run(asyncio.wait_for(story(), 3 * SECONDS))
    finally:
        app.close()
