"""Calls, messages, requests and alerts in the console: what each page says, to whom, and of whose."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import pytest
from console_world import HOSTILE, ConsoleWorld, Visitor
from happened import broken_call, call_row, delivery, line, message, note, store
from sqlalchemy import Connection, event, insert, update

from callrouter import models
from callrouter.ladders import calls as ladder_calls
from foundation.sids import CALL, new_sid
from tests.support.origin import Origin, reply

PAGES = ("calls", "messages", "requests", "alerts")


@pytest.fixture
def account(world: ConsoleWorld) -> tuple[str, str]:
    return world.account()


@pytest.fixture
def owner(world: ConsoleWorld, account: tuple[str, str]) -> Visitor:
    return world.owner(account)


def test_a_broken_call_is_understood_from_its_page(
    world: ConsoleWorld, account: tuple[str, str], owner: Visitor
) -> None:
    sid = broken_call(world, account[0], world.now.seconds - 60)
    page = owner.get(f"/console/calls/{sid}")
    for part in ("12200", "15003", "(line 3)", "What to do", "not rung", "busy", "no-answer", "204"):
        assert part in page, part
    ladder = owner.json(f"/console/calls/{sid}/ladder.json")
    by_summary = {row["summary"].partition(" ")[0]: row for row in ladder["rows"]}
    request = f"{sid}.0.0"
    assert by_summary["POST"]["delivery_id"] == by_summary["document"]["delivery_id"] == request
    assert (by_summary["warning"]["level"], by_summary["warning"]["delivery_id"]) == ("warning", request)
    assert by_summary["status-callback"]["delivery_id"] == f"{sid}.1.0"
    assert by_summary["dial"]["detail"]["call_sid"]
    assert [one["column"] for one in ladder["parties"]] == ["caller", "router", "app", "client"]
    again = owner.json(f"/console/calls/{sid}/ladder.json?after={ladder['cursor']}")
    assert again == {"cursor": ladder["cursor"], "live": False}


def test_a_ladder_is_read_when_it_is_another_one_only(
    world: ConsoleWorld, account: tuple[str, str], owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is added to a call or changes in it is told at the next look; nothing is read when nothing did."""
    sid, at = broken_call(world, account[0], world.now.seconds - 60, status="in-progress"), world.now.seconds
    read: list[str] = []
    fetch = ladder_calls.fetch
    monkeypatch.setattr(ladder_calls, "fetch", lambda *of, **more: read.append(sid) or fetch(*of, **more))
    legs = world.read(lambda c: ladder_calls.family(c, account[0], sid))[1]
    recording = {"sid": new_sid("RE"), "call_sid": sid, "source": "RecordVerb", "track": "inbound"}
    times = {"start_time": at, "date_created": at, "date_updated": at}
    recording |= {"callback_method": "POST", "callback_events": "completed"}
    recording |= {"account_sid": account[0], "channels": 1, "status": "in-progress", **times}
    changes: list[Callable[[Connection], Any]] = [
        lambda c: c.execute(
            insert(models.TimelineEntry).values(line(account[0], sid, 6, at, "app", "router", "x"))
        ),
        lambda c: c.execute(insert(models.Delivery).values(delivery(account[0], sid, f"{sid}.2.0", at - 30))),
        lambda c: c.execute(insert(models.Notification).values(note(account[0], sid, at - 30, 11200, "no"))),
        lambda c: c.execute(insert(models.Recording).values(recording)),
        lambda c: c.execute(update(models.Recording).values(status="completed", duration=3)),
        lambda c: c.execute(update(models.PresenceDecision).values(at=at)),
        lambda c: c.execute(update(models.Call).where(models.Call.sid == legs[1].sid).values(carrier="acme")),
        lambda c: c.execute(update(models.Call).where(models.Call.sid == sid).values(status="completed")),
    ]
    for path in (f"/console/calls/{sid}/ladder.json", f"/console/ladder/{legs[1].sid}.json"):
        cursor = owner.json(path)["cursor"]
        read.clear()
        assert owner.json(f"{path}?after={cursor}") == {"cursor": cursor, "live": True}
        assert read == []
    for number, change in enumerate(changes, 1):
        world.write(change)
        told = owner.json(f"{path}?after={cursor}")
        assert (told["cursor"] != cursor, len(read), "rows" in told) == (True, number, True), number
        cursor = told["cursor"]
    assert told["live"] is False


