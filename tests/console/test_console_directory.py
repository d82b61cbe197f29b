"""Numbers, applications and short codes in the console."""

from __future__ import annotations

import pytest
from console_world import HOSTILE, ConsoleWorld
from markupsafe import escape
from sqlalchemy import select

from callrouter import models
from callrouter.directory import pool
from foundation.sids import APPLICATION, PHONE_NUMBER, SHORT_CODE, new_sid

NUMBER = "+14155550199"
PATHS = {"numbers": PHONE_NUMBER, "applications": APPLICATION, "short-codes": SHORT_CODE}


def test_a_number_is_taken_changed_and_given_back(world: ConsoleWorld) -> None:
    owner = world.owner(world.account())
    made = owner.post(
        "/console/numbers", phone_number=NUMBER, voice_url="https://app.example/voice", voice_method="GET"
    )
    assert made.status_code == 303
    page = owner.get(made.location)
    assert "Saved." in page
    assert 'value="https://app.example/voice"' in page
    assert NUMBER in owner.get("/console/numbers")
    assert NUMBER in owner.get("/console/numbers?find=5550199")
    assert "None found." in owner.get("/console/numbers?find=999")
    assert "no part of a phone number" in owner.get("/console/numbers?find=%00x", 400)
    path = made.location.partition("?")[0]
    changed = owner.post(path, friendly_name="Support", sms_url="http://app.example/sms", sms_method="POST")
    assert changed.status_code == 303
    row = world.read(lambda c: c.execute(select(models.PhoneNumber.__table__)).one())
    assert (row.friendly_name, row.sms_url, row.voice_method) == ("Support", "http://app.example/sms", "GET")
    assert owner.post(f"{path}/delete").status_code == 303
    assert world.read(lambda c: c.execute(select(models.PhoneNumber)).first()) is None
    owner.get(path, 404)


def test_a_fault_stands_beside_its_field_and_nothing_typed_is_lost(world: ConsoleWorld) -> None:
    owner = world.owner(world.account())
    for field, given, words in (
        ("phone_number", "12", "not a phone number"),
        ("phone_number", "", "Phone number is required."),
        ("voice_url", "ftp://x", "Voice URL is not a usable URL"),
        ("voice_url", "http://a b/", "Voice URL is not a usable URL"),
        ("voice_fallback_method", "PUT", "Fallback URL is"),
        ("friendly_name", "x" * 65, "at most 64"),
        ("friendly_name", "a\0b", "Name has characters that cannot be shown"),
        ("voice_application_sid", f"AP{'0' * 32}", "is no application of this account"),
    ):
        form = {"phone_number": NUMBER, "sms_url": "https://kept.example/", field: given}
        answer = owner.post("/console/numbers", **form)
        assert answer.status_code == 400, given
        name = field.replace("_method", "_url")
        beside = answer.text.partition(f'id="{name}-fault"')[2].partition("</span>")[0]
        assert words.lower() in beside.lower(), (given, answer.text)
        assert 'value="https://kept.example/"' in answer.text
    assert world.read(lambda c: c.execute(select(models.PhoneNumber)).first()) is None


def test_a_number_that_somebody_has_is_not_available(world: ConsoleWorld) -> None:
    world.owner(world.account()).post("/console/numbers", phone_number=NUMBER)
    answer = world.owner(world.account()).post("/console/numbers", phone_number=NUMBER)
    assert answer.status_code == 400
    assert "has it already" in answer.text


def test_numbers_on_offer_can_be_chosen(world: ConsoleWorld) -> None:
    world.write(lambda c: pool.offer(c, NUMBER, carrier="", now=1.0))
    owner = world.owner(world.account())
    assert f'<option value="{NUMBER}">' in owner.get("/console/numbers/new")
    owner.post("/console/numbers", phone_number=NUMBER)
    assert "<datalist" not in owner.get("/console/numbers/new")


