"""The router dies by SIGKILL at every named point of a call, and is started again (scenario R1)."""

from pathlib import Path

import pytest
from killing import at_every_point, incoming, menu, outgoing

from tests.support.deployment import Deployment

pytestmark = [pytest.mark.kill, pytest.mark.timeout(2400)]


def test_an_incoming_call_survives_at_every_point(deployment: Deployment, tmp_path: Path) -> None:
    at_every_point(deployment, "router", incoming, tmp_path / "points")


def test_an_outgoing_call_survives_at_every_point(on_sqlite: Deployment, tmp_path: Path) -> None:
    at_every_point(on_sqlite, "router", outgoing, tmp_path / "points")


def test_a_call_that_plays_gathers_and_records_survives_at_every_point(
    on_sqlite: Deployment, tmp_path: Path
) -> None:
    at_every_point(on_sqlite, "router", menu, tmp_path / "points")
