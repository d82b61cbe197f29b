"""A process dies by SIGKILL while calls are together in a conference or a queue, or are streamed and listened to.

What is tried here are the moments that a call in itself does not have; those have tests of their own. Of moments
between which nothing is stored or sent, one stands for all: the slow tests try every one, every time it is passed,
on both databases.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from gatherings import Gathering, conference, lost_conference, lost_queue, queue, talker
from killing import Act, Point, Told, at_points

from tests.support.deployment import Deployment, deployments
from tests.support.postgresql import Cluster

pytestmark = [pytest.mark.kill, pytest.mark.timeout(3000)]

OURS = (
    *("conference.", "queue.", "room.", "tell.", "pair.", "unbridge.", "Told."),
    *("stream.", "listen.", "Stream", "Speech"),
)
ENOUGH = (
    *("conference.join.before", "conference.join.after", "conference.leave.after"),
    *("room.join.after", "room.record.after", "room.update.after", "room.leave.after"),
    *("queue.join.after", "queue.take.after", "queue.connect.after", "queue.leave.after"),
    *("tell.before", "Told.after-commit", "pair.after", "unbridge.after"),
    *("stream.start.after", "StreamUp.before-commit", "stream.stop.after", "StreamOver.before-commit"),
    *("listen.after", "SpeechOver.before-commit", "SpeechOver.after-commit"),
)
ACTS: list[Act] = [conference, queue, talker]  # type: ignore[list-item]


def with_recogniser(folder: Path, **options: str) -> Iterator[Deployment]:
    """Its recogniser is as fast as it knows little."""
    engine = folder / "recogniser.sh"
    engine.write_text('#!/bin/sh\ncat > /dev/null\necho \'{"text": "sales please", "confidence": 0.5}\'\n')
    engine.chmod(0o700)
    yield from deployments(folder, recognition_engine=f"command:{engine}", **options)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    yield from with_recogniser(tmp_path_factory.mktemp("kill"))


@pytest.fixture(scope="module")
def on_postgresql(postgresql: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    databases = {"router_database": postgresql.database(), "presence_database": postgresql.database()}
    yield from with_recogniser(tmp_path_factory.mktemp("kill"), **databases)


def enough(points: list[Point]) -> list[Point]:
    """The last pass of each that stands for others."""
    return [(name, turn) for name, turn in dict(points).items() if name in ENOUGH]


def ours(points: list[Point]) -> list[Point]:
    return [point for point in points if point[0].startswith(OURS)]


@pytest.mark.parametrize("act", ACTS)
def test_the_router_dies(here: Deployment, tmp_path: Path, act: Act, record_property: Told) -> None:
    record_property("killed", at_points(here, "router", act, tmp_path / "points", enough, stage=Gathering))


@pytest.mark.slow
@pytest.mark.parametrize("act", ACTS)
def test_the_router_dies_at_every_point(
    here: Deployment, tmp_path: Path, act: Act, record_property: Told
) -> None:
    record_property("killed", at_points(here, "router", act, tmp_path / "points", ours, stage=Gathering))


@pytest.mark.slow
@pytest.mark.postgresql
@pytest.mark.parametrize("act", ACTS)
def test_the_router_dies_at_every_point_on_postgresql(
    on_postgresql: Deployment, tmp_path: Path, act: Act, record_property: Told
) -> None:
    record_property(
        "killed", at_points(on_postgresql, "router", act, tmp_path / "points", ours, stage=Gathering)
    )


@pytest.mark.parametrize(("act", "away"), [(lost_conference, 0.0), (lost_conference, 7.0), (lost_queue, 0.0)])
def test_the_voice_node_dies(here: Deployment, act: Act, away: float) -> None:
    """Whether it is back at once, or too late: audio is lost, calls end, and nothing waits for them."""
    scene = Gathering(here, "voice", act)
    scene.away = away
    assert asyncio.run(scene.play())
    assert scene.died
