"""A router that is told to stop, and one that may not start: as operators and balancers see them."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from callrouter import models
from callrouter.scenario.ports import free_ports
from tests.support.deployment import PATIENCE, Deployment
from tests.support.origin import Origin, reply

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

WAITS = b"<Response><Pause length='60'/></Response>"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path_factory.mktemp("stopping"), drain_seconds=3)
    try:
        deployment.start("presence", "media", "voice", "router")
        yield deployment
    finally:
        deployment.close()


def _refused(deployment: Deployment, **settings: str) -> str:
    """What a second router with these settings says before it ends."""
    environment = {**os.environ, **deployment.environment}
    environment |= {f"CALLROUTER_{name.upper()}": value for name, value in settings.items()}
    done = subprocess.run(
        [sys.executable, "-m", "callrouter", "run", "router"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_second_router_of_the_same_name_does_not_start(
    deployment: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The first one's calls are not touched, and the line says what to do."""
    first, second = (f"127.0.0.1:{port}" for port in free_ports(2))
    elsewhere = str(tmp_path_factory.mktemp("another-machine"))
    with ThreadPoolExecutor(3) as at_once:
        same = at_once.submit(_refused, deployment)
        here = at_once.submit(_refused, deployment, router_bind=first)
        there = at_once.submit(_refused, deployment, router_bind=second, data_dir=elsewhere)
    assert "cannot listen on" in same.result()
    assert "another process on this machine is the router 'router-1'" in here.result()
    assert "another process is the router 'router-1'" in there.result()
    assert "CALLROUTER_ROUTER_NAME" in there.result()
    assert requests.get(f"{deployment.router_url}/readyz", timeout=PATIENCE).json()["faults"] == {}


def test_a_router_that_stops_keeps_its_calls_and_takes_no_new_ones(deployment: Deployment) -> None:
    """First it is not ready, then it is gone; the call goes on at its next start."""
    tenant, app = deployment.tenant(), Origin(lambda _request: reply(body=WAITS))
    number = tenant.number(app.url("/voice"))
    placed = f"{deployment.router_url}/2010-04-01/Accounts/{tenant.sid}/Calls"

    def post(path: str, **fields: str) -> requests.Response:
        credentials = (tenant.sid, tenant.auth_token)
        return requests.post(f"{placed}{path}", data=fields, auth=credentials, timeout=PATIENCE)

    def ready() -> tuple[int, list[str]]:
        answer = requests.get(f"{deployment.router_url}/readyz", timeout=PATIENCE)
        return answer.status_code, list(answer.json()["faults"])

    async def story() -> None:
        async with deployment.carrier() as carrier:
            deployment.adopt(carrier)
            call = await carrier.call("+14155550100", number)
            await asyncio.to_thread(deployment.wait_until, lambda: app.received, "the app is asked")
            router = deployment.processes["router"]
            router.send_signal(signal.SIGTERM)
            await asyncio.to_thread(
                deployment.wait_until, lambda: ready() == (503, ["draining"]), "it drains"
            )
            refused = post(".json", To="+14155550111", From=number, Twiml="<Response/>")
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
            await asyncio.to_thread(router.wait, PATIENCE)
            assert not call.over
            del deployment.processes["router"]
            await asyncio.to_thread(deployment.start, "router")
            assert post(f"/{call.call_sid}.json", Status="completed").status_code == 200
            await asyncio.wait_for(call.ended, PATIENCE)

    try:
        asyncio.run(asyncio.wait_for(story(), 5 * PATIENCE))
        assert [
            row.status for row in deployment.rows(models.Call, models.Call.account_sid == tenant.sid)
        ] == ["canceled"]  # nobody had answered it: a <Pause> does not
    finally:
        app.close()
