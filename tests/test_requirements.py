"""Every requirement on presence and on messages is shown by a test, and the page about that is current."""

from pathlib import Path

import pytest

from tests.support import requirements

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "requirements.md"


def test_the_page_is_what_the_tests_say() -> None:
    assert PAGE.read_text().strip() == requirements.page().strip(), "run `make docs`"


@pytest.mark.parametrize("number", requirements.numbers())
def test_a_requirement_is_shown(number: str) -> None:
    assert requirements.proofs().get(number), f"no test names {number}"


def test_no_test_names_a_requirement_that_does_not_exist() -> None:
    last = {"PR": 81, "MR": 11, "PQ": 12}
    strays = [one for one in requirements.proofs() if not 1 <= int(one[3:]) <= last[one[:2]]]
    assert strays == []
