"""The playground's texts: which document answers, what is wrong where, and whose they are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callrouter.directory import accounts, credentials
from callrouter.playground import documents, server, store
from callrouter.playground.examples import EXAMPLES
from foundation.db import Database
from foundation.keys import Keys
from foundation.outbound.message import OutboundRequest
from foundation.sids import ACCOUNT, new_sid
from tests.support import tables

MENU = """
document /voice
  <?xml version="1.0"?>
  <Response>
    <Gather action="/menu"><Sya>x</Sya></Gather>
  </Response>

document /menu when Digits=1
<Response><Say>One</Say></Response>

document /menu
<Response/>
"""


def test_each_heading_begins_a_document() -> None:
    found = [(one.path, one.when, one.line) for one in documents.sections(MENU)]
    assert found == [("/voice", None, 3), ("/menu", ("Digits", "1"), 9), ("/menu", None, 12)]


def test_a_text_without_headings_is_the_first_document() -> None:
    assert documents.answer("\n<Response/>\n", "/voice", {}) == "<Response/>\n"
    assert documents.answer("<Response/>", "/other", {}) is None


@pytest.mark.parametrize(("digits", "said"), [("1", "One"), ("2", "<Response/>"), ("", "<Response/>")])
def test_a_condition_goes_before_none(digits: str, said: str) -> None:
    assert said in str(documents.answer(MENU, "/menu", {"Digits": digits}))


@pytest.mark.parametrize(
    ("text", "line", "code", "error"),
    [
        (MENU, 5, 13320, False),
        ("document /voice\n<Response>\n<Say>\n</Response>", 4, 12100, True),
        ("\n\n<Response><Dail/></Response>", 3, 12200, False),
        ("<Response>\n  <Say voise='x'>a</Say>\n</Response>", 2, 12200, False),
        ("\n<Responce/>", 2, 12102, True),
        ("document /menu\n<Response/>", 1, documents.HEADING_FAULT, True),
        ("", 1, documents.HEADING_FAULT, True),
        ("x" * 70_000, 1, documents.HEADING_FAULT, True),
    ],
    ids=["warning", "unclosed", "verb", "attribute", "root", "no-voice", "empty", "long"],
)
def test_a_fault_stands_at_its_line_of_the_whole_text(text: str, line: int, code: int, error: bool) -> None:
    first = documents.faults(text)[0]
    assert (first.line, first.code, first.error) == (line, code, error), first.message


@given(st.text(alphabet="docuent/vic when=1<>Rsp\n\r &;\0é", max_size=200))
def test_no_text_is_too_strange_to_be_checked(text: str) -> None:
    lines = text.replace("\r\n", "\n").count("\n") + 1
    assert all(1 <= fault.line <= lines for fault in documents.faults(text))


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_examples_are_right_but_for_the_one_that_is_not(name: str) -> None:
    faults = documents.faults(EXAMPLES[name])
    assert bool(faults) is (name == "Broken on purpose")
    assert not any(fault.error for fault in faults)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/router.sqlite3"
    tables.make(url, "callrouter")
    opened = Database(url)
    yield opened
    opened.close()


def _account(database: Database) -> str:
    sid = new_sid(ACCOUNT)
    sealed = credentials.seal(Keys(["k" * 32]), credentials.new_secret())
    database.write(
        lambda c: accounts.create(c, sid=sid, friendly_name="A", credential=sealed, now=time.time())
    ).result(10)
    return sid


def test_an_account_is_answered_its_own_texts_only(database: Database) -> None:
    mine, other = _account(database), _account(database)
    sid = database.write(lambda c: store.keep(c, mine, MENU, 1.0)).result(10)
    assert database.write(lambda c: store.keep(c, mine, MENU, 2.0)).result(10) == sid
    address = server.url(sid, "/menu")
    assert server.serves(address)
    asked = OutboundRequest(url=address, params=(("Digits", "1"),))
    answer = server.respond(database, mine, asked)
    assert (answer.status, answer.header("Content-Type")) == (200, "text/xml")
    assert b"One" in answer.body
    assert server.respond(database, other, asked).status == 404
    nowhere = server.respond(database, mine, OutboundRequest(url=server.url(sid, "/<b>")))
    assert (nowhere.status, nowhere.header("Content-Type")) == (404, "text/plain")
    assert b"/voice, /menu" in nowhere.body
    with database.read() as connection:
        target = server.target(connection, mine, sid)
        assert target is not None
        assert (target.voice_url, target.account_status) == (server.url(sid), "active")
        assert server.target(connection, other, sid) is None


def test_old_texts_go_when_new_ones_come(database: Database) -> None:
    mine = _account(database)
    old = database.write(lambda c: store.keep(c, mine, "<Response/>", 1.0)).result(10)
    database.write(lambda c: store.keep(c, mine, MENU, 2.0 + store.KEPT_SECONDS)).result(10)
    with database.read() as connection:
        assert store.fetch(connection, mine, old) is None


@pytest.mark.parametrize(
    "address",
    [
        "http://playground.invalid/",
        "http://pg0.playground.invalid/",
        "http://pg" + "0" * 32 + ".playground.invalid.example.com/",
        "http://x@[",
        "",
    ],
)
def test_no_other_address_is_ours(address: str) -> None:
    assert not server.serves(address)
