"""Test calls, the softphone, the playground and the presence board: who may, and what is said to who may not."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import jwt
import pytest
from console_world import HOSTILE, ConsoleWorld, Visitor
from sqlalchemy import insert, select, update

from callrouter import models
from callrouter.carriers.rehearsal import Rehearsal, RehearsalFailed
from callrouter.console import presence_board, testcall
from callrouter.console.signal_line import signal_origin
from callrouter.directory import applications, credentials, keys, numbers
from callrouter.playground import documents, store
from foundation.settings import Settings
from foundation.sids import API_KEY, APPLICATION, CALL, PHONE_NUMBER, new_sid
from presence.client import PresenceRefused

NUMBER = "+14155550199"


@pytest.fixture
def mine(world: ConsoleWorld) -> tuple[Visitor, str, str]:
    """A browser of an account with a key and a number; the account's SID, and the key's secret."""
    sid, token = world.account()
    secret = credentials.new_secret()
    sealed = credentials.seal(world.keys, secret)
    key = new_sid(API_KEY)
    world.write(lambda c: keys.create(c, account_sid=sid, sid=key, credential=sealed, now=1.0))
    _number(world, sid, NUMBER)
    return world.owner((sid, token)), sid, secret


def _number(world: ConsoleWorld, account_sid: str, number: str, name: str = "") -> None:
    settings = {"friendly_name": name} if name else {}
    sid = new_sid(PHONE_NUMBER)
    world.write(
        lambda c: numbers.create(
            c, account_sid=account_sid, sid=sid, phone_number=number, settings=settings, now=1.0
        )
    )


def _call(world: ConsoleWorld, account_sid: str, **facts: object) -> str:
    sid = new_sid(CALL)
    row = {
        column.name: "" if isinstance(column.type.python_type(), str) else 0
        for column in models.Call.__table__.columns
        if not column.nullable
    }
    row |= {"account_sid": account_sid, "sid": sid, "status": "in-progress", "date_created": time.time()}
    row |= facts
    world.write(lambda c: c.execute(insert(models.Call.__table__).values(row)))
    return sid


def _said(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.get_json()["message"])


def test_a_numbers_page_leads_to_its_test_call(mine: tuple[Visitor, str, str], world: ConsoleWorld) -> None:
    visitor, sid, _ = mine
    number = models.PhoneNumber.__table__.c
    found = world.read(lambda c: c.execute(select(number.sid).where(number.account_sid == sid)).scalar_one())
    link = "/console/try?number=%2B14155550199"
    assert link in visitor.get(f"/console/numbers/{found}")
    assert f"<option selected>{NUMBER}" in visitor.get(link)


# -- where /signal is


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ({}, "wss://localhost:8443"),
        ({"development": True}, "ws://127.0.0.1:8081"),
        ({"development": True, "presence_bind": "0.0.0.0:8081"}, "wss://localhost:8443"),
        ({"development": True, "router_url": "https://calls.example"}, "wss://localhost:8443"),
        ({"development": True, "router_bind": "192.0.2.1:8080"}, "wss://localhost:8443"),
        ({"development": True, "router_url": "http://localhost:8080"}, "ws://127.0.0.1:8081"),
        ({"signal_host": "signal.example"}, "wss://signal.example"),
    ],
    ids=["production", "laptop", "all-addresses", "https", "network", "localhost", "named"],
)
def test_plain_sockets_are_for_one_machine_in_development(given: dict[str, Any], origin: str) -> None:
    assert signal_origin(Settings(**given)) == origin


@pytest.mark.parametrize(
    "path", ["/console/try", "/console/softphone", "/console/playground", "/console/presence"]
)
def test_pages_run_under_the_strict_policy_and_show_names_as_text(world: ConsoleWorld, path: str) -> None:
    sid, token = world.account(HOSTILE)
    _number(world, sid, NUMBER, HOSTILE[:60])
    world.write(
        lambda c: applications.create(
            c,
            account_sid=sid,
            sid=new_sid(APPLICATION),
            settings={"friendly_name": HOSTILE[:60], "voice_url": "http://x.example/"},
            now=1.0,
        )
    )
    visitor = world.owner((sid, token))
    answer = visitor.client.get(
        f"{path}?client={HOSTILE}&number={HOSTILE}&identity={HOSTILE}&shared={HOSTILE}"
    )
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "<img src=x" not in answer.text
    assert "connect-src 'self' wss://localhost:8443;" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


# -- the softphone's tokens


def test_a_token_is_of_the_account_that_is_looked_at(mine: tuple[Visitor, str, str]) -> None:
    visitor, sid, secret = mine
    answer = visitor.post("/console/softphone/token", script=True, identity="alice")
    claims = jwt.decode(answer.get_json()["token"], secret, algorithms=["HS256"])
    assert (claims["sub"], claims["grants"]["identity"]) == (sid, "alice")
    assert claims["grants"]["voice"] == {"incoming": {"allow": True}}


@pytest.mark.parametrize("identity", ["", "a b", "é", "a" * 122, "a\0b", "<b>"])
def test_a_bad_name_gets_no_token(mine: tuple[Visitor, str, str], identity: str) -> None:
    answer = mine[0].post("/console/softphone/token", script=True, identity=identity)
    assert "letters, digits" in _said(answer, 400)


def test_without_a_key_it_says_what_to_do(world: ConsoleWorld) -> None:
    visitor = world.owner(world.account())
    answer = visitor.post("/console/softphone/token", script=True, identity="alice")
    assert "create one" in _said(answer, 404)


def test_another_accounts_application_is_none(world: ConsoleWorld, mine: tuple[Visitor, str, str]) -> None:
    other, app = world.account("Other")[0], new_sid(APPLICATION)
    made = {"voice_url": "http://x.example/"}
    world.write(lambda c: applications.create(c, account_sid=other, sid=app, settings=made, now=1.0))
    answer = mine[0].post("/console/softphone/token", script=True, identity="a", application_sid=app)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("to", "twiml"),
    [
        ("bob", "<Dial><Client>bob</Client></Dial>"),
        ("client:bob", "<Dial><Client>bob</Client></Dial>"),
        ("+14155550123", f'<Dial callerId="{NUMBER}"><Number>+14155550123</Number></Dial>'),
    ],
)
def test_a_call_without_an_application_is_a_document(
    world: ConsoleWorld, mine: tuple[Visitor, str, str], to: str, twiml: str
) -> None:
    visitor, sid, secret = mine
    answer = visitor.post("/console/softphone/direct", script=True, identity="alice", to=to)
    claims = jwt.decode(answer.get_json()["token"], secret, algorithms=["HS256"])
    document = claims["grants"]["voice"]["outgoing"]["application_sid"]
    assert twiml in world.read(lambda c: store.fetch(c, sid, document))


@pytest.mark.parametrize("to", ["", "not a name", "a</Client><Reject/>", "+1415555012x", '+1"/><Reject/>'])
def test_who_can_not_be_called_is_said(mine: tuple[Visitor, str, str], to: str) -> None:
    answer = mine[0].post("/console/softphone/direct", script=True, identity="alice", to=to)
    assert len(_said(answer, 400)) > 20


def test_a_phone_is_called_from_a_number_of_ones_own(world: ConsoleWorld) -> None:
    visitor = world.owner(world.account())
    answer = visitor.post("/console/softphone/direct", script=True, identity="a", to="+14155550123")
    assert "a number of its own" in _said(answer, 400)


def test_a_suspended_account_gets_no_token(world: ConsoleWorld, mine: tuple[Visitor, str, str]) -> None:
    sid = mine[1]
    status = models.Account.account_sid == sid
    world.write(lambda c: c.execute(update(models.Account).where(status).values(status="suspended")))
    operator = world.operator(sid)
    assert "suspended" in _said(operator.post("/console/softphone/token", script=True, identity="a"), 403)
    answer = operator.post("/console/playground/play", script=True, text="<Response/>")
    assert "suspended" in _said(answer, 403)


# -- the playground


def test_faults_come_with_their_lines(mine: tuple[Visitor, str, str]) -> None:
    answer = mine[0].post(
        "/console/playground/check", script=True, text="<Response>\r\n<Dail/>\r\n</Response>"
    )
    (fault,) = answer.get_json()["faults"]
    assert (fault["line"], fault["code"], fault["error"]) == (2, 12200, False)


def test_what_is_played_is_kept_and_the_token_calls_it_only(
    world: ConsoleWorld, mine: tuple[Visitor, str, str]
) -> None:
    visitor, sid, secret = mine
    answer = visitor.post("/console/playground/play", script=True, text="<Response/>").get_json()
    voice = jwt.decode(answer["token"], secret, algorithms=["HS256"])["grants"]["voice"]
    assert voice == {"outgoing": {"application_sid": answer["sid"]}}
    assert world.read(lambda c: store.fetch(c, sid, answer["sid"])) == "<Response/>"


@pytest.mark.parametrize(
    ("text", "status"),
    [("", 400), ("document /x\n<Response/>", 400), ("<Response>\0</Response>", 400), ("x" * 70_000, 413)],
)
def test_what_can_not_be_played_is_said(mine: tuple[Visitor, str, str], text: str, status: int) -> None:
    answer = mine[0].post("/console/playground/play", script=True, text=text)
    assert len(_said(answer, status)) > 20


def test_a_link_holds_the_text_and_no_other_link_does(
    world: ConsoleWorld, mine: tuple[Visitor, str, str]
) -> None:
    visitor = mine[0]
    text = f"<Response><Say>{HOSTILE}</Say></Response>"
    url = visitor.post("/console/playground/share", script=True, text=text).get_json()["url"]
    path = url.removeprefix("http://127.0.0.1:8080")
    page = visitor.get(path)
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "not whole" in visitor.get(path[:-2])
    assert "not whole" in visitor.get(f"/console/playground?shared={world.keys.sign('other', {'text': 'x'})}")
    noise = "".join(map(chr, range(0x4E00, 0x4E00 + 6_000)))
    assert "too long" in _said(visitor.post("/console/playground/share", script=True, text=noise), 400)


# -- test calls


@pytest.fixture
def development(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A world in development, whose simulated carrier is a mock."""
    rehearsal = MagicMock(Rehearsal)
    monkeypatch.setattr(testcall, "Rehearsal", lambda _url: rehearsal)
    world = ConsoleWorld(tmp_path, {"development": True})
    world.parts.media.speech.return_value = None  # type: ignore[attr-defined]
    yield world, rehearsal
    world.close()


