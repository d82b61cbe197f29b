"""Twilio's Python library against Queues and Members (twilio-surface 5.10)."""

from functools import partial
from typing import Any

import pytest
from sqlalchemy import update
from twilio.rest import Client
from twilio_contract import refusal

from callrouter.models import QueueMember
from callrouter.queues import desk
from callrouter.queues.rules import Member
from foundation.sids import CALL, new_sid

URL = "https://app.example/next"


class Line:
    """An account whose callers wait in the queue `support`, as the engine would have it."""

    def __init__(self, deployment: Any, account_sid: str) -> None:
        self.deployment, self.account_sid = deployment, account_sid

    def caller(self, waited: float = 0) -> str:
        """A call that came that many seconds ago."""
        member = self._member()
        self._settle(desk.join, name="support", max_size=None, newcomer=member)
        if waited:
            earlier = QueueMember.date_enqueued - waited
            mine = update(QueueMember).where(QueueMember.call_sid == member.call_sid)
            self.deployment.write(lambda c: c.execute(mine.values(date_enqueued=earlier)))
        return member.call_sid

    def agent(self) -> str:
        member = self._member(agent=True)
        self._settle(desk.take, name="support", agent=member)
        return member.call_sid

    def told(self, call_sid: str) -> list[dict[str, Any]]:
        asked = self.deployment.live.asked
        return [how["payload"] for what, _, sid, how in asked if (what, sid) == ("tell", call_sid)]

    @staticmethod
    def _member(**details: Any) -> Member:
        call_sid = new_sid(CALL)
        return Member(call_sid=call_sid, session_sid=call_sid, leg="", ticket="t", **details)

    def _settle(self, work: Any, **details: Any) -> None:
        self.deployment.live.settle(self.account_sid, partial(work, **details))


@pytest.fixture
def line(deployment: Any, account: tuple[str, str]) -> Line:
    return Line(deployment, account[0])


def test_a_queue_is_made_changed_and_deleted(client: Client) -> None:
    made = client.queues.create(friendly_name="support")
    assert (made.friendly_name, made.max_size, made.current_size, made.average_wait_time) == (
        "support",
        1000,
        0,
        0,
    )
    changed = client.queues(made.sid).update(friendly_name="help", max_size=5)
    assert (changed.friendly_name, changed.max_size) == ("help", 5)
    client.queues.create(friendly_name="sales", max_size=5000)
    assert [one.friendly_name for one in client.queues.list()] == ["sales", "help"]
    assert client.queues(made.sid).delete()
    assert refusal(client.queues(made.sid).fetch) == (404, 20404)
    assert refusal(client.queues(made.sid).delete) == (404, 20404)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"friendly_name": ""}, 20001),
        ({"friendly_name": "x" * 65}, 20001),
        ({"friendly_name": "sales", "max_size": 0}, 20001),
        ({"friendly_name": "sales", "max_size": 5001}, 20001),
        ({"friendly_name": "support"}, 22003),
    ],
)
def test_queues_that_can_not_be(client: Client, wanted: dict[str, Any], code: int) -> None:
    other = client.queues.create(friendly_name="other")
    client.queues.create(friendly_name="support")
    assert refusal(lambda: client.queues.create(**wanted)) == (400, code)
    assert refusal(lambda: client.queues(other.sid).update(**wanted)) == (400, code)
    assert {one.friendly_name for one in client.queues.list()} == {"other", "support"}


def test_members_stand_in_their_order(line: Line, client: Client) -> None:
    a, b = line.caller(waited=30), line.caller(waited=10)
    (queue,) = client.queues.list()
    assert queue.current_size == 2
    assert 19 <= queue.average_wait_time <= 22
    members = client.queues(queue.sid).members
    assert [(one.call_sid, one.position) for one in members.list()] == [(a, 1), (b, 2)]
    assert [one.call_sid for one in members.list(page_size=1)] == [a, b]
    front = client.queues(queue.sid).members("Front").fetch()
    assert (front.call_sid, front.queue_sid) == (a, queue.sid)
    assert 29 <= front.wait_time <= 32
    assert client.queues(queue.sid).members(b).fetch().position == 2


def test_a_member_is_taken_out(line: Line, client: Client) -> None:
    a, b = line.caller(waited=2), line.caller(waited=1)
    (queue,) = client.queues.list()
    taken = client.queues(queue.sid).members("Front").update(url=URL, method="GET")
    assert taken.call_sid == a
    assert line.told(a) == [{"what": "document", "leg": "", "url": URL, "method": "GET"}]
    assert client.queues(queue.sid).members(b).update(url=URL).call_sid == b
    assert client.queues(queue.sid).members.list() == []
    front = client.queues(queue.sid).members("Front")
    assert refusal(front.fetch) == (404, 20404)
    assert refusal(lambda: front.update(url=URL)) == (404, 20404)
    assert client.queues(queue.sid).delete()


def test_a_queue_where_somebody_is_stays(line: Line, client: Client) -> None:
    line.caller()
    (queue,) = client.queues.list()
    assert refusal(client.queues(queue.sid).delete) == (400, 20009)
    line.agent()
    assert client.queues(queue.sid).fetch().current_size == 1  # until they are connected
    assert refusal(client.queues(queue.sid).delete) == (400, 20009)


@pytest.mark.parametrize(("url", "code"), [("", 21205), ("nonsense", 21205)])
def test_where_a_member_can_not_be_sent(line: Line, client: Client, url: str, code: int) -> None:
    call_sid = line.caller()
    (queue,) = client.queues.list()
    member = client.queues(queue.sid).members(call_sid)
    assert refusal(lambda: member.update(url=url)) == (400, code)
    assert line.told(call_sid) == []


def test_other_accounts_see_nothing(deployment: Any, line: Line, client: Client) -> None:
    """I12."""
    call_sid = line.caller()
    (queue,) = client.queues.list()
    stranger = deployment.client(*deployment.account())
    assert stranger.queues.list() == []
    theirs = stranger.queues(queue.sid)
    for attempt in (
        theirs.fetch,
        theirs.delete,
        theirs.members.list,
        theirs.members("Front").fetch,
        lambda: theirs.members(call_sid).update(url=URL),
        lambda: theirs.update(max_size=1),
    ):
        assert refusal(attempt) == (404, 20404)
    assert [one.call_sid for one in client.queues(queue.sid).members.list()] == [call_sid]
