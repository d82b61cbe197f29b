"""The operator's side of caller ids and of numbers on offer."""

import pytest
from test_cli import Run, run

__all__ = ["run"]


def test_caller_ids_are_the_operators_word(run: Run) -> None:
    run("account", "create", "Acme")
    made = run("callerid", "create", "+12125550123", "--name", "Front desk")
    assert (made["phone_number"], made["friendly_name"]) == ("+12125550123", "Front desk")
    assert [one["sid"] for one in run("callerid", "list")] == [made["sid"]]
    assert "verified for this account already" in run("callerid", "create", "+12125550123", exit_code=1)
    assert run("callerid", "delete", made["sid"]) == {"deleted": made["sid"]}
    assert run("callerid", "list") == []


def test_numbers_are_offered_and_withdrawn(run: Run) -> None:
    run("account", "create", "Acme")
    for number in ("+12125550123", "+12125550124"):
        assert run("number", "offer", number)["offered"] == number
    run("number", "create", "+12125550123")
    assert run("number", "offered") == [{"phone_number": "+12125550124"}]
    assert run("number", "withdraw", "+12125550124") == {"withdrawn": "+12125550124"}
    run("number", "delete", "+12125550123")
    assert run("number", "offered") == [{"phone_number": "+12125550123"}]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("callerid", "create", "555"), "E.164"),
        (("callerid", "delete", "PN0"), "not found"),
        (("number", "offer", "555"), "E.164"),
        (("number", "offer", "+12125550123", "--carrier", "nobody"), "nobody"),
        (("number", "withdraw", "+12125550123"), "not found"),
    ],
)
def test_mistakes_get_one_line(run: Run, command: tuple[str, ...], says: str) -> None:
    run("account", "create", "Acme")
    error = run(*command, exit_code=1)
    assert says in error
    assert error.count("\n") == 1
