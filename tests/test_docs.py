"""The reference pages say what the code says."""

from pathlib import Path

import pytest

from foundation import settings
from instructions import reference

DOCS = Path(__file__).parents[1] / "docs" / "reference"


@pytest.mark.parametrize(
    ("page", "made"), [("settings.md", settings.reference), ("twiml.md", reference.page)]
)
def test_a_reference_page_is_what_the_code_makes(page: str, made: object) -> None:
    assert callable(made)
    assert (DOCS / page).read_text().strip() == made().strip(), "run `make docs`"