def test_an_application_is_made_and_shared(world: ConsoleWorld) -> None:
    owner = world.owner(world.account())
    made = owner.post("/console/applications", friendly_name="Menu", public_application_connect_enabled="on")
    assert "checked" in owner.get(made.location)
    owner.post(made.location.partition("?")[0], friendly_name="Menu")
    row = world.read(lambda c: c.execute(select(models.Application.__table__)).one())
    assert row.public_application_connect_enabled is False
    assert "Menu" in owner.get("/console/numbers/new")  # to choose it


def test_only_the_operator_gives_short_codes(world: ConsoleWorld) -> None:
    account = world.account()
    owner, operator = world.owner(account), world.operator(account[0])
    assert owner.post("/console/short-codes", short_code="12345").status_code == 404
    assert "New short code" not in owner.get("/console/short-codes")
    made = operator.post("/console/short-codes", short_code="12345")
    assert made.status_code == 303
    path = made.location.partition("?")[0]
    assert owner.post(path, sms_url="https://app.example/sms", carrier="nobody").status_code == 303
    row = world.read(lambda c: c.execute(select(models.ShortCode.__table__)).one())
    assert (row.account_sid, row.sms_url, row.carrier) == (account[0], "https://app.example/sms", "")
    assert owner.post(f"{path}/delete").status_code == 404


@pytest.mark.parametrize("path", PATHS)
def test_other_accounts_things_are_not_there(world: ConsoleWorld, path: str) -> None:
    operator, form = world.operator(world.account()[0]), {"phone_number": NUMBER, "short_code": "12345"}
    others = operator.post(f"/console/{path}", **form).location.rpartition("/")[2].partition("?")[0]
    owner = world.owner(world.account())
    for sid in (others, new_sid(PATHS[path]), "AC", "%00"):
        owner.get(f"/console/{path}/{sid}", 404)
        assert owner.post(f"/console/{path}/{sid}", friendly_name="mine").status_code == 404
        assert owner.post(f"/console/{path}/{sid}/delete").status_code == 404


def test_hostile_names_are_shown_as_text(world: ConsoleWorld) -> None:
    sid, token = world.account(HOSTILE[:60])
    owner = world.owner((sid, token))
    made = owner.post("/console/applications", friendly_name=HOSTILE[:60])
    for path in ("/console/applications", made.location, "/console/numbers/new", "/console/"):
        page = owner.get(path)
        assert "<script>alert" not in page, path
        assert str(escape(HOSTILE[:60])) in page, path


def test_nothing_is_changed_in_a_suspended_subaccount(world: ConsoleWorld) -> None:
    account = world.account()
    branch, _ = world.account("Branch", owner=account[0])
    owner = world.owner(account)
    owner.post("/console/account", account_sid=branch)
    world.write(lambda c: c.execute(models.Account.__table__.update().values(status="active")))
    world.write(
        lambda c: c.execute(
            models.Account.__table__.update()
            .where(models.Account.account_sid == branch)
            .values(status="suspended")
        )
    )
    assert owner.post("/console/numbers", phone_number=NUMBER).status_code == 403


def test_long_lists_have_pages(world: ConsoleWorld) -> None:
    sid, token = world.account()
    owner = world.owner((sid, token))
    for number in range(5):
        world.now.seconds += 1
        owner.post("/console/numbers", phone_number=f"+1415555010{number}")
    first = owner.get("/console/numbers?PageSize=2")
    assert "0104" in first
    assert "0102" not in first
    assert "Newer" not in first
    older = first.partition('<a href="/console/numbers?')[2].partition('"')[0].replace("&amp;", "&")
    second = owner.get(f"/console/numbers?{older}")
    assert "0102" in second
    assert "Newer" in second
    assert "Older" in second
    assert "PageToken is invalid" in owner.get("/console/numbers?PageToken=x", 400)


def test_without_an_account_the_operator_is_told_so(world: ConsoleWorld) -> None:
    operator = world.operator()
    assert "There is no account yet" in operator.get("/console/")
    assert operator.post("/console/numbers", phone_number=NUMBER).status_code == 404
