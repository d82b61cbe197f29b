"""What a flood of bad requests leaves behind and whom it disturbs: nothing, and nobody (PR-3, PR-4)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from presence_asking import dump, grants, signed
from presence_world import SECONDS, Tenant, World
from requests.adapters import HTTPAdapter
from websockets.exceptions import ConnectionClosed

ELSEWHERE = "127.0.0.2"
"""Another address of this machine, on Linux: for somebody who is not us."""


def resident(world: World) -> int:
    """Kilobytes of the server process."""
    assert world.process is not None
    status = Path(f"/proc/{world.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server in a process of its own, with the limits that a deployment has."""
    running = World(tmp_path_factory.mktemp("besieged"), refusals_per_second=5.0).spawn()
    yield running
    running.close()


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The same without the limit of refusals: each of them is worked through."""
    running = World(tmp_path_factory.mktemp("trusting")).spawn()
    yield running
    running.close()


def from_(address: str) -> requests.Session:
    session = requests.Session()
    adapter = HTTPAdapter()
    adapter.init_poolmanager(1, 1, source_address=(address, 0))
    session.mount("http://", adapter)
    return session


def test_pr3_a_thousand_refused_registrations_leave_no_row_and_no_memory(trusting: World) -> None:
    """Each with another token, endpoint and client, so that nothing of them can be kept as known."""
    tenant = trusting.tenant()
    assert tenant.register("alice").status_code == 201
    url = f"{trusting.settings.presence_base()}/v1/Accounts/{tenant.account}/Clients"

    def refused(start: int) -> set[int]:
        with requests.Session() as session:
            return {
                session.post(
                    f"{url}/c{n}/Registrations",
                    json={"endpoint_id": f"e{n}"},
                    headers={
                        "Authorization": f"Bearer {signed(tenant, key='w' * 32, grants=grants(f'c{n}'))}"
                    },
                    timeout=SECONDS,
                ).status_code
                for n in range(start, start + 250)
            }

    assert refused(0) == {401}  # what a process takes for itself once
    before, size = dump(tenant), resident(trusting)
    with ThreadPoolExecutor(4) as pool:
        assert set().union(*pool.map(refused, range(250, 1250, 250))) == {401}
    assert dump(tenant) == before
    assert resident(trusting) - size < 8_000


def test_pr4_a_flood_of_refusals_is_told_to_wait_and_disturbs_nobody(besieged: World) -> None:
    """One address tries tokens; another tenant's device at another address registers, rings and answers meanwhile."""
    victim, attacked = besieged.tenant(), besieged.tenant()
    app = victim.app("bob")
    url = f"{besieged.settings.presence_base()}/v1/Accounts/{attacked.account}/Clients/alice/Registrations"

    def flood(_n: int) -> list[requests.Response]:
        with from_(ELSEWHERE) as session:
            return [
                session.post(
                    url,
                    json={"endpoint_id": "e"},
                    headers={"Authorization": f"Bearer {signed(attacked, key='w' * 32)}"},
                    timeout=SECONDS,
                )
                for _ in range(100)
            ]

    with ThreadPoolExecutor(4) as pool:
        flooding = pool.map(flood, range(4))
        for n in range(20):
            assert victim.register("carol", note=str(n)).status_code in (200, 201)
        call = "CA" + uuid4().hex
        assert victim.ring("bob", call_sid=call).rung
        assert app.expect("invite")["callsid"] == call
        answers = [answer for part in flooding for answer in part]
    codes = [(answer.status_code, answer.json()["code"]) for answer in answers]
    assert set(codes) == {(401, 20107), (429, 20429)}
    assert codes.count((401, 20107)) < 100
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers if answer.status_code == 429)
    assert attacked.endpoints("alice") == []
    besieged.hang_up_all()


def test_pr4_credentials_that_were_good_pass_while_their_address_floods(besieged: World) -> None:
    """Behind one address with an attacker, whoever was in before stays in."""
    tenant = besieged.tenant()
    known = tenant.token("alice")
    assert tenant.register("alice", token=known).status_code == 201

    def strangers(number: int) -> int:
        """What one more stranger is told, right after the address had too many refusals."""
        while tenant.register("alice", token=signed(tenant, key="w" * 32)).status_code != 429:
            pass
        assert tenant.register("alice", token=known).status_code == 200
        return tenant.register(f"bob{number}", token=tenant.token(f"bob{number}")).status_code

    # On a busy machine a fifth of a second may go by, after which one more is heard.
    assert 429 in map(strangers, range(50))


def test_a_flood_of_frames_ends_its_own_socket_only(tenant: Tenant) -> None:
    quiet, loud = tenant.app("alice"), tenant.app("mallory")
    with suppress(ConnectionClosed):  # it is cut while we still send
        for _ in range(400):
            loud.send("dtmf", callsid="CA" + "0" * 32, dtmf="1")
    assert loud.closed() == 1008
    call = "CA" + uuid4().hex
    assert tenant.ring("alice", call_sid=call).rung
    assert quiet.expect("invite")["callsid"] == call
