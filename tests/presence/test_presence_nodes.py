"""Two presence processes on one PostgreSQL behind a load balancer: either serves for both (PR-48, PR-51 to PR-58)."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from nodes_world import Fleet, until
from presence_world import MASTER, SDP, SECONDS, App, Tenant, sid

from foundation.keys import Keys
from foundation.webserver.service import ServiceToken
from presence.client import CallUnknown
from tests.support.postgresql import Cluster

pytestmark = pytest.mark.postgresql


@pytest.fixture(scope="module")
def fleet(postgresql: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    running = Fleet(tmp_path_factory.mktemp("nodes"), postgresql.database(), answer_grace=3.0).spawn()
    yield running
    running.close()


@pytest.fixture
def twins(fleet: Fleet) -> Iterator[list[Tenant]]:
    """One account at node a and at node b."""
    yield fleet.tenant()
    fleet.router.answers.clear()
    for node in fleet.nodes:
        node.hang_up_all()


def accept(app: App, call_sid: str, ufrag: str = "phone") -> None:
    app.send("answer", callsid=call_sid, sdp=SDP.format(ufrag))


def in_call(here: Tenant, elsewhere: Tenant) -> tuple[App, str, str]:
    """An app at one node, in a call that the router rang through the other."""
    app = here.app("alice")
    call_sid = elsewhere.ring("alice").call_sid
    reconnect = app.expect("invite")["reconnect"]
    accept(app, call_sid)
    here.world.router.wait(here.account, "accepted")
    assert elsewhere.frame(call_sid, "error", code=31005, message="settled")
    assert app.expect("error")["error"]["message"] == "settled"
    return app, call_sid, reconnect


def post(tenant: Tenant, path: str, body: dict[str, Any], query: str = "") -> requests.Response:
    token = ServiceToken(Keys([MASTER]), "presence", "router")
    url = f"{tenant.world.settings.presence_base()}/v1/Accounts/{tenant.account}{path}{query}"
    return requests.post(url, json=body, headers=token.header, timeout=SECONDS)


def test_pr48_an_invite_reaches_every_device_whichever_node_holds_it(twins: list[Tenant]) -> None:
    a, b = twins
    apps = [a.app("alice"), b.app("alice"), b.app("alice")]
    endpoints = a.endpoints("alice")
    assert len(endpoints) == 3
    first = a.ring("alice", [*endpoints, "nobody"])
    assert (set(first.rung), first.skipped) == (set(endpoints), {"nobody": "gone"})
    for app in apps:
        assert app.expect("invite")["callsid"] == first.call_sid
    assert b.ring("alice", [*endpoints, "nobody"], call_sid=first.call_sid) == first
    for app in apps:
        app.silent()


def test_pr57_a_cancel_at_either_node_reaches_all_devices(twins: list[Tenant]) -> None:
    a, b = twins
    apps = [a.app("alice"), b.app("alice")]
    call_sid = a.ring("alice").call_sid
    for app in apps:
        app.expect("invite")
    b.world.client.cancel_invite(b.account, call_sid)
    for app in apps:
        assert app.expect("cancel") == {"callsid": call_sid}
    accept(apps[0], call_sid)
    assert apps[0].expect("hangup")["error"]["code"] == 31008


def test_pr57_a_cancel_at_one_node_overtakes_the_invite_at_the_other(twins: list[Tenant]) -> None:
    a, b = twins
    apps = [a.app("alice"), b.app("alice")]
    call_sid = sid("CA")
    b.world.client.cancel_invite(b.account, call_sid)
    assert a.ring("alice", call_sid=call_sid).rung == ()
    for app in apps:
        app.silent()


def test_pr51_whoever_accepts_first_wins_and_the_other_nodes_devices_are_told(twins: list[Tenant]) -> None:
    a, b = twins
    loser, winner = a.app("alice"), b.app("alice")
    call_sid = a.ring("alice").call_sid
    loser.expect("invite")
    winner.expect("invite")
    accept(winner, call_sid)
    assert loser.expect("cancel") == {"callsid": call_sid}
    accept(loser, call_sid)
    assert loser.expect("cancel") == {"callsid": call_sid}
    assert len(a.world.router.of(a.account, "accepted")) == 1
    assert a.frame(call_sid, "hangup")
    assert winner.expect("hangup") == {"callsid": call_sid}


def test_pr52_devices_of_both_nodes_accept_in_one_instant(twins: list[Tenant]) -> None:
    """The router is asked by both nodes, and its word decides."""
    a, b = twins
    taken: list[str] = []

    def first_wins(event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        taken.append(event["endpoint_id"])
        return 200, {"result": "won" if taken[0] == event["endpoint_id"] else "lost"}

    a.world.router.answers["accepted"] = first_wins
    apps = [tenant.app("alice") for tenant in twins for _ in range(3)]
    call_sid = b.ring("alice").call_sid
    for app in apps:
        app.expect("invite")
    for app in apps:
        accept(app, call_sid)
    until(lambda: hung_up(a, call_sid), "the winner is bound")
    told = sorted(app.frame()["type"] for app in apps)
    assert told == ["cancel"] * 5 + ["hangup"]


def hung_up(tenant: Tenant, call_sid: str) -> bool:
    try:
        return tenant.frame(call_sid, "hangup")
    except CallUnknown:
        return False


def test_frames_find_the_call_at_its_node(twins: list[Tenant]) -> None:
    a, b = twins
    app, call_sid, _ = in_call(a, b)
    frame = {"id": "f1", "type": "error", "code": 31005, "message": "once"}
    assert b.world.client.frame(b.account, call_sid, frame)
    assert a.world.client.frame(a.account, call_sid, frame)
    assert app.expect("error")["error"]["message"] == "once"
    app.silent()
    assert b.frame(call_sid, "hangup")
    app.expect("hangup")
    for tenant in twins:
        with pytest.raises(CallUnknown):
            tenant.frame(call_sid, "answer")


def test_a_frame_waits_for_an_outgoing_call_that_the_other_node_is_making(twins: list[Tenant]) -> None:
    a, b = twins
    call_sid, spoken = sid("CA"), []

    def answer_first(event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        spoken.append(b.world.client)
        return 201, {"call_sid": call_sid}

    a.world.router.answers["call"] = answer_first
    app = a.app("alice")
    app.send("invite", callsid="TJS1", sdp=SDP.format("abcd"), twilio={})
    a.world.router.wait(a.account, "call")
    assert b.frame(call_sid, "answer", sdp="v=0 answer")
    assert app.expect("answer")["callsid"] == call_sid


def test_a_frame_for_a_device_that_is_away_is_409_at_every_node(twins: list[Tenant]) -> None:
    a, b = twins
    app, call_sid, _ = in_call(a, b)
    app.vanish()
    until(lambda: not b.frame(call_sid, "error", code=31005, message="there?"), "the loss is noticed")
    assert not a.frame(call_sid, "error", code=31005, message="there?")
    a.world.router.wait(a.account, "detached")
    for tenant in twins:
        with pytest.raises(CallUnknown):
            tenant.frame(call_sid, "hangup")


def test_a_device_that_reconnects_to_the_other_node_is_the_same_device(twins: list[Tenant]) -> None:
    """PR-8: no gap, the same registration; what rings for it is shown there."""
    a, b = twins
    token = a.token("alice")
    app = a.app("alice", token=token)
    before = a.world.client.presence(a.account, "alice")
    call_sid = b.ring("alice").call_sid
    app.expect("invite")
    app.vanish()
    until(lambda: a.world.client.presence(a.account, "alice").expires_at < before.expires_at, "it is lost")
    back = b.app("alice", token=token)
    after = a.world.client.presence(a.account, "alice")
    assert [one.endpoint_id for one in after.endpoints] == [one.endpoint_id for one in before.endpoints]
    assert back.expect("invite")["callsid"] == call_sid
    accept(back, call_sid)
    assert a.world.router.wait(a.account, "accepted")["endpoint_id"] == before.endpoints[0].endpoint_id
    assert a.frame(call_sid, "hangup")
    back.expect("hangup")


def test_reattach_at_the_other_node_keeps_the_audio(twins: list[Tenant]) -> None:
    a, b = twins
    app, call_sid, token = in_call(a, b)
    app.vanish()
    back = b.app("alice", register=False)
    back.send("invite", callsid=call_sid, sdp=SDP.format("phone"), reconnect=token, twilio={})
    assert "sdp" not in back.expect("answer")
    assert a.world.router.wait(a.account, "attached")["moved"] is False
    for tenant in twins:
        assert tenant.frame(call_sid, "error", code=31005, message="still there")
        back.expect("error")
    back.register()
    assert a.world.router.of(a.account, "detached") == []
    back.send("hangup", callsid=call_sid)
    a.world.router.wait(a.account, "hangup")


def test_a_call_is_taken_over_by_a_device_of_the_other_node(twins: list[Tenant]) -> None:
    a, b = twins
    app, call_sid, token = in_call(a, b)
    other = b.app("alice", register=False)
    other.send("invite", callsid=call_sid, sdp=SDP.format("tablet"), reconnect=token, twilio={})
    assert other.expect("answer")["sdp"] == SDP.format("serverside")
    assert app.expect("cancel") == {"callsid": call_sid}
    assert a.frame(call_sid, "hangup")
    other.expect("hangup")
    app.silent()


def test_a_ringing_call_is_taken_by_a_device_of_the_other_node(twins: list[Tenant]) -> None:
    a, b = twins
    app = a.app("alice")
    call_sid = a.ring("alice").call_sid
    token = app.expect("invite")["reconnect"]
    other = b.app("alice", register=False)
    other.send("invite", callsid=call_sid, sdp=SDP.format("tablet"), reconnect=token, twilio={})
    assert other.expect("answer")["sdp"] == SDP.format("serverside")
    assert app.expect("cancel") == {"callsid": call_sid}


def test_pr12_an_eviction_at_the_other_node_is_heard(twins: list[Tenant]) -> None:
    a, b = twins
    oldest = a.app("alice")
    for _ in range(10):
        b.app("alice")
    assert oldest.expect("offline") == {}
    assert len(a.endpoints("alice")) == 10


def test_a_registration_that_was_ended_over_http_at_the_other_node_is_heard(twins: list[Tenant]) -> None:
    a, b = twins
    app = a.app("alice")
    url = f"{b.world.settings.presence_base()}/v1/Accounts/{b.account}/Clients/alice/Registrations"
    headers = {"Authorization": f"Bearer {b.token('alice')}"}
    (one,) = requests.get(url, headers=headers, timeout=SECONDS).json()["registrations"]
    assert requests.delete(f"{url}/{one['sid']}", headers=headers, timeout=SECONDS).status_code == 204
    assert app.expect("offline") == {}


def test_a_device_on_a_call_is_busy_at_every_node(twins: list[Tenant]) -> None:
    """PR-24: also when its call is at another node than its registration."""
    a, b = twins
    app, call_sid, _ = in_call(a, b)
    endpoints = a.endpoints("alice")
    assert a.ring("alice", endpoints).skipped == b.ring("alice", endpoints).skipped == {endpoints[0]: "busy"}
    app.silent()
    assert b.frame(call_sid, "hangup")
    app.expect("hangup")
    until(lambda: a.world.client.presence(a.account, "alice").status != "busy", "it is free")
    assert b.ring("alice").rung == tuple(endpoints)


def test_pr24_the_router_renews_leases_at_either_node(twins: list[Tenant]) -> None:
    a, b = twins
    _, call_sid, _ = in_call(a, b)
    unknown = sid("CA")
    for tenant in twins:
        answer = post(tenant, "/Calls/leases", {"calls": [call_sid, unknown]})
        assert (answer.status_code, answer.json()) == (200, {"unknown": [unknown]})
    assert post(a, "/Calls/leases", {"calls": ["x"]}).status_code == 400


def ring_in_waves(
    tenant: Tenant, waves: list[list[str]], every: float, **more: Any
) -> tuple[str, dict[str, Any]]:
    call_sid = sid("CA")
    body = {
        "call_sid": call_sid,
        "client": "alice",
        "sdp": SDP.format("offer"),
        "ring_token": "ring-token",
        "expires_at": 4e9,
        "waves": waves,
        "every": every,
        **more,
    }
    answer = post(tenant, "/Invites", body)
    assert answer.status_code == 201, answer.text
    return call_sid, answer.json()


def endpoint_of(tenant: Tenant, known: list[str]) -> str:
    """The endpoint that has come since."""
    (new,) = set(tenant.endpoints("alice")) - set(known)
    known.append(new)
    return new


def test_pr51_waves_ring_in_turn_across_nodes(twins: list[Tenant]) -> None:
    a, b = twins
    known: list[str] = []
    desk, first = a.app("alice"), endpoint_of(a, known)
    mobile, second = b.app("alice"), endpoint_of(a, known)
    call_sid, answer = ring_in_waves(b, [[first], [second]], 0.5)
    assert (set(answer["rung"]), answer["skipped"]) == ({first, second}, [])
    desk.expect("invite")
    assert desk.expect("cancel") == {"callsid": call_sid}
    mobile.expect("invite")
    accept(desk, call_sid)
    assert desk.expect("cancel") == {"callsid": call_sid}, "its turn is over (PR-53)"
    accept(mobile, call_sid)
    assert a.world.router.wait(a.account, "accepted")["endpoint_id"] == second
    assert len(a.world.router.of(a.account, "accepted")) == 1


def test_pr51_a_decline_at_one_node_is_the_next_ones_turn_at_the_other(twins: list[Tenant]) -> None:
    a, b = twins
    known: list[str] = []
    desk, first = a.app("alice"), endpoint_of(a, known)
    mobile, second = b.app("alice"), endpoint_of(a, known)
    call_sid, _ = ring_in_waves(a, [[first], [second]], 60)
    desk.expect("invite")
    mobile.silent()
    desk.send("reject", callsid=call_sid)
    assert mobile.expect("invite")["callsid"] == call_sid


def test_pr51_a_wave_of_which_nobody_is_there_is_no_dead_time(twins: list[Tenant]) -> None:
    a, b = twins
    mobile = b.app("alice")
    (second,) = b.endpoints("alice")
    call_sid, answer = ring_in_waves(a, [["gone1", "gone2"], [second]], 60)
    assert [one["reason"] for one in answer["skipped"]] == ["gone", "gone"]
    assert mobile.expect("invite")["callsid"] == call_sid


@pytest.mark.parametrize(
    "wrong",
    [
        {"waves": [["a"], ["a"]], "every": 5},
        {"waves": [["a"], []], "every": 5},
        {"waves": [["a"], ["b"]]},
        {"waves": [["a"], ["b"]], "every": 1e6},
        {"waves": [["a"]], "endpoints": ["b"]},
        {"waves": "a"},
        {"waves": ["a"]},
    ],
)
def test_waves_that_make_no_sense_are_refused(twins: list[Tenant], wrong: dict[str, Any]) -> None:
    body = {"call_sid": sid("CA"), "client": "a", "sdp": "s", "ring_token": "r", "expires_at": 4e9, **wrong}
    assert post(twins[0], "/Invites", body).status_code == 400


def test_pr9_nodes_speak_by_service_token_only(twins: list[Tenant]) -> None:
    a, _ = twins
    base = f"{a.world.settings.presence_base()}/v1/Accounts/{a.account}"
    client = {"Authorization": f"Bearer {a.token('alice')}"}
    for path in ("Invites?here=1", f"Invites/{sid('CA')}?here=1", "Clients/alice/moves?here=1"):
        assert requests.post(f"{base}/{path}", json={}, headers=client, timeout=SECONDS).status_code == 401
        assert requests.post(f"{base}/{path}", json={}, timeout=SECONDS).status_code == 401
