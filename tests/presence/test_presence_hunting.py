"""Ring waves over real sockets: hunting from one group of devices to the next (PR-51), also across a restart."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from nodes_world import until
from presence_world import MASTER, SDP, SECONDS, App, Tenant, World, sid

from foundation.db import Database
from foundation.keys import Keys
from foundation.webserver.service import ServiceToken
from presence.nodes import node_name
from presence.signalling.ledger import Ledger
from presence.store import Store


def devices(tenant: Tenant, count: int) -> tuple[list[App], list[str]]:
    """Apps of alice and their endpoint ids, in the same order."""
    apps: list[App] = []
    names: list[str] = []
    for _ in range(count):
        apps.append(tenant.app("alice"))
        (new,) = set(tenant.endpoints("alice")) - set(names)
        names.append(new)
    return apps, names


def hunt(tenant: Tenant, waves: list[list[str]], every: float, life: float = 60) -> str:
    call_sid = sid("CA")
    body = {
        "call_sid": call_sid,
        "client": "alice",
        "endpoints": [one for wave in waves for one in wave],
        "waves": waves,
        "every": every,
        "sdp": SDP.format("offer"),
        "ring_token": "ring-token",
        "expires_at": time.time() + life,
    }
    url = f"{tenant.world.settings.presence_base()}/v1/Accounts/{tenant.account}/Invites"
    headers = ServiceToken(Keys([MASTER]), "presence", "router").header
    answer = requests.post(url, json=body, headers=headers, timeout=SECONDS)
    assert (answer.status_code, set(answer.json()["rung"])) == (201, set(body["endpoints"]))
    return call_sid


@pytest.mark.real_time
def test_pr51_each_wave_is_cancelled_when_the_next_one_rings_and_the_last_rings_to_the_end(
    tenant: Tenant,
) -> None:
    (desk, mobile, tablet), names = devices(tenant, 3)
    call_sid = hunt(tenant, [[names[0]], names[1:]], 0.5, life=2.0)
    desk.expect("invite")
    assert desk.expect("cancel") == {"callsid": call_sid}
    for app in (mobile, tablet):
        assert app.expect("invite")["callsid"] == call_sid
        assert app.expect("cancel") == {"callsid": call_sid}
    desk.silent()


def test_pr51_the_next_wave_rings_at_once_when_all_of_the_present_one_declined(tenant: Tenant) -> None:
    (desk, mobile, tablet), names = devices(tenant, 3)
    call_sid = hunt(tenant, [names[:2], names[2:]], 60)
    for app in (desk, mobile):
        app.expect("invite")
    desk.send("reject", callsid=call_sid)
    tenant.world.router.wait(tenant.account, "rejected")
    tablet.silent()
    mobile.send("reject", callsid=call_sid)
    assert tablet.expect("invite")["callsid"] == call_sid
    tablet.send("answer", callsid=call_sid, sdp=SDP.format("mine"))
    assert tenant.world.router.wait(tenant.account, "accepted")["endpoint_id"] == names[2]


def test_pr53_who_was_not_asked_or_is_no_more_cannot_take_the_call(tenant: Tenant) -> None:
    (desk, mobile), names = devices(tenant, 2)
    call_sid = hunt(tenant, [[names[0]], [names[1]]], 60)
    desk.expect("invite")
    for app in (mobile, tenant.app("alice", register=False)):
        app.send("answer", callsid=call_sid, sdp=SDP.format("mine"))
        assert app.expect("cancel") == {"callsid": call_sid}
    assert tenant.world.router.of(tenant.account, "accepted") == []


def test_a_device_that_took_another_call_meanwhile_is_passed_over(tenant: Tenant) -> None:
    (desk, mobile, tablet), names = devices(tenant, 3)
    call_sid = hunt(tenant, [[names[0]], [names[1]], [names[2]]], 60)
    desk.expect("invite")
    other = tenant.ring("alice", [names[1]]).call_sid
    mobile.expect("invite")
    mobile.send("answer", callsid=other, sdp=SDP.format("mine"))
    assert tenant.frame(other, "error", code=31005, message="settled")
    mobile.expect("error")
    desk.send("reject", callsid=call_sid)
    assert tablet.expect("invite")["callsid"] == call_sid
    tenant.world.router.wait(tenant.account, "rejected", 2)
    rejected = [event["endpoint_id"] for event in tenant.world.router.of(tenant.account, "rejected")]
    assert sorted(rejected) == sorted(names[:2])
    mobile.silent()


@pytest.fixture
def mortal(tmp_path: Path, database_url: str) -> Iterator[World]:
    world = World(tmp_path, database_url, answer_grace=float(SECONDS)).spawn()
    yield world
    world.close()


def across_a_kill(mortal: World, every: float) -> tuple[str, list[App], bool]:
    """A hunt for three devices, the first of which declines before the server is killed and starts again: the call, the
    devices after that, and whether they came back before the first wave's end."""
    tenant = mortal.tenant()
    tokens = [tenant.token("alice", ttl=3600 - number) for number in range(3)]
    apps, names = [], []
    for token in tokens:
        apps.append(tenant.app("alice", token=token))
        names += set(tenant.endpoints("alice")) - set(names)
    began = time.monotonic()
    call_sid = hunt(tenant, [names[:2], names[2:]], every, life=10 * every)
    apps[0].expect("invite")
    apps[1].expect("invite")
    apps[0].send("reject", callsid=call_sid)
    mortal.router.wait(tenant.account, "rejected")
    database = Database(mortal.settings.database_url("presence"))
    ledger = Ledger(Store(database), node_name(mortal.settings))

    def out() -> list[str]:
        return [name for ring, _ in ledger.pending(0.0) if ring.call_sid == call_sid for name in ring.out]

    until(lambda: out() == names[:1], "the decline is stored")
    database.close()

    mortal.kill()
    mortal.spawn()

    back = [tenant.app("alice", token=token) for token in tokens]
    return call_sid, back, time.monotonic() < began + every - 1.0


