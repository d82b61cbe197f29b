"""The Python client against a server that plays a script: pages, faults, streams that break."""

import base64
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from client_script import ACCOUNT, Script, answer, presence
from presence_world import SECONDS

from presence.client import AccountPresence, CursorTooOld, PresenceRefused


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (("AC1", "secret"), "Basic " + base64.b64encode(b"AC1:secret").decode()),
        ("a.client.token", "Bearer a.client.token"),
        (lambda: "fresh", "Bearer fresh"),
    ],
)
def test_pr9_credentials_of_every_kind(script: Script, auth: Any, header: str) -> None:
    script.answers = [answer(200, presence("alice"))]
    with script.client(auth) as client:
        assert client.presence("alice").endpoints == (), "who may not see devices is told of none"
    assert script.asked[0].headers["Authorization"] == header
    assert script.asked[0].path == f"/v1/Accounts/{ACCOUNT}/Presence/alice"


def test_pr37_all_pages_of_a_roster_are_one_answer(script: Script) -> None:
    script.answers = [
        answer(
            200,
            {"as_of": 7, "clients": [presence("a/b")], "removed": ["gone"], "next_page_token": "signed"},
        ),
        answer(200, {"as_of": 7, "clients": [presence("c", "away")], "removed": []}),
    ]
    found = script.client().query(contact_list="sales", connectable=True, since=3)
    assert (found.as_of, [one.client for one in found.clients], found.removed) == (7, ["a/b", "c"], ("gone",))
    first, second = (one.body for one in script.asked)
    assert first == {"list": "sales", "view": "connectable", "since": 3, "page_size": 1000}
    assert second == {**first, "page_token": "signed"}


def test_pr38_a_cursor_that_is_too_old_has_an_exception_of_its_own(script: Script) -> None:
    script.answers = [answer(410, {"code": 20410, "message": "too old"})]
    with pytest.raises(CursorTooOld, match="too old"):
        script.client().query(["alice"], since=1)


def test_refusals_say_code_and_how_long_to_wait(script: Script) -> None:
    script.answers = [answer(429, {"code": 20429, "message": "slow down"}, Retry_After="3")]
    with pytest.raises(PresenceRefused) as refused:
        script.client().set_status("alice", "away")
    assert (refused.value.status, refused.value.code, refused.value.retry_after) == (429, 20429, 3.0)


def test_one_way_to_name_clients_at_a_time(script: Script) -> None:
    with pytest.raises(ValueError, match="clients, prefix"):
        script.client().query(["alice"], prefix="a")


CALLS: list[tuple[Callable[[AccountPresence], Any], str, str, Any]] = [
    (lambda p: p.status("alice"), "GET", "/Clients/alice/Status", None),
    (lambda p: p.set_status("a b", None), "PUT", "/Clients/a%20b/Status", {"status": None, "note": ""}),
    (
        lambda p: p.create_status("lunch", available=False, rank=150, voice=True),
        "POST", "/Statuses", {"name": "lunch", "available": False, "rank": 150, "voice": True},
    ),
    (lambda p: p.change_status("lunch", rank=1), "POST", "/Statuses/lunch", {"rank": 1}),
    (lambda p: p.delete_status("lunch"), "DELETE", "/Statuses/lunch", None),
    (lambda p: p.create_contact_list("x", ["a"]), "POST", "/ContactLists", {"name": "x", "clients": ["a"]}),
    (lambda p: p.rename_contact_list("x", "y"), "POST", "/ContactLists/x", {"name": "y"}),
    (lambda p: p.add_contact("x", "a/b"), "PUT", "/ContactLists/x/Clients/a%2Fb", None),
    (lambda p: p.remove_contact("x", "a"), "DELETE", "/ContactLists/x/Clients/a", None),
    (lambda p: p.delete_contact_list("x"), "DELETE", "/ContactLists/x", None),
    (
        lambda p: p.put_destination("desk", ["a", {"client": "b", "account_sid": "AC2"}]),
        "PUT", "/Destinations/desk", {"targets": [{"client": "a"}, {"client": "b", "account_sid": "AC2"}]},
    ),
    (lambda p: p.destination("desk"), "GET", "/Destinations/desk", None),
    (lambda p: p.delete_destination("desk"), "DELETE", "/Destinations/desk", None),
    (
        lambda p: p.subscribe("http://a.example", prefix="s"),
        "POST", "/Subscriptions", {"url": "http://a.example", "detail": False, "prefix": "s"},
    ),
    (lambda p: p.change_subscription("PS1", active=False), "POST", "/Subscriptions/PS1", {"active": False}),
    (lambda p: p.unsubscribe("PS1"), "DELETE", "/Subscriptions/PS1", None),
    (lambda p: p.revoke(identity="alice"), "POST", "/Revocations", {"identity": "alice"}),
    (lambda p: p.revoke(account=True), "POST", "/Revocations", {"account": True}),
    (lambda p: p.unregister("a", "RG1"), "DELETE", "/Clients/a/Registrations/RG1", None),
    (
        lambda p: p.change_registration("a", "RG1", status="away", version=3),
        "POST", "/Clients/a/Registrations/RG1", {"status": "away", "version": 3},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "method", "path", "body"), CALLS)
def test_every_resource_is_asked_as_documented(
    script: Script, call: Callable[[AccountPresence], Any], method: str, path: str, body: Any
) -> None:
    script.answers = [answer(200, {})]
    call(script.client())
    (asked,) = script.asked
    assert (asked.method, asked.path, asked.body) == (method, f"/v1/Accounts/{ACCOUNT}{path}", body)


def test_pr13_a_heartbeat_refreshes_survives_an_outage_and_unregisters(script: Script) -> None:
    sid, beats = "RG" + "1" * 32, threading.Semaphore(0)

    def registered(handler: BaseHTTPRequestHandler) -> None:
        answer(200, {"sid": sid})(handler)
        beats.release()

    script.answers = [registered, answer(503, {}), registered]
    with script.client().keep_registered("alice", "desk", ttl=1, status="away") as heartbeat:
        for _ in range(3):
            assert beats.acquire(timeout=SECONDS)
        assert heartbeat.alive
    assert not heartbeat.alive
    first, *later, last = script.asked
    assert first.body == {"endpoint_id": "desk", "capabilities": ["voice"], "ttl": 1, "status": "away"}
    assert all("status" not in one.body for one in later), "what was set elsewhere meanwhile stays"
    assert (last.method, last.path.rpartition("/")[2]) == ("DELETE", sid)


def test_pr7_a_heartbeat_ends_when_its_token_is_refused(script: Script) -> None:
    script.answers = [answer(201, {"sid": "RG1"}), answer(401, {"code": 20104, "message": "revoked"})]
    heartbeat = script.client().keep_registered("alice", "desk", ttl=1)
    heartbeat._thread.join(SECONDS)
    assert heartbeat.refused is not None
    assert heartbeat.refused.code == 20104
    heartbeat.close()
