"""Decisions on presence as customers and operators read them, and calls that another account's client took.

(PR-61, PR-78 to PR-80)
"""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert, select, update
from test_choosing import AWAY, DEVICE, client

from callrouter import models
from callrouter.api.blueprint import create_api
from callrouter.calls import decisions
from callrouter.calls.choosing import Mode, choose
from callrouter.calls.decisions import Decision
from callrouter.cli import main
from callrouter.directory import accounts, credentials
from callrouter.media.client import MediaClient
from foundation.db import Database
from foundation.keys import Keys
from foundation.webserver.application import Application
from foundation.webserver.errors import handle_errors
from presence.client import Reach, Rung
from tests.support import tables

MINE, OTHER, STRANGER = ("AC" + digit * 32 for digit in "123")
CALL, LEG = "CA" + "1" * 32, "CA" + "2" * 32
TOKEN = "t" * 32


class Ends:
    """An engine that can only end calls, and notes which."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, str, str]] = []

    def end(self, account_sid: str, call_sid: str, status: str) -> None:
        self.ended.append((account_sid, call_sid, status))


class World:
    """A call of MINE whose leg a client of OTHER took."""

    def __init__(self, database: Database) -> None:
        self.database, vault, self.live = database, Keys(["k" * 32]), Ends()
        app = Application("api")
        handle_errors(app)
        media = MediaClient("http://127.0.0.1:9", vault)
        app.register_blueprint(create_api(database, vault, self.live, media, messages=None))  # type: ignore[arg-type]
        self.browser = app.test_client()
        sealed = credentials.seal(vault, TOKEN)

        def fill(connection: Any) -> None:
            for sid in (MINE, OTHER, STRANGER):
                accounts.create(connection, sid=sid, friendly_name="x", credential=sealed, now=1.0)
            table: Any = models.Call.__table__
            row: dict[str, Any] = {"account_sid": MINE, "from": "+15555550100", "status": "in-progress"}
            row |= {"date_created": 1.0, "date_updated": 1.0, "start_time": 1.0}
            own = {"sid": CALL, "to": "+15555550101", "direction": "inbound"}
            leg = {"sid": LEG, "to": "client:support", "direction": "outbound-dial", "parent_call_sid": CALL}
            connection.execute(insert(table).values(**row, **own))
            connection.execute(insert(table).values(**row, **leg, taken_by=OTHER, identity="bob"))
            decisions.keep(connection, MINE, LEG, [decision(), decision(2.0)])

        database.write(fill).result(10)

    def ask(self, method: str, path: str, account_sid: str = MINE, **form: str) -> tuple[int, Any]:
        """Status and body; the account's own server asks."""
        credential = base64.b64encode(f"{account_sid}:{TOKEN}".encode()).decode()
        answer = self.browser.open(
            f"/2010-04-01/Accounts/{account_sid}{path}.json",
            method=method,
            data=form,
            headers={"Authorization": f"Basic {credential}"},
        )
        return answer.status_code, answer.get_json(silent=True)


def decision(at: float = 1.0) -> Decision:
    tab, mobile = replace(AWAY, endpoint_id="tab"), replace(DEVICE, endpoint_id="mobile")
    bob = client("bob", DEVICE, tab, mobile, account_sid=OTHER)
    reach = Reach(name="support", shared=True, as_of=7, targets=(client("alice", account_sid=MINE), bob))
    answer = Rung(call_sid=LEG, rung=("desk",), skipped={"mobile": "gone"})
    choice = choose(reach, Mode.RECENT)
    return Decision(at=at, name="support", mode=Mode.RECENT, reach=reach, choice=choice, answer=answer)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    url = f"sqlite:///{tmp_path / 'router.sqlite3'}"
    tables.make(url, "callrouter")
    database = Database(url)
    yield World(database)
    database.close()


Cli = Callable[..., Result]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("CALLROUTER_DATA_DIR", str(tmp_path))
    return lambda *command: CliRunner().invoke(main, ["calls", *command, "--account", MINE])


@pytest.mark.parametrize("sid", [LEG, CALL])
def test_pr79_decisions_are_read_from_the_leg_and_from_its_call(world: World, sid: str) -> None:
    status, body = world.ask("GET", f"/Calls/{sid}/PresenceDecisions")
    assert status == 200
    _, first = body["presence_decisions"]
    assert (first["call_sid"], first["attempt"], first["to"]) == (LEG, 0, "client:support")
    assert first["chosen"] == {"account_sid": OTHER, "client": "bob", "version": 3}
    assert (first["ring_mode"], first["outcome"], first["sequence"]) == ("recent", "ring", 7)
    assert (first["waves"], first["rung"]) == ([["desk"], ["mobile"]], ["desk"])
    assert [(one["endpoint_id"], one["reason"]) for one in first["skipped"]] == [
        ("tab", "away"),
        ("mobile", "gone"),
    ]
    assert [one["client"] for one in first["presence"]["targets"]] == ["alice", "bob"]
    assert first["presence"]["targets"][1]["endpoints"] == []  # they are another account's


