"""The presence server killed with SIGKILL or stopped gently, and what is left of it (PR-81, PS1 to PS8)."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from presence_world import SDP, App, Tenant, World


@pytest.fixture
def mortal(tmp_path: Path, database_url: str) -> Iterator[World]:
    """A server in a process of its own; each kind of database."""
    world = World(tmp_path, database_url, answer_grace=4.0).spawn()
    yield world
    world.close()


def test_pr81_registrations_ringing_and_calls_survive_kill_9(mortal: World) -> None:
    tenant = mortal.tenant()
    token = tenant.token("alice")
    app = tenant.app("alice", token=token)
    tenant.register("desk")
    _, call_sid, reconnect = in_call(tenant, "bob")
    before = mortal.client.query(tenant.account, ["alice", "desk", "bob"])
    ring_sid = tenant.ring("alice").call_sid
    app.expect("invite")

    mortal.kill()
    mortal.spawn()

    after = mortal.client.query(tenant.account, ["alice", "desk", "bob"])
    assert [one.status for one in after.clients] == ["available", "available", "busy"]
    assert after.as_of == before.as_of
    assert [one.version for one in after.clients] == [one.version for one in before.clients]

    back = tenant.app("alice", token=token)
    assert back.expect("invite")["callsid"] == ring_sid
    assert tenant.endpoints("alice") == [before.clients[0].endpoints[0].endpoint_id]
    back.send("answer", callsid=ring_sid, sdp=SDP.format("mine"))
    mortal.router.wait(tenant.account, "accepted", 2)

    again = tenant.app("bob", register=False)
    again.send("invite", callsid=call_sid, sdp=SDP.format("phone1"), reconnect=reconnect, twilio={})
    assert "sdp" not in again.expect("answer")
    assert mortal.router.wait(tenant.account, "attached")["moved"] is False


def test_devices_that_do_not_come_back_are_gone_after_the_grace(mortal: World) -> None:
    tenant = mortal.tenant()
    tenant.app("alice")
    _, call_sid, _ = in_call(tenant, "bob")
    mortal.kill()
    mortal.spawn()
    assert mortal.router.wait(tenant.account, "detached")["call_sid"] == call_sid
    assert tenant.endpoints("alice") == []


def test_i1_every_acknowledged_registration_survives_kill_9(mortal: World) -> None:
    """Killed while clients register: whoever was told 201 is there afterwards, with that SID."""
    tenant = mortal.tenant()
    acknowledged: dict[str, str] = {}
    enough = threading.Event()

    def register(worker: int) -> None:
        for n in range(1000):
            name = f"c{worker}_{n}"
            try:
                answer = tenant.register(name, token=tenant.token(name))
            except OSError:
                return
            assert answer.status_code == 201
            acknowledged[name] = answer.json()["endpoint_id"]
            if len(acknowledged) > 60:
                enough.set()

    workers = [threading.Thread(target=register, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    assert enough.wait(20)
    mortal.kill()
    for worker in workers:
        worker.join(20)
    mortal.spawn()
    found = mortal.client.query(tenant.account, list(acknowledged)[:1000])
    assert [one.client for one in found.clients if not one.available] == []


def test_a_gentle_stop_closes_with_1001_and_keeps_registrations(mortal: World) -> None:
    tenant = mortal.tenant()
    app = tenant.app("alice")
    mortal.stop()
    assert app.closed() == 1001
    mortal.spawn()
    assert len(tenant.endpoints("alice")) == 1


def in_call(tenant: Tenant, identity: str) -> tuple[App, str, str]:
    app = tenant.app(identity)
    call_sid = tenant.ring(identity).call_sid
    token = app.expect("invite")["reconnect"]
    app.send("answer", callsid=call_sid, sdp=SDP.format("phone1"))
    tenant.world.router.wait(tenant.account, "accepted")
    assert tenant.frame(call_sid, "error", code=31005, message="settled")
    app.expect("error")
    return app, call_sid, token
