"""Every requirement on presence is shown by a test, and the page about that is current."""

from pathlib import Path

import pytest

from tests.support import requirements

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "requirements.md"


def test_the_page_is_what_the_tests_say() -> None:
    assert PAGE.read_text().strip() == requirements.page().strip(), "run `make docs`"


@pytest.mark.parametrize("number", [one for one in requirements.numbers() if one not in requirements.LATER])
def test_a_requirement_is_shown(number: int) -> None:
    assert requirements.proofs().get(number), f"no test names PR-{number}"


def test_no_test_names_a_requirement_that_does_not_exist() -> None:
    strays = {number: tests for number, tests in requirements.proofs().items() if not 1 <= number <= 81}
    assert strays == {}
