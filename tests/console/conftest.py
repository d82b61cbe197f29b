"""A console for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from console_world import ConsoleWorld


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ConsoleWorld]:
    made = ConsoleWorld(tmp_path)
    yield made
    made.close()
