"""Messages to clients in the database, on each kind that we support: what is kept, for whom, and for how long."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from foundation.db import Database
from presence import rows
from presence.client_messages.store import CLAIM, KEPT, KEPT_UNREPORTED, WINDOW, TextStore
from presence.client_messages.text import State, Text
from presence.faults import Absent
from presence.models import accounts, client_message_acks, client_messages, endpoints
from presence.registration import Endpoint
from tests.support import tables

ACCOUNT, OTHER = "AC" + "1" * 32, "AC" + "2" * 32
NOW = 1_000_000.0


class Shelf:
    """A store with two accounts, and devices as the test wants."""

    def __init__(self, database: Database) -> None:
        self.database, self.store = database, TextStore(database)
        row = {"status": "active", "auth_tokens": "", "version": 1, "sequence": 0}
        self.write(insert(accounts), [{"account_sid": one, **row} for one in (ACCOUNT, OTHER)])

    def write(self, statement: Any, values: Any = None) -> None:
        self.database.write(lambda c: c.execute(statement, values) and None, ACCOUNT).result(10)

    def device(self, name: str, *capabilities: str, client: str = "alice", ends: float = NOW + 1e7) -> None:
        one = Endpoint(
            account_sid=ACCOUNT,
            client=client,
            endpoint_id=name,
            sid=f"RG{name}",
            capabilities=capabilities or ("sms",),
            token_expires_at=ends,
            refreshed_at=NOW,
            expires_at=ends,
        )
        self.write(insert(endpoints), [rows.values(one)])

    def put(self, sid: str, now: float = NOW, *, hold: bool = True, **more: Any) -> Any:
        text = Text(
            **{
                "account_sid": ACCOUNT,
                "sid": sid,
                "client": "alice",
                "sender": "+1",
                "recipient": "client:alice",
                "body": sid,
                "valid_until": now + 60,
                "arrived_at": now,
                **more,
            }
        )
        return self.store.put(text, now, hold=hold).result(10)

    def ack(self, sid: str, device: str = "desk", now: float = NOW + 1, client: str = "alice") -> bool:
        return self.store.acknowledge(ACCOUNT, client, sid, device, now).result(10)

    def shown(self, device: str = "desk", now: float = NOW + 1) -> list[str]:
        return [one["sid"] for one in self.store.waiting(ACCOUNT, "alice", device, now).shown]

    def claimed(self, now: float) -> list[tuple[str, State, int]]:
        return [(one.sid, one.state, one.tries) for one in self.store.claim(now).result(10)]

    def count(self, table: Any) -> int:
        with self.database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


@pytest.fixture
def shelf(database_url: str) -> Iterator[Shelf]:
    tables.make(database_url, "presence")
    database = Database(database_url)
    yield Shelf(database)
    database.close()


def test_pr73_they_wait_in_the_order_in_which_they_came(shelf: Shelf) -> None:
    for sid in ("SMb", "SMa", "SMc"):
        assert shelf.put(sid).state is State.HELD
    assert shelf.shown() == []
    shelf.device("desk")
    assert shelf.shown() == ["SMb", "SMa", "SMc"]


def test_pr72_a_device_has_a_window_and_acknowledgements_move_it(shelf: Shelf) -> None:
    shelf.device("desk")
    sids = [f"SM{n:02}" for n in range(WINDOW + 3)]
    for sid in sids:
        shelf.put(sid)
    waiting = shelf.store.waiting(ACCOUNT, "alice", "desk", NOW + 1)
    assert [one["sid"] for one in waiting.shown] == sids[:WINDOW]
    assert waiting.full
    for sid in sids[:3]:
        shelf.ack(sid)
    assert shelf.shown() == sids[3:]


def test_pr72_the_first_acknowledgement_delivers_and_each_device_gives_its_own(shelf: Shelf) -> None:
    shelf.device("desk")
    shelf.device("mobile")
    shelf.put("SM1")
    shelf.device("later")
    assert shelf.ack("SM1", "desk")
    assert not shelf.ack("SM1", "desk")
    assert shelf.shown("desk") == []
    assert shelf.shown("mobile") == ["SM1"], "it was addressed to it"
    assert shelf.shown("later") == [], "it came after, and somebody has shown it"
    assert not shelf.ack("SM1", "mobile")
    assert shelf.shown("mobile") == []
    assert shelf.claimed(NOW + 2) == [("SM1", State.DELIVERED, 0)]


def test_pr9_only_the_client_s_own_can_be_acknowledged(shelf: Shelf) -> None:
    shelf.put("SM1")
    for sid, client in (("SM1", "bob"), ("SM2", "alice")):
        with pytest.raises(Absent):
            shelf.ack(sid, client=client)
    assert shelf.claimed(NOW + 2) == []


def test_a_message_for_no_account_is_refused(shelf: Shelf) -> None:
    with pytest.raises(Absent):
        shelf.put("SM1", account_sid="AC" + "9" * 32)


def test_pr73_what_is_late_expires_once_and_is_shown_no_more(shelf: Shelf) -> None:
    shelf.device("desk")
    shelf.put("SM1")
    assert shelf.shown(now=NOW + 59.9) == ["SM1"]
    assert shelf.shown(now=NOW + 60) == [], "a reader needs no sweep"
    shelf.store.sweep(NOW + 60)
    shelf.store.sweep(NOW + 61)
    assert shelf.claimed(NOW + 61) == [("SM1", State.EXPIRED, 0)]
    assert not shelf.ack("SM1", now=NOW + 62), "it does not come back to life"


def test_pr72_shown_at_the_last_moment_it_counts_unless_it_has_expired_already(shelf: Shelf) -> None:
    shelf.put("SM1")
    assert shelf.ack("SM1", now=NOW + 60.5)
    shelf.store.sweep(NOW + 61)
    assert shelf.claimed(NOW + 61) == [("SM1", State.DELIVERED, 0)]


def test_an_ending_is_one_node_s_to_tell_for_a_while_and_then_less_and_less_often(shelf: Shelf) -> None:
    shelf.put("SM1")
    shelf.ack("SM1")
    at = NOW + 1
    for tries in range(8):
        (ended,) = shelf.store.claim(at).result(10)
        assert ended.tries == tries
        assert shelf.claimed(at + CLAIM - 0.1) == [], "another node waits until this one must have died"
        shelf.store.reported([], [ended], at).result(10)
        at += min(2**tries, 60)
        assert not shelf.store.due(at - 0.1)
    (ended,) = shelf.store.claim(at).result(10)
    assert [one.sid for one in shelf.store.claim(at + CLAIM).result(10)] == ["SM1"]
    shelf.store.reported([ended], [], at).result(10)
    assert not shelf.store.due(at + 1e6)


def test_what_ended_is_forgotten_after_an_hour_with_its_acknowledgements(shelf: Shelf) -> None:
    """A repeat within that time changes nothing; one of which the router never heard is kept for a week."""
    for sid in ("SM1", "SM2", "SM3"):
        shelf.put(sid, valid_until=NOW + 1e8)
    shelf.ack("SM1")
    shelf.ack("SM2")
    ended = shelf.store.claim(NOW + 2).result(10)
    heard = [one for one in ended if one.sid == "SM1"]
    shelf.store.reported(heard, [one for one in ended if one.sid == "SM2"], NOW + 2).result(10)
    shelf.store.sweep(NOW + KEPT)
    assert shelf.put("SM1").state is State.DELIVERED
    shelf.store.sweep(NOW + KEPT + 2)
    assert (shelf.count(client_messages), shelf.count(client_message_acks)) == (2, 1)
    shelf.store.sweep(NOW + KEPT_UNREPORTED + 2)
    assert (shelf.count(client_messages), shelf.count(client_message_acks)) == (1, 0), "SM3 is held"


def test_pr78_the_answer_names_the_version_and_a_repeat_says_the_same(shelf: Shelf) -> None:
    shelf.device("desk")
    shelf.device("phone", "voice")
    first = shelf.put("SM1")
    assert (first.audience.takers, first.audience.skipped) == (("desk",), (("phone", "no-messages"),))
    shelf.device("mobile")
    assert shelf.put("SM1") == first


def test_pr73_without_hold_it_is_kept_only_for_somebody(shelf: Shelf) -> None:
    assert shelf.put("SM1", hold=False).state is None
    shelf.device("desk")
    assert shelf.shown() == []
    assert shelf.put("SM1", hold=False).state is State.HELD
