"""Keys, accounts, senders, carriers, routes, queues and what is live, in the console."""

from __future__ import annotations

import re

from console_world import HOSTILE, ConsoleWorld
from sqlalchemy import insert, select

from callrouter import models
from callrouter.directory import accounts, carriers, keys
from callrouter.directory.authentication import authenticate
from callrouter.messages.routing import routes
from foundation.sids import CALL, CONFERENCE, QUEUE, new_sid

CODE = re.compile(r'<code id="fact-\d">([^<]+)</code>')
CARRIER = {"name": "acme", "control_url": "http://127.0.0.1:9000/acme", "messages": "on"}
CARRIER |= {"message_rate": "2.5", "message_window": "3"}


def test_an_api_key_is_shown_once_and_works(world: ConsoleWorld) -> None:
    account = world.account()
    owner = world.owner(account)
    answer = owner.post("/console/keys", friendly_name="phones", main="on")
    sid, secret = CODE.findall(answer.text)
    assert answer.headers["Cache-Control"] == "no-store"
    principal = world.read(lambda c: authenticate(c, sid, secret))
    assert principal is not None
    assert principal.may_manage
    page = owner.get("/console/keys")
    assert sid in page
    assert secret not in page
    rival = world.owner(world.account())
    assert rival.post(f"/console/keys/{sid}/delete").status_code == 404
    assert owner.post("/console/keys", friendly_name="x" * 65).status_code == 400
    assert owner.post(f"/console/keys/{sid}/delete").status_code == 303
    assert world.read(lambda c: keys.find(c, sid)) is None


def test_an_account_makes_and_closes_subaccounts_of_its_own_only(world: ConsoleWorld) -> None:
    account, rival = world.account(), world.account("Rival")
    owner = world.owner(account)
    sid, token = CODE.findall(owner.post("/console/accounts", friendly_name="Branch").text)
    assert world.read(lambda c: accounts.fetch(c, sid)).owner_account_sid == account[0]
    world.owner((sid, token)).get("/console/numbers")
    page = owner.get("/console/accounts")
    assert "Branch" in page
    assert "Rival" not in page
    assert owner.post(f"/console/accounts/{rival[0]}/suspended").status_code == 404
    assert owner.post(f"/console/accounts/{account[0]}/suspended").status_code == 400  # not its own
    assert owner.post("/console/accounts", friendly_name="").status_code == 400
    assert owner.post(f"/console/accounts/{sid}/closed").status_code == 303
    assert world.read(lambda c: accounts.fetch(c, sid)).status == "closed"
    assert "cannot be opened again" in owner.post(f"/console/accounts/{sid}/active").text


def test_the_operator_makes_suspends_and_looks_at_any_account(world: ConsoleWorld) -> None:
    operator = world.operator()
    sid, token = CODE.findall(operator.post("/console/accounts", friendly_name="First").text)
    owner = world.owner((sid, token))
    assert operator.post(f"/console/accounts/{sid}/suspended").status_code == 303
    owner.get("/console/", 303)
    assert operator.post(f"/console/accounts/{sid}/active").status_code == 303
    operator.post("/console/account", account_sid=sid)
    branch = CODE.findall(operator.post("/console/accounts", friendly_name="B", subaccount="on").text)[0]
    assert world.read(lambda c: accounts.fetch(c, branch)).owner_account_sid == sid


def test_a_carriers_pages_are_the_operators_only(world: ConsoleWorld) -> None:
    operator, owner = world.operator(), world.owner(world.account())
    operator.post("/console/carriers", **CARRIER)
    for path in (
        "carriers",
        "carriers/new",
        "carriers/acme",
        "routes",
        "carrier-queues",
        "carrier-queues.json",
    ):
        owner.get(f"/console/{path}", 404)
        operator.get(f"/console/{path}")
    for path in (
        "carriers",
        "carriers/acme",
        "carriers/acme/secret",
        "carriers/acme/delete",
        "routes",
        "routes/ban",
    ):
        assert owner.post(f"/console/{path}", **CARRIER, carrier="acme", prefix="+").status_code == 404, path
    assert "Carriers" not in owner.get("/console/")


def test_a_carrier_is_made_changed_and_its_secret_rotated(world: ConsoleWorld) -> None:
    operator = world.operator()
    (secret,) = CODE.findall(operator.post("/console/carriers", **CARRIER).text)

    def stored() -> carriers.Carrier:
        found: carriers.Carrier = world.read(lambda c: carriers.fetch(c, "acme"))
        return found

    assert world.keys.open(stored().secrets_sealed[0]) == secret
    assert (stored().message_rate, stored().message_window, stored().sip) == (2.5, 3, False)
    assert operator.post("/console/carriers/acme", **CARRIER, sip="on").status_code == 303
    assert stored().sip
    (second,) = CODE.findall(operator.post("/console/carriers/acme/secret").text)
    assert [world.keys.open(one) for one in stored().secrets_sealed] == [second, secret]
    assert secret not in operator.get("/console/carriers/acme")
    operator.post("/console/carriers/acme/disabled")
    assert stored().status == "disabled"
    for name, given, field in (
        ("name", "Not A Name", "name"),
        ("name", "presence", "name"),
        ("control_url", "nowhere", "control_url"),
        ("message_rate", "-1", "message_rate"),
        ("message_rate", "nan", "message_rate"),
        ("message_window", "1.5", "message_window"),
        ("message_window", "0", "message_window"),
    ):
        answer = operator.post("/console/carriers", **{**CARRIER, "name": "other", name: given})
        assert answer.status_code == 400, (name, given)
        assert f'id="{field}-fault"' in answer.text, (name, given)
    assert operator.post("/console/carriers/acme/delete").status_code == 303
    operator.get("/console/carriers/acme", 404)


