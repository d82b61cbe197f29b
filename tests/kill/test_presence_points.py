"""The presence server dies by SIGKILL at named points of a call, and is started again (PR-81, F15, F19)."""

from pathlib import Path

import pytest
from killing import Choice, Told, at_points, incoming, on_both, on_sqlite, outgoing

from tests.support.deployment import Deployment

pytestmark = [pytest.mark.kill, pytest.mark.timeout(2400)]


@on_both
def test_an_incoming_call_survives(
    deployment: Deployment, choose: Choice, tmp_path: Path, record_property: Told
) -> None:
    record_property(
        "killed", at_points(deployment, "presence", incoming, tmp_path / "points", choose, anew=True)
    )


@on_sqlite
def test_an_outgoing_call_survives(
    deployment: Deployment, choose: Choice, tmp_path: Path, record_property: Told
) -> None:
    """A client whose socket drops before it has the answer drops the call too, as the Voice SDK does."""
    unanswered = {
        "call.before",
        "call.after",
        "bound.before-commit",
        "bound.after-commit",
        "frame.answer.before",
        "frame.answer.after",
    }
    points = tmp_path / "points"
    record_property(
        "killed", at_points(deployment, "presence", outgoing, points, choose, excused=unanswered, anew=True)
    )