def test_a_request_shows_its_document_with_the_failing_line(
    world: ConsoleWorld, account: tuple[str, str], owner: Visitor
) -> None:
    sid = broken_call(world, account[0], world.now.seconds - 60)
    for page in (
        owner.get(f"/console/requests/{sid}.0.0"),
        owner.json(f"/console/requests/{sid}.0.0")["html"],
    ):
        wrong = re.search(r'<li class="wrong warning">(.*?)</li>', page, re.DOTALL)
        assert wrong
        assert "&lt;Dail&gt;" in wrong[1]
        assert "12200" in wrong[1]
        assert "X-Twilio-Signature: c2lnbmVk" in page
        assert "curl --include" in page
    assert "Traceback: KeyError" in owner.get(f"/console/requests/{sid}.1.0")


def test_what_others_wrote_is_text_and_passwords_stay_hidden(
    world: ConsoleWorld, account: tuple[str, str], owner: Visitor
) -> None:
    sid = broken_call(world, account[0], world.now.seconds - 60, **{"from": HOSTILE})
    text = message(world, account[0], world.now.seconds - 60)
    paths = [f"calls/{sid}", f"requests/{sid}.0.0", f"messages/{text}", *PAGES, f"calls?from={HOSTILE}"]
    for path in (*paths, f"calls/{sid}/ladder.txt", f"messages/{text}/ladder.mmd"):
        page = owner.get(f"/console/{path}")
        assert "secret" not in re.sub(r"/console/[a-z-]*secret", "", page), path
        if not path.endswith(("txt", "mmd")):
            assert "<script>alert" not in page, path
            assert "<img src=x" not in page, path
    assert HOSTILE.partition(">")[0] not in owner.get(f"/console/calls/{sid}/ladder.mmd")


def test_exports(world: ConsoleWorld, account: tuple[str, str], owner: Visitor) -> None:
    sid = broken_call(world, account[0], world.now.seconds - 60)
    text = owner.get(f"/console/calls/{sid}/ladder.txt")
    assert f"call {sid}" in text
    assert re.search(r"9\.000 +\S+ → router +ended: normal", text)
    assert "  line 3: <Dail>" in text
    drawn = owner.get(f"/console/calls/{sid}/ladder.mmd").splitlines()
    assert drawn[0] == "sequenceDiagram"
    assert any(line.endswith("as router") for line in drawn)
    assert all(re.fullmatch(r"    (participant p\d+ as .+|p\d+(->>|-x)p\d+: .+)", line) for line in drawn[1:])
    assert "20404" in owner.json(f"/console/calls/{sid}/ladder.exe", 404).__str__()


def test_everything_of_another_account_is_not_there(world: ConsoleWorld, owner: Visitor) -> None:
    stranger = world.account("Other")[0]
    sid, text = broken_call(world, stranger, world.now.seconds), message(world, stranger, world.now.seconds)
    for path in (f"calls/{sid}", f"calls/{sid}/ladder.json", f"requests/{sid}.0.0", f"messages/{text}"):
        owner.json(f"/console/{path}", 404)
    for path in PAGES:
        assert sid not in owner.get(f"/console/{path}")
        assert text not in owner.get(f"/console/{path}")
    assert owner.post(f"/console/calls/{sid}/hang-up", script=True).status_code == 404
    assert owner.post("/console/requests/replay", script=True, id=f"{sid}.0.0").status_code == 404
    assert sid in world.operator(stranger).get("/console/calls")


