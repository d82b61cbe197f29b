"""The presence server dies by SIGKILL at every named point of a call, and is started again (PR-81, F15, F19)."""

from pathlib import Path

import pytest
from killing import at_every_point, incoming, outgoing

from tests.support.deployment import Deployment

pytestmark = [pytest.mark.kill, pytest.mark.timeout(2400)]


def test_an_incoming_call_survives_at_every_point(deployment: Deployment, tmp_path: Path) -> None:
    at_every_point(deployment, "presence", incoming, tmp_path / "points", anew=True)


def test_an_outgoing_call_survives_at_every_point(on_sqlite: Deployment, tmp_path: Path) -> None:
    """A client whose socket drops before it has the answer drops the call too, as the Voice SDK does."""
    unanswered = {
        "call.before",
        "call.after",
        "bound.before-commit",
        "bound.after-commit",
        "frame.answer.before",
        "frame.answer.after",
    }
    at_every_point(on_sqlite, "presence", outgoing, tmp_path / "points", unanswered, anew=True)
