"""Twilio's Python library against /Accounts, /Keys and /SigningKeys (twilio-surface 5.2, 5.6, 5.9)."""

import asyncio
from typing import Any

import pytest
import requests
from sqlalchemy import select
from twilio.rest import Client
from twilio_contract import refusal

from callrouter.calls.dispatch import Done
from callrouter.calls.engine import Engine
from callrouter.calls.suspension import STARTS, while_active
from callrouter.directory import accounts
from callrouter.models import Outbox
from foundation.clock import utc_now


def test_an_account_is_fetched_with_its_auth_token(client: Client, account: tuple[str, str]) -> None:
    shown = client.api.v2010.accounts(account[0]).fetch()
    assert (shown.sid, shown.auth_token, shown.status) == (*account, "active")
    assert shown.owner_account_sid == account[0]
    assert shown.date_created is not None


def test_subaccounts_are_created_listed_renamed_and_suspended(client: Client, account: Any) -> None:
    made = client.api.v2010.accounts.create(friendly_name="Branch")
    assert made.owner_account_sid == account[0]
    assert [one.sid for one in client.api.v2010.accounts.list()] == [made.sid, account[0]]
    assert [one.sid for one in client.api.v2010.accounts.list(friendly_name="Branch")] == [made.sid]
    branch = client.api.v2010.accounts(made.sid)
    assert branch.update(friendly_name="Office", status="suspended").status == "suspended"
    assert [one.friendly_name for one in client.api.v2010.accounts.list(status="suspended")] == ["Office"]
    assert branch.update(status="active").status == "active"
    branch.update(status="closed")
    assert refusal(lambda: branch.update(status="active")) == (400, 21479)


def test_a_subaccount_without_a_name_gets_one(client: Client) -> None:
    assert client.api.v2010.accounts.create().friendly_name.startswith("SubAccount Created at ")


def test_statuses_that_may_not_be_set(deployment: Any, client: Client, account: tuple[str, str]) -> None:
    own = client.api.v2010.accounts(account[0])
    assert refusal(lambda: own.update(status="closed")) == (400, 21477)
    assert refusal(lambda: own.update(status="asleep")) == (400, 20001)
    assert refusal(lambda: own.update(friendly_name="x" * 65)) == (400, 20002)
    branch = deployment.client(*deployment.account(owner=account[0]))
    assert refusal(lambda: branch.api.v2010.accounts.create()) == (400, 21101)


def test_an_owner_acts_on_its_subaccount(deployment: Any, client: Client, account: tuple[str, str]) -> None:
    branch, _ = deployment.account(owner=account[0])
    made = client.api.v2010.accounts(branch).applications.create(friendly_name="theirs")
    assert made.account_sid == branch
    assert client.applications.list() == []


def test_a_suspended_subaccount_is_locked_out_and_only_read_by_its_owner(
    deployment: Any, client: Client, account: tuple[str, str]
) -> None:
    """20005 (twilio-surface 5.2)."""
    branch, token = deployment.account(owner=account[0])
    of_owner = client.api.v2010.accounts(branch)
    of_owner.update(status="suspended")
    assert refusal(lambda: deployment.client(branch, token).calls.list()) == (403, 20005)
    assert of_owner.calls.list() == []
    assert refusal(lambda: of_owner.applications.create()) == (403, 20005)
    of_owner.update(status="active")
    assert deployment.client(branch, token).calls.list() == []


def test_a_closed_account_gives_its_numbers_back(client: Client, account: tuple[str, str]) -> None:
    """A suspended one keeps them."""
    branch = client.api.v2010.accounts(client.api.v2010.accounts.create().sid)
    branch.incoming_phone_numbers.create(phone_number="+15555557901")
    branch.update(status="suspended")
    assert refusal(lambda: client.incoming_phone_numbers.create(phone_number="+15555557901")) == (400, 21422)
    branch.update(status="closed")
    assert branch.incoming_phone_numbers.list() == []
    number = client.incoming_phone_numbers.create(phone_number="+15555557901")
    assert number.account_sid == account[0]
    number.delete()


def test_what_an_account_links_to_is_there(client: Client, account: tuple[str, str], deployment: Any) -> None:
    links = client.api.v2010.accounts(account[0]).fetch().subresource_uris
    assert {"balance", "calls", "conferences", "queues", "recordings", "usage"} < set(links)
    for link in links.values():
        assert requests.get(deployment.url + link, auth=account, timeout=10).status_code == 200, link


def test_there_is_no_money(client: Client, account: tuple[str, str]) -> None:
    balance = client.balance.fetch()
    assert (balance.account_sid, balance.balance, balance.currency) == (account[0], "0.00", "USD")