def test_in_production_no_call_is_simulated(mine: tuple[Visitor, str, str]) -> None:
    answer = mine[0].post("/console/try/incoming", script=True, to=NUMBER)
    assert "CALLROUTER_DEVELOPMENT" in _said(answer, 403)


def test_a_call_comes_in_to_a_number_of_the_account_only(
    development: tuple[ConsoleWorld, MagicMock],
) -> None:
    world, rehearsal = development
    account, other = world.account(), world.account("Other")
    _number(world, account[0], NUMBER)
    _number(world, other[0], "+14155550188")
    visitor = world.owner(account)
    rehearsal.call.return_value = "CA1"
    answer = visitor.post("/console/try/incoming", script=True, to=NUMBER, says="tone")
    assert answer.get_json() == {"call_sid": "CA1"}
    assert rehearsal.call.call_args.kwargs["to"] == NUMBER
    for to in ("+14155550188", "", HOSTILE):
        assert visitor.post("/console/try/incoming", script=True, to=to).status_code == 404
    assert visitor.post("/console/try/incoming", script=True, to=NUMBER, says="x").status_code == 400
    bad = {"to": NUMBER, "from": "nobody"}
    assert visitor.post("/console/try/incoming", script=True, **bad).status_code == 400
    rehearsal.call.side_effect = RehearsalFailed("The router did not take the call: because.")
    answer = visitor.post("/console/try/incoming", script=True, to=NUMBER, says="silence")
    assert "because" in _said(answer, 409)
    rehearsal.close.assert_not_called()
    world.parts.closing.close()  # as the router does at its end
    rehearsal.close.assert_called_once_with()