@pytest.mark.timeout(300)  # for a second try
def test_pr51_waves_and_declines_survive_kill_9(mortal: World) -> None:
    """A machine so busy that the restart takes longer than a wave gets longer waves."""
    for every in (6.0, 40.0):
        call_sid, back, in_time = across_a_kill(mortal, every)
        if in_time:
            break
        mortal.hang_up_all()
    assert back[1].expect("invite")["callsid"] == call_sid
    later = back[2].frame(every + SECONDS)
    assert (later["type"], later["payload"]["callsid"]) == ("invite", call_sid), (
        "its turn comes at the old time"
    )
    assert back[1].expect("cancel") == {"callsid": call_sid}
    back[0].silent()


def test_pr58_an_invite_that_rang_nobody_is_another_try(tenant: Tenant) -> None:
    """The router asks once more with the same call; from when somebody rings, a repeat changes nothing."""
    call_sid = sid("CA")
    assert tenant.ring("alice", ["gone"], call_sid).rung == ()
    app = tenant.app("alice")
    (endpoint,) = tenant.endpoints("alice")
    assert tenant.ring("alice", [endpoint], call_sid).rung == (endpoint,)
    assert app.expect("invite")["callsid"] == call_sid
    assert tenant.ring("alice", [endpoint], call_sid).rung == (endpoint,)
    app.silent()


def test_pr58_other_tries_at_once_ring_once(tenant: Tenant) -> None:
    call_sid = sid("CA")
    assert tenant.ring("alice", ["gone"], call_sid).rung == ()
    app = tenant.app("alice")
    (endpoint,) = tenant.endpoints("alice")
    with ThreadPoolExecutor(8) as pool:
        tries = [pool.submit(tenant.ring, "alice", [endpoint], call_sid) for _ in range(8)]
    assert {one.result().rung for one in tries} == {(endpoint,)}
    assert app.expect("invite")["callsid"] == call_sid
    app.silent()
    app.send("answer", callsid=call_sid, sdp=SDP.format("mine"))
    tenant.world.router.wait(tenant.account, "accepted")