def test_devices_and_costs_of_others_are_the_operators(
    world: ConsoleWorld, account: tuple[str, str], owner: Visitor
) -> None:
    sid, text = (make(world, account[0], world.now.seconds) for make in (broken_call, message))
    operator = world.operator(account[0])
    rows = [
        re.findall(r'their-bob.*?data-label="Device">(.*?)<', one.get(f"/console/calls/{sid}"))
        for one in (owner, operator)
    ]
    assert rows[0] == ["none"]
    assert rows[1] != ["none"]
    assert "0.0071" in operator.get(f"/console/messages/{text}")
    assert "0.0071" not in owner.get(f"/console/messages/{text}")


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"old", "new", "other"}),
        ("status=live", {"new"}),
        ("status=busy", {"other"}),
        ("to=%2B1999", {"other"}),
        ("from=nobody", set()),
        ("since=2026-03-01", {"new", "other"}),
        ("until=2026-02-28", {"old"}),
        ("legs=1&status=no-answer", {"leg"}),
    ],
)
def test_the_list_of_calls_is_filtered(
    world: ConsoleWorld, account: tuple[str, str], owner: Visitor, query: str, shown: set[str]
) -> None:
    february, april = 1_770_000_000.0, 1_775_000_000.0
    sids = {name: new_sid(CALL) for name in ("old", "new", "other", "leg")}
    rows = [
        call_row(account[0], sids["old"], february),
        call_row(account[0], sids["new"], april, status="in-progress"),
        call_row(account[0], sids["other"], april, status="busy", to="+1999"),
        call_row(account[0], sids["leg"], april, status="no-answer", parent_call_sid=sids["old"]),
    ]
    for row in rows:
        store(world, models.Call, row)
    page = owner.get(f"/console/calls?{query}")
    assert {name for name, sid in sids.items() if sid in page} == shown


def test_a_day_that_is_none_is_refused_in_words(owner: Visitor) -> None:
    for path in PAGES:
        assert "is no day" in owner.json(f"/console/{path}?since=tomorrow", 400)["message"]


def test_a_list_is_asked_again_and_answers_only_what_is_new(
    world: ConsoleWorld, account: tuple[str, str], owner: Visitor
) -> None:
    for path in PAGES:
        first = owner.json(f"/console/{path}")
        assert "empty" in first["html"]
        assert owner.json(f"/console/{path}?after={first['cursor']}") == {"cursor": first["cursor"]}
    sid = broken_call(world, account[0], world.now.seconds)
    message(world, account[0], world.now.seconds)
    for path in PAGES:
        assert "data-key" in owner.json(f"/console/{path}?after={first['cursor']}")["html"]
    assert "data-live" in owner.get("/console/calls")
    assert sid in owner.get("/console/alerts?code=15003")


def test_requests_are_filtered_by_what_came_back(
    world: ConsoleWorld, account: tuple[str, str], owner: Visitor
) -> None:
    sid = broken_call(world, account[0], world.now.seconds)
    lost = delivery(account[0], sid, "lost", world.now.seconds, response_status=None, error_code=11202)
    store(world, models.Delivery, lost)
    failed = owner.get("/console/requests?outcome=failed")
    assert (f"{sid}.1.0" in failed, "11202" in failed, f"{sid}.0.0" in failed) == (True, True, False)
    kept = owner.get("/console/requests?outcome=ok&kind=document&url=https://")
    assert (f"{sid}.0.0" in kept, "11202" in kept) == (True, False)


