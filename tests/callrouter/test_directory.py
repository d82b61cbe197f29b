"""The directory: accounts, keys, numbers, applications and carriers, on a real SQLite database."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from callrouter import models
from callrouter.directory import accounts, applications, carriers, credentials, keys, numbers, webhooks
from callrouter.directory.accounts import Account, Status
from callrouter.directory.authentication import authenticate
from callrouter.directory.credentials import Credential
from callrouter.directory.e164 import E164, NumberType, e164, national, number_type
from callrouter.directory.errors import Missing, Refused
from foundation.db import Database
from foundation.keys import Keys

PARENT, CHILD, OTHER = "AC" + "1" * 32, "AC" + "2" * 32, "AC" + "3" * 32
KEY, NUMBER, APP = "SK" + "1" * 32, "PN" + "1" * 32, "AP" + "1" * 32
VAULT = Keys(["k" * 32])
SECRET = credentials.seal(VAULT, "right")

Write = Callable[[Callable[[Any], Any]], Any]


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """Runs a unit of work; PARENT with its CHILD, and OTHER, are there."""
    database = Database(f"sqlite:///{tmp_path / 'router.sqlite3'}")
    models.Base.metadata.create_all(database.writer_engine)

    def run(work: Callable[[Any], Any]) -> Any:
        return database.write(work).result(10)

    for sid, owner in ((PARENT, None), (CHILD, PARENT), (OTHER, None)):
        run(lambda c, sid=sid, owner=owner: _account(c, sid, owner))
    yield run
    database.close()


def _account(connection: Any, sid: str, owner: str | None) -> Account:
    return accounts.create(connection, sid=sid, friendly_name="x", credential=SECRET, now=1.0, owner=owner)


def _code(write: Write, work: Callable[[Any], Any]) -> int:
    with pytest.raises(Refused) as caught:
        write(work)
    return caught.value.code


def _announced(connection: Any) -> list[tuple[str, str]]:
    rows = connection.execute(select(models.Outbox.kind, models.Outbox.payload, models.Outbox.id))
    return sorted((row.kind, row.id) for row in rows)


def test_a_unit_that_failed_with_others_may_run_again(write: Write) -> None:
    """Units are repeatable: the same ids and the same time make the same rows (foundation.db)."""

    def twice(connection: Any) -> Any:
        with connection.begin_nested() as first:
            keys.create(connection, account_sid=PARENT, sid=KEY, credential=SECRET, now=2.0)
            first.rollback()
        keys.create(connection, account_sid=PARENT, sid=KEY, credential=SECRET, now=2.0)
        return keys.find(connection, KEY)

    assert write(twice).sid == KEY
    assert ("presence.key", f"key:{KEY}") in write(_announced)


@pytest.mark.parametrize(
    ("username", "password", "who"),
    [
        (PARENT, "right", PARENT),
        (CHILD, "right", CHILD),
        (KEY, "right", PARENT),
        (PARENT, "wrong", None),
        (KEY, "wrong", None),
        (KEY, "", None),
        ("AC" + "9" * 32, "nobody has this password", None),
        ("SK" + "9" * 32, "nobody has this password", None),
        ("", "", None),
        (PARENT, "\ud800", None),
        (PARENT, "\N{FULLWIDTH DIGIT ONE}", None),
    ],
)
def test_authentication(write: Write, username: str, password: str, who: str | None) -> None:
    """M9: any text is a password; reliability-security 4.7: unknown names do not match the dummy."""
    write(lambda c: keys.create(c, account_sid=PARENT, sid=KEY, credential=SECRET, now=1.0))
    found = write(lambda c: authenticate(c, username, password))
    assert (found and found.account.account_sid) == who


def test_authentication_does_the_same_for_known_and_unknown_names(write: Write) -> None:
    """Reliability-security 4.7: as many statements and as many comparisons."""
    write(lambda c: keys.create(c, account_sid=PARENT, sid=KEY, credential=SECRET, now=1.0))

    def statements(username: str) -> int:
        class Counting:
            count = 0

            def __init__(self, connection: Any) -> None:
                self.connection = connection

            def execute(self, *args: Any) -> Any:
                self.count += 1
                return self.connection.execute(*args)

        def work(connection: Any) -> int:
            counting: Any = Counting(connection)
            authenticate(counting, username, "wrong")
            return int(counting.count)

        return int(write(work))

    assert statements(PARENT) == statements("AC" + "9" * 32) == 1
    assert statements(KEY) == statements("SK" + "9" * 32) == 2


@pytest.mark.parametrize("status", [Status.SUSPENDED, Status.CLOSED])
def test_an_owner_takes_its_subaccounts_along(write: Write, status: Status) -> None:
    """A subaccount's registrations end with its owner's: presence hears of both."""
    before = len(write(_announced))
    changed = write(lambda c: accounts.change(c, PARENT, now=2.0, status=status))
    child = write(lambda c: accounts.fetch(c, CHILD))
    assert (changed.status, changed.version, changed.active) == (status, 2, False)
    assert (child.status, child.version, child.active) == ("active", 2, False)
    assert len(write(_announced)) == before + 2
    assert write(lambda c: accounts.fetch(c, OTHER)).version == 1


@pytest.mark.parametrize(
    ("sid", "earlier", "wanted", "by", "code"),
    [
        (PARENT, None, "suspended", PARENT, 21477),
        (CHILD, None, "suspended", CHILD, None),
        (CHILD, None, "suspended", PARENT, None),
        (CHILD, (CHILD, "closed"), "active", None, 21479),
        (CHILD, (CHILD, "closed"), "closed", PARENT, None),
        (CHILD, (CHILD, "suspended"), "active", PARENT, None),
        (CHILD, (PARENT, "suspended"), "active", PARENT, 21476),
        (CHILD, (PARENT, "suspended"), "suspended", None, None),
        (PARENT, (PARENT, "suspended"), "active", None, None),
    ],
)
def test_the_rules_about_status(
    write: Write, sid: str, earlier: tuple[str, str] | None, wanted: str, by: str | None, code: int | None
) -> None:
    """Twilio-surface 5.6."""
    if earlier:
        write(lambda c: accounts.change(c, earlier[0], now=2.0, status=earlier[1]))

    def attempt(connection: Any) -> Account:
        return accounts.change(connection, sid, now=3.0, status=wanted, by=by)

    if code is None:
        assert write(attempt).status == wanted
    else:
        assert _code(write, attempt) == code


def test_subaccounts_are_one_level_and_bounded(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _code(write, lambda c: _account(c, "AC" + "4" * 32, CHILD)) == 21101
    monkeypatch.setattr(accounts, "SUBACCOUNTS", 1)
    assert _code(write, lambda c: _account(c, "AC" + "4" * 32, PARENT)) == 21480
    write(lambda c: accounts.change(c, CHILD, now=2.0, status="closed"))
    assert write(lambda c: _account(c, "AC" + "4" * 32, PARENT)).owner_account_sid == PARENT


def test_secrets_are_sealed_and_never_shown(write: Write) -> None:
    """Reliability-security 4.6: not in clear in the database, not in a repr."""
    account = write(lambda c: accounts.fetch(c, PARENT))
    assert VAULT.open(account.auth_token_sealed) == "right"
    for shown in (repr(account), repr(SECRET)):
        assert account.auth_token_sealed not in shown
        assert account.auth_token_hash not in shown


@given(st.text(), st.text())
def test_a_hash_matches_its_secret_only(secret: str, other: str) -> None:
    hashed = credentials.seal(VAULT, "x").hash if secret == "x" else credentials._hash(secret)
    assert credentials.matches(secret, hashed)
    assert credentials.matches(other, hashed) == (secret == other)


def test_new_secrets_have_128_bits() -> None:
    made = {credentials.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(len(secret) == 32 and int(secret, 16) >= 0 for secret in made)


@pytest.mark.parametrize(
    "text",
    ["+15551234567", "+447911123456", "+4930123456", "+12125550123", "+390612345678"],
)
def test_numbers_that_are_taken_as_they_are(text: str) -> None:
    assert e164(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "+", "15551234567", "++15551234567", "+1 555 123 4567", "+1555FLOWERS", "+15551234567;ext=9"),
        *(
            "+015551234567",
            "\u200e+15551234567",
            "+1555\u200b1234567",
            "\uff0b15551234567",
            "+1555123456\u0667",
        ),
        *(
            "+15551234567\n",
            "+1555",
            "+1234567890123456",
            "+99912345678",
            "tel:+15551234567",
            "+1(555)1234567",
        ),
    ],
)
def test_numbers_that_the_library_would_bend_are_refused(text: str) -> None:
    """M12: ASCII rule first, library second."""
    with pytest.raises(Refused) as caught:
        e164(text)
    assert caught.value.code == 21421


@given(st.text(alphabet="+0123456789 ().-;ext=\u200e\u0661\uff11aA\n", max_size=20))
def test_whatever_is_taken_is_plain_e164(text: str) -> None:
    try:
        taken = e164(text)
    except Refused:
        return
    assert taken == text
    assert E164.fullmatch(taken)


@given(st.text(max_size=20))
def test_showing_a_caller_never_fails(text: str) -> None:
    assert isinstance(national(text), str)
    assert isinstance(number_type(text), NumberType)


def test_callers_are_shown_as_people_write_them() -> None:
    assert national("+12125550123") == "(212) 555-0123"
    assert national("+4930123456") == "+4930123456"
    assert national("client:alice") == "client:alice"


@pytest.mark.parametrize("text", ["", "http://a.example", "https://user:pass@a.example:8443/x?y=z#rc=2"])
def test_urls_that_are_taken(text: str) -> None:
    assert webhooks.url("VoiceUrl", text) == text


@pytest.mark.parametrize(
    "text",
    [
        "nope",
        "ftp://a.example",
        "http://",
        "http://a b",
        "http://127.0.0.1\\@a.example/",
        "http://a.example/\n",
    ],
)
def test_urls_that_are_refused(text: str) -> None:
    """M8, twilio-surface 5.9."""
    with pytest.raises(Refused) as caught:
        webhooks.url("VoiceUrl", text)
    assert caught.value.code == 21402


def test_a_number_has_one_account_and_only_its_applications(write: Write) -> None:
    write(lambda c: applications.create(c, account_sid=OTHER, sid=APP, settings={}, now=1.0))

    def create(sid: str, settings: dict[str, str]) -> Callable[[Any], Any]:
        given: dict[str, Any] = {"sid": sid, "phone_number": "+12125550123", "settings": settings, "now": 1.0}
        return lambda c: numbers.create(c, account_sid=PARENT, **given)

    assert _code(write, create(NUMBER, {"voice_application_sid": APP})) == 21420
    assert _code(write, create(NUMBER, {"carrier": "nobody"})) == 20404
    assert write(create(NUMBER, {})).friendly_name == "(212) 555-0123"
    assert _code(write, create("PN" + "2" * 32, {})) == 21422
    with pytest.raises(Missing):
        write(lambda c: numbers.fetch(c, OTHER, NUMBER))


def test_a_number_is_not_given_to_an_account_that_is_not_active(write: Write) -> None:
    given: dict[str, Any] = {"sid": NUMBER, "phone_number": "+12125550123", "settings": {}, "now": 1.0}
    write(lambda c: numbers.create(c, account_sid=PARENT, **given))
    write(lambda c: accounts.change(c, CHILD, now=2.0, status="suspended"))
    assert _code(write, lambda c: numbers.change(c, PARENT, NUMBER, {"account_sid": CHILD}, 3.0)) == 20005
    assert write(lambda c: numbers.fetch(c, PARENT, NUMBER)).account_sid == PARENT


def test_applications_are_bounded(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applications, "LIMIT", 1)

    def create(connection: Any, sid: str = APP) -> Any:
        return applications.create(connection, account_sid=PARENT, sid=sid, settings={}, now=1.0)

    write(create)
    assert _code(write, lambda c: create(c, "AP" + "2" * 32)) == 21301


def _carrier(connection: Any, name: str = "acme", control_url: str = "http://127.0.0.1:9000/acme") -> Any:
    return carriers.create(
        connection, name=name, sid="CR" + "1" * 32, control_url=control_url, secret_sealed="first", now=1.0
    )


def test_a_carriers_secret_is_rotated_with_an_overlap(write: Write) -> None:
    """F39: the one before is taken until the next rotation."""
    assert write(_carrier).secrets_sealed == ["first"]
    assert write(lambda c: carriers.rotate(c, "acme", "second", 2.0)).secrets_sealed == ["second", "first"]
    assert write(lambda c: carriers.rotate(c, "acme", "third", 3.0)).secrets_sealed == ["third", "second"]


@pytest.mark.parametrize("name", ["", "Acme", "-acme", "a b", "a/b", "acme\n", "a" * 64, "\u0430cme"])
def test_carrier_names_are_plain(write: Write, name: str) -> None:
    """They are part of a path."""
    assert _code(write, lambda c: _carrier(c, name)) == 20001


@pytest.mark.parametrize(
    "url", ["", "acme", "http://a.example/?x=1", "http://a.example/#x", "ws://a.example"]
)
def test_control_urls_are_plain(write: Write, url: str) -> None:
    assert _code(write, lambda c: _carrier(c, control_url=url)) == 20001


def test_a_carrier_in_use_is_not_forgotten(write: Write) -> None:
    write(_carrier)
    assert _code(write, _carrier) == 20409
    given: dict[str, Any] = {"sid": NUMBER, "phone_number": "+12125550123", "now": 1.0}
    write(lambda c: numbers.create(c, account_sid=PARENT, settings={"carrier": "acme"}, **given))
    assert _code(write, lambda c: carriers.remove(c, "acme")) == 20409
    write(lambda c: numbers.change(c, PARENT, NUMBER, {"carrier": ""}, 2.0))
    write(lambda c: carriers.remove(c, "acme"))
    assert write(lambda c: c.execute(select(func.count()).select_from(models.Carrier)).scalar_one()) == 0


def test_a_key_is_announced_when_made_and_when_deleted(write: Write) -> None:
    credential = Credential(sealed="s", hash="h")
    write(lambda c: keys.create(c, account_sid=PARENT, sid=KEY, credential=credential, now=1.0))
    write(lambda c: keys.rename(c, PARENT, KEY, "laptop", 2.0))
    assert _code(write, lambda c: keys.remove(c, OTHER, KEY, 3.0)) == 20404
    write(lambda c: keys.remove(c, PARENT, KEY, 3.0))
    of_key = [entry for entry in write(_announced) if KEY in entry[1]]
    assert of_key == [("presence.key", f"key:{KEY}"), ("presence.key-deleted", f"key-deleted:{KEY}")]