def test_what_a_caller_hears_is_its_accounts_business(development: tuple[ConsoleWorld, MagicMock]) -> None:
    world, rehearsal = development
    account, other = world.account(), world.account("Other")
    sid = _call(world, account[0])
    rehearsal.state.return_value = {"state": "ringing"}
    answer = world.owner(account).json(f"/console/try/incoming/{sid}.json")
    assert answer == {"state": "ringing", "connected": False}
    for since, connected in ((None, False), (time.time() + 60, False), (time.time() - 60, True)):
        _call(world, account[0], parent_call_sid=sid, start_time=since)
        answer = world.owner(account).json(f"/console/try/incoming/{sid}.json")
        assert answer["connected"] == connected, since
    assert world.owner(account).json(f"/console/ladder/{sid}.json")["call_sid"] == sid
    stranger = world.owner(other)
    stranger.json(f"/console/try/incoming/{sid}.json", 404)
    stranger.json(f"/console/ladder/{sid}.json", 404)
    assert stranger.post(f"/console/try/incoming/{sid}/hang-up", script=True).status_code == 404
    rehearsal.hang_up.assert_not_called()


def test_a_call_as_by_rest_has_rests_rules(world: ConsoleWorld, mine: tuple[Visitor, str, str]) -> None:
    world.parts.front.place.return_value = "CA2"  # type: ignore[attr-defined]
    place: Callable[..., Any] = lambda **form: mine[0].post("/console/try/outgoing", script=True, **form)  # noqa: E731
    answer = place(**{"to": "client:alice", "from": NUMBER, "says": HOSTILE})
    assert answer.get_json() == {"call_sid": "CA2"}
    twiml = world.parts.front.place.call_args.args[0].twiml  # type: ignore[attr-defined]
    assert documents.faults(twiml) == []
    assert "<script>" not in twiml
    assert "21210" in str(place(**{"to": "client:alice", "from": "+14155550188"}).get_json())
    assert place(**{"to": "", "from": NUMBER}).status_code == 400


# -- the board


def test_a_presence_server_that_is_away_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ConsoleWorld(tmp_path, {"presence_bind": "127.0.0.1:1"})
    visitor = world.owner(world.account())
    assert "does not answer" in visitor.json("/console/presence.json", 503)["message"]
    refused = PresenceRefused(401, 20003, "The token is too old")
    monkeypatch.setattr(presence_board, "_snapshot", MagicMock(side_effect=refused))
    assert (
        "refused: The token" in visitor.json("/console/presence.json", 502)["message"]
    )  # no 401 of the viewer's
    world.close()
