"""The router dies by SIGKILL at named points of a call, and is started again (scenario R1)."""

from pathlib import Path

import pytest
from killing import Choice, Told, at_points, incoming, menu, on_both, on_sqlite, outgoing

from tests.support.deployment import Deployment

pytestmark = [pytest.mark.kill, pytest.mark.timeout(2400)]


@on_both
def test_an_incoming_call_survives(
    deployment: Deployment, choose: Choice, tmp_path: Path, record_property: Told
) -> None:
    record_property("killed", at_points(deployment, "router", incoming, tmp_path / "points", choose))


@on_sqlite
def test_an_outgoing_call_survives(
    deployment: Deployment, choose: Choice, tmp_path: Path, record_property: Told
) -> None:
    record_property("killed", at_points(deployment, "router", outgoing, tmp_path / "points", choose))


@on_sqlite
def test_a_call_that_plays_gathers_and_records_survives(
    deployment: Deployment, choose: Choice, tmp_path: Path, record_property: Told
) -> None:
    record_property("killed", at_points(deployment, "router", menu, tmp_path / "points", choose))