def test_routes_are_made_pinned_banned_and_explained(world: ConsoleWorld) -> None:
    operator = world.operator(world.account()[0])
    operator.post("/console/carriers", **CARRIER)
    place = {"carrier": "acme", "prefix": "+44", "kind": "sms"}

    def state() -> list[tuple[str, float, str]]:
        found = world.read(lambda c: routes.listed(c))
        return [(one.prefix, one.cost, one.state) for one in found]

    assert operator.post("/console/routes", **place, cost="0.5", weight="").status_code == 303
    assert state() == [("+44", 0.5, "enabled")]
    for what, then in (("pin", "pinned"), ("release", "enabled"), ("ban", "banned"), ("disable", "disabled")):
        assert operator.post(f"/console/routes/{what}", **place).status_code == 303
        assert state()[0][2] == then
    assert "no phone number" in operator.get("/console/routes?to=44", 400)
    assert "no carrier" in operator.get("/console/routes?to=%2B447700900123")
    operator.post("/console/routes/enable", **place)
    assert "<strong>acme</strong>" in operator.get("/console/routes?to=%2B447700900123")
    for wrong in ({"cost": "x"}, {"cost": "-1"}, {"weight": "0"}, {"prefix": "44"}, {"prefix": "\0"}):
        assert operator.post("/console/routes", **{**place, **wrong}).status_code == 400, wrong
    assert operator.post("/console/routes/delete", **place).status_code == 303
    assert state() == []


def test_a_messaging_service_has_senders_and_knows_who_opted_out(world: ConsoleWorld) -> None:
    account = world.account()
    owner = world.owner(account)
    number = owner.post("/console/numbers", phone_number="+14155550199").location.rpartition("/")[2][:34]
    assert owner.post("/console/services", friendly_name="").status_code == 400
    wrong = owner.post("/console/services", friendly_name="News", validity_period="0")
    assert 'id="validity_period-fault"' in wrong.text
    made = owner.post("/console/services", friendly_name="News", validity_period="60", sticky_sender="on")
    path = made.location.partition("?")[0]
    sid = path.rpartition("/")[2]
    row = world.read(lambda c: c.execute(select(models.MessagingService.__table__)).one())
    assert (row.sticky_sender, row.smart_encoding, row.validity_period) == (True, False, 60)
    assert owner.post(f"{path}/senders", sender=number).status_code == 303
    assert owner.post(f"{path}/senders", name="Acme").status_code == 303
    assert owner.post(f"{path}/senders", name="!!").status_code == 400
    out = {"account_sid": account[0], "sender": sid, "phone": "+14155550100", "date_created": 1.0}
    world.write(lambda c: c.execute(insert(models.OptOut).values(out)))
    page = owner.get(path)
    for text in ("+14155550199", "Acme", "+14155550100"):
        assert text in page
    rival = world.owner(world.account())
    assert rival.post(f"{path}/senders", name="Mine").status_code == 404
    assert rival.post(f"{path}/senders/{number}/delete").status_code == 404
    assert owner.post(f"{path}/senders/{number}/delete").status_code == 303
    assert owner.post(f"{path}/delete").status_code == 303


def test_what_meets_and_waits_is_shown_and_can_be_ended(world: ConsoleWorld) -> None:
    account = world.account()
    room, call, queue = new_sid(CONFERENCE), new_sid(CALL), new_sid(QUEUE)
    mine, now = {"account_sid": account[0]}, world.now.seconds
    times = {"date_created": now, "date_updated": now}

    def fill(c: object) -> None:
        execute = c.execute  # type: ignore[attr-defined]
        execute(
            insert(models.Conference).values(
                **mine,
                **times,
                sid=room,
                friendly_name=HOSTILE,
                live_name=HOSTILE,
                status="in-progress",
                callback_method="POST",
                callback_events="",
                record=False,
                trim=False,
                recording_callback_method="POST",
                recording_callback_events="",
            )
        )
        execute(insert(models.Queue).values(**mine, **times, sid=queue, friendly_name="support", max_size=9))
        waiting = {"session_sid": call, "leg": "", "ticket": "1", "agent": False, "partner": ""}
        execute(
            insert(models.QueueMember).values(
                **mine,
                **waiting,
                call_sid=call,
                queue_sid=queue,
                connected=False,
                method="POST",
                date_enqueued=now - 65.5,
            )
        )

    world.write(fill)
    owner, rival = world.owner(account), world.owner(world.account())
    page = owner.get("/console/meetings")
    assert "<script>alert" not in page
    assert "1 of 9" in page
    assert "1:05" in page
    facts = owner.json("/console/meetings.json")
    assert facts["conferences"][0]["name"] == HOSTILE
    assert facts["queues"][0]["waiting"][0]["call_sid"] == call
    assert rival.json("/console/meetings.json") == {"conferences": [], "queues": []}
    assert rival.post(f"/console/meetings/{room}/end").status_code == 404
    assert owner.post(f"/console/meetings/{room}/end").status_code == 303
    assert world.parts.front.settle.call_args.args[0] == account[0]  # type: ignore[attr-defined]