@pytest.mark.parametrize("kind", STARTS)
@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_queued_calls_of_an_account_that_is_not_active_do_not_leave(
    deployment: Any, account: tuple[str, str], kind: str, status: str
) -> None:
    """They fail with 20005; the legs of calls in progress, and other commands, are let through."""
    branch, _token = deployment.account(owner=account[0])
    left: list[Any] = []

    async def work(row: Any) -> Done:
        left.append(row["payload"]["leg"])
        return Done()

    executors = while_active(
        Engine(deployment.database, utc_now, "test"), deployment.database, {kind: work, "x": work}
    )

    def carry_out(kind: str, leg: str, attempts: int = 0) -> Any:
        row = {"account_sid": branch, "call_sid": "CA1", "payload": {"leg": leg}, "attempts": attempts}
        return asyncio.run(executors[kind](row)).happening  # type: ignore[arg-type]

    assert carry_out(kind, "") is None
    deployment.write(lambda c: accounts.change(c, branch, now=2.0, status=status))
    gone = carry_out(kind, "")
    assert (gone.leg, gone.code, gone.cause, gone.far) == ("", 20005, "not-allowed", True)
    assert not carry_out(kind, "", attempts=1).far, "an earlier try may ring: it is to be told"
    assert carry_out(kind, "0.0") is None
    assert carry_out("x", "") is None
    assert left == ["", "0.0", ""]


def test_a_subaccount_stops_with_its_owner(deployment: Any, account: tuple[str, str]) -> None:
    branch = deployment.client(*deployment.account(owner=account[0]))
    assert branch.calls.list() == []
    deployment.write(lambda c: accounts.change(c, account[0], now=2.0, status="suspended"))
    assert refusal(lambda: branch.calls.list()) == (403, 20005)


def test_a_key_is_created_used_renamed_and_deleted(deployment: Any, client: Client, account: Any) -> None:
    made = client.new_keys.create(friendly_name="one")
    by_key = deployment.client(made.sid, made.secret, account[0])
    assert by_key.applications.list() == []
    assert client.keys(made.sid).update(friendly_name="two").friendly_name == "two"
    assert [key.friendly_name for key in client.keys.list()] == ["two"]
    assert [key.sid for key in client.signing_keys.list()] == [made.sid]
    assert client.keys(made.sid).delete() is True
    assert refusal(lambda: client.keys(made.sid).fetch()) == (404, 20404)
    assert refusal(lambda: by_key.applications.list()) == (401, 20003)


def test_signing_keys_are_the_same_keys(client: Client) -> None:
    made = client.new_signing_keys.create(friendly_name="signs")
    assert client.signing_keys(made.sid).fetch().friendly_name == "signs"
    assert client.keys(made.sid).fetch().sid == made.sid
    assert client.signing_keys(made.sid).delete() is True


def test_standard_keys_manage_nothing_and_main_keys_all(deployment: Any, account: tuple[str, str]) -> None:
    """Conformance check 14 (twilio-surface 9.4)."""
    standard = deployment.client(*deployment.key(account[0]), account[0])
    assert refusal(lambda: standard.api.v2010.accounts.list()) == (403, 20003)
    assert refusal(lambda: standard.new_keys.create()) == (403, 20003)
    main = deployment.client(*deployment.key(account[0], main=True), account[0])
    assert len(main.keys.list()) == 2
    assert main.api.v2010.accounts(account[0]).fetch().sid == account[0]


@pytest.mark.parametrize("password", ["", "wrong", "\N{LATIN SMALL LETTER E WITH ACUTE}" * 32])
def test_a_wrong_password_is_401(deployment: Any, account: tuple[str, str], password: str) -> None:
    """Conformance check 13; M9: a password beyond ASCII is no error of ours."""
    client = deployment.client(account[0], password or "x")
    client.auth = (account[0], password)
    assert refusal(lambda: client.calls.list()) == (401, 20003)


def test_changes_are_announced_to_the_presence_server(deployment: Any, client: Client, account: Any) -> None:
    key = client.new_keys.create()
    client.keys(key.sid).delete()
    client.api.v2010.accounts(account[0]).update(friendly_name="Renamed")
    with deployment.database.read() as connection:
        entries = connection.execute(
            select(Outbox.kind, Outbox.payload, Outbox.lane)
            .where(Outbox.account_sid == account[0])
            .order_by(Outbox.position)
        ).all()
    whole, mine = {"account_sid": account[0]}, {"account_sid": account[0], "sid": key.sid}
    assert [(entry.kind, entry.payload) for entry in entries] == [
        ("presence.account", whole),
        ("presence.key", mine),
        ("presence.key-deleted", mine),
        ("presence.account", whole),
    ]
    assert {entry.lane for entry in entries} == {f"presence:{account[0]}"}