def test_pr79_decisions_come_in_pages_and_in_xml(world: World) -> None:
    path = f"/2010-04-01/Accounts/{MINE}/Calls/{LEG}/PresenceDecisions"
    page = world.browser.get(f"{path}.json?PageSize=1", auth=(MINE, TOKEN)).get_json()
    assert [one["attempt"] for one in page["presence_decisions"]] == [1]
    page = world.browser.get(page["next_page_uri"], auth=(MINE, TOKEN)).get_json()
    assert [one["attempt"] for one in page["presence_decisions"]] == [0]
    assert b"<PresenceDecision>" in world.browser.get(path, auth=(MINE, TOKEN)).data


def test_pr79_nobody_elses_decisions_are_shown(world: World) -> None:
    """Also not to the account that took the call: it has no business with the destination's other targets."""
    assert world.ask("GET", f"/Calls/{LEG}/PresenceDecisions", STRANGER)[0] == 404
    assert world.ask("GET", f"/Calls/{LEG}/PresenceDecisions", OTHER)[1]["presence_decisions"] == []


def test_pr78_decisions_live_as_long_as_their_call(world: World) -> None:
    ended = update(models.Call).values(status="completed", end_time=2.0)
    world.database.write(lambda c: c.execute(ended) and None).result(10)
    assert world.ask("DELETE", f"/Calls/{LEG}")[0] == 204
    with world.database.read() as connection:
        assert connection.execute(select(models.PresenceDecision.__table__)).all() == []


def test_pr61_account_whose_client_took_the_call_sees_it_as_its_own(world: World) -> None:
    status, call = world.ask("GET", f"/Calls/{LEG}", OTHER)
    assert status == 200
    assert (call["account_sid"], call["to"], call["parent_call_sid"]) == (OTHER, "client:support", None)
    assert call["uri"] == f"/2010-04-01/Accounts/{OTHER}/Calls/{LEG}.json"
    assert [one["sid"] for one in world.ask("GET", "/Calls", OTHER)[1]["calls"]] == [LEG]
    assert {one["sid"] for one in world.ask("GET", "/Calls")[1]["calls"]} == {CALL, LEG}
    assert world.ask("GET", "/Calls", STRANGER)[1]["calls"] == []
    assert world.ask("GET", f"/Calls/{CALL}", OTHER)[0] == 404


def test_pr61_it_may_end_that_call_and_nothing_else(world: World) -> None:
    for form in (
        {"Url": "https://app.test/"},
        {"Status": "completed", "TimeLimit": "5"},
        {"StatusCallback": ""},
    ):
        assert world.ask("POST", f"/Calls/{LEG}", OTHER, **form)[0] == 403
    assert world.live.ended == []
    assert world.ask("POST", f"/Calls/{LEG}", OTHER, Status="completed")[0] == 200
    assert world.live.ended == [(MINE, LEG, "completed")]


def test_pr61_its_delete_takes_the_call_out_of_its_list_only(world: World) -> None:
    assert world.ask("DELETE", f"/Calls/{LEG}", OTHER)[0] == 400
    ended = update(models.Call).values(status="completed", end_time=2.0)
    world.database.write(lambda c: c.execute(ended) and None).result(10)
    assert world.ask("DELETE", f"/Calls/{LEG}", OTHER)[0] == 204
    assert world.ask("GET", f"/Calls/{LEG}", OTHER)[0] == 404
    assert world.ask("GET", f"/Calls/{LEG}")[0] == 200


def test_pr79_calls_show_says_who_rang_and_who_did_not(world: World, cli: Cli) -> None:
    text = cli("show", LEG).stdout
    assert "support (bob)" in text
    assert "tab: away, mobile: gone" in text
    shown = json.loads(cli("show", CALL, "--json").stdout)["presence"]
    assert [one["rung"] for one in shown] == [["desk"], ["desk"]]


def test_pr80_a_decision_is_made_again(world: World, cli: Cli) -> None:
    answer = cli("replay", CALL, "--json")
    assert answer.exit_code == 0
    assert [(one["decided"], one["again"], one["same"]) for one in json.loads(answer.stdout)] == [
        ("ring", "ring", True)
    ] * 2
    other = update(models.PresenceDecision).where(models.PresenceDecision.attempt == 1)
    world.database.write(lambda c: c.execute(other.values(waves=[["mobile"], ["desk"]])) and None).result(10)
    answer = cli("replay", LEG, "--json")
    assert answer.exit_code == 1
    assert [one["same"] for one in json.loads(answer.stdout)] == [True, False]
    assert cli("replay", "CA" + "9" * 32).exit_code == 1
