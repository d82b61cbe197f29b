"""Messages to clients whose devices are at other nodes (PR-72, PR-73)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from nodes_world import Fleet, until
from test_presence_client_messages import acknowledged, app, put

from tests.support.postgresql import Cluster

pytestmark = pytest.mark.postgresql


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, postgresql: Cluster) -> Iterator[Fleet]:
    folder: Path = tmp_path_factory.mktemp("messages-fleet")
    running = Fleet(folder, postgresql.database()).spawn()
    yield running
    running.close()


def test_pr72_devices_at_two_nodes_get_it_wherever_it_arrives(fleet: Fleet) -> None:
    here, there = fleet.tenant()
    near, far = app(here, "alice"), app(there, "alice")
    for tenant in (here, there):
        placed = put(tenant, "alice")
        assert len(placed.endpoints) == 2
        assert near.expect("text")["sid"] == far.expect("text")["sid"] == placed.sid
        near.send("text-ack", sid=placed.sid)
        far.send("text-ack", sid=placed.sid)
    fleet.router.wait(here.account, "text-delivered", count=2)
    assert len({one["message_sid"] for one in fleet.router.of(here.account, "text-delivered")}) == 2


def test_pr73_it_waits_and_comes_at_another_node(fleet: Fleet) -> None:
    here, there = fleet.tenant()
    sids = [put(here, "alice", str(n)).sid for n in range(3)]
    device = app(there, "alice")
    assert [device.expect("text")["sid"] for _ in sids] == sids
    acknowledged(there, device, {"sid": sids[0]})


def test_pr81_a_node_that_is_killed_loses_no_message(tmp_path: Path, postgresql: Cluster) -> None:
    fleet = Fleet(tmp_path, postgresql.database()).spawn()
    try:
        here, there = fleet.tenant()
        token = here.token("alice")
        device = app(here, "alice", token=token)
        placed = put(here, "alice")
        assert device.expect("text")["sid"] == placed.sid
        fleet.nodes[0].kill()
        again = app(there, "alice", token=token)
        assert again.expect("text")["sid"] == placed.sid
        acknowledged(there, again, {"sid": placed.sid})
        until(lambda: len(fleet.router.of(here.account, "text-delivered")) == 1, "told once")
    finally:
        fleet.close()