def test_a_request_is_sent_again_signed_and_the_call_hears_nothing(tmp_path: object) -> None:
    world = ConsoleWorld(tmp_path, {"outbound_allow": ("127.0.0.0/8",)})  # type: ignore[arg-type]
    try:
        account = world.account()
        owner = world.owner(account)
        sid = broken_call(world, account[0], world.now.seconds)
        with Origin({"/voice": reply(body=b"<Response/>")}) as app:
            asked = delivery(account[0], sid, "again", world.now.seconds, url=app.url("/voice"))
            store(world, models.Delivery, asked)
            answer = owner.post("/console/requests/replay", script=True, id="again")
            assert answer.status_code == 200, answer.text
            assert "&lt;Response/&gt;" in answer.get_json()["html"]
            (received,) = app.received
        assert received.form == asked["parameters"]
        assert received.headers["x-twilio-signature"]
        assert len(world.read(lambda c: c.execute(models.Delivery.__table__.select()).all())) == 3
        refused = owner.post("/console/requests/replay", script=True, id="again")
        assert "11202" in refused.get_json()["html"]
    finally:
        world.close()


def test_an_address_that_is_not_allowed_is_not_asked_again_either(
    world: ConsoleWorld, account: tuple[str, str], owner: Visitor
) -> None:
    asked = delivery(account[0], new_sid(CALL), "inside", world.now.seconds, url="http://127.0.0.1:8099/")
    store(world, models.Delivery, asked)
    assert "11205" in owner.post("/console/requests/replay", script=True, id="inside").get_json()["html"]


def test_hanging_up(world: ConsoleWorld, account: tuple[str, str], owner: Visitor) -> None:
    sid = new_sid(CALL)
    store(world, models.Call, call_row(account[0], sid, world.now.seconds, status="in-progress"))
    assert f'data-hang-up="{sid}"' in owner.get(f"/console/calls/{sid}")
    assert owner.post(f"/console/calls/{sid}/hang-up", script=True).status_code == 200
    end = world.parts.front.end
    assert isinstance(end, MagicMock)
    end.assert_called_once_with(account[0], sid, "completed")


def test_alerts_say_cause_and_remedy(world: ConsoleWorld, account: tuple[str, str], owner: Visitor) -> None:
    store(
        world,
        models.Notification,
        note(account[0], new_sid(CALL), world.now.seconds, 11200, "it answered 500"),
    )
    page = owner.get("/console/alerts")
    assert "Codes of the last 24 hours" in page
    assert "look into your app" in page
    assert "it answered 500" not in owner.get("/console/alerts?code=12100")
    assert "it answered 500" not in owner.get("/console/alerts?level=warning")


def test_long_lists_stay_on_their_index(
    world: ConsoleWorld, account: tuple[str, str], owner: Visitor
) -> None:
    """A page costs the same at any length: each list's query walks an index in its order, and sorts nothing."""
    for number in range(60):
        store(world, models.Call, call_row(account[0], new_sid(CALL), float(number)))
    queries: list[tuple[str, object]] = []
    event.listen(
        world.database.reader_engine,
        "before_cursor_execute",
        lambda _c, _cu, statement, parameters, *_: queries.append((statement, parameters)),
    )
    older = re.search(r'href="([^"]+)" rel="next"', owner.get("/console/calls"))
    assert older
    pages = [*(f"/console/{path}" for path in PAGES), older[1].replace("&amp;", "&")]
    for path in (*pages, "/console/calls?from=%2B1415&to=%2B1212", "/console/requests?outcome=ok"):
        owner.get(path)
    listing = [
        (statement, given) for statement, given in queries if "ORDER BY" in statement and "LIMIT" in statement
    ]
    table = re.compile(r"FROM (calls|messages|deliveries|notifications)\s")
    watched = [one for one in listing if table.search(one[0])]
    assert len(watched) >= len(pages)
    with world.database.read() as connection:
        for statement, given in watched:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given).all()  # type: ignore[arg-type]
            said = " ".join(row.detail for row in plan)
            if "GROUP BY" not in statement:
                assert "USING INDEX ix_" in said, (statement, said)
                assert "TEMP B-TREE" not in said, (statement, said)
