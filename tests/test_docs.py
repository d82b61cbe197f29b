"""The reference pages say what the code says."""

from pathlib import Path

import pytest

from callrouter.cli import reference as cli_reference
from callrouter.ladders import remedies
from foundation import settings
from instructions import reference
from presence.api.description import page as presence_page
from tests.support import compatibility

DOCS = Path(__file__).parents[1] / "docs" / "reference"


@pytest.mark.parametrize(
    ("page", "made"),
    [
        ("settings.md", settings.reference),
        ("twiml.md", reference.page),
        ("cli.md", cli_reference.page),
        ("errors.md", remedies.page),
        ("compatibility.md", compatibility.page),
        ("presence.md", presence_page.page),
    ],
)
def test_a_reference_page_is_what_the_code_makes(page: str, made: object) -> None:
    assert callable(made)
    assert (DOCS / page).read_text().strip() == made().strip(), "run `make docs`"


ACTING = [cls for cls in reference.elements() if reference.acts(cls)]


@pytest.mark.parametrize("cls", ACTING, ids=[cls.tag for cls in ACTING])
def test_what_acts_is_shown_by_a_whole_call(cls: type) -> None:
    """Each verb and noun that is called done is in the document of a call with real processes."""
    assert compatibility.proofs(compatibility.CALLS).get((cls.tag, "")), f"<{cls.tag}>: no whole call has it"


def test_nothing_that_acts_is_untested() -> None:
    """Each attribute that is called done is in a test of its effect."""
    language, calls = compatibility.proofs(compatibility.LANGUAGE), compatibility.proofs(compatibility.CALLS)
    bare = [
        f"{cls.tag} {row.name}"
        for cls in ACTING
        for row in cls.table
        if row.acts and not (language.get((cls.tag, row.name)) or calls.get((cls.tag, row.name)))
    ]
    assert bare == []
